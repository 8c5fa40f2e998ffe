"""Flat field: from exposures of a lamp, the twilight or lasers to a weight for every pixel and wavelength.

`settings` and `config` say what is wanted, `spectra` reads photons, `compute` decides, `fit` and its kernels do the
mathematics, `solution` is the value and its file, `apply` brings it to an observation, `book` and `plots` draw.
"""
