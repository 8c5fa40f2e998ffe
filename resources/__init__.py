"""Icons, style sheet and default settings, packaged as ``quicklook.resources``."""
