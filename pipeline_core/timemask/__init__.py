"""Times that do not count: bursts of the whole array (cosmic rays), found in photon times, and intervals by hand."""
