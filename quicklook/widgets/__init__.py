"""Small controls that know nothing of photon files."""
