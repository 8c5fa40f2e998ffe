"""Photon files of older programs (layouts V0 to V5, 2017 to 2025): recognised, read, and brought into ours."""
