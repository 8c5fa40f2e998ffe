"""Wavelength calibration: from laser exposures to a curve phase(energy) of every pixel.

`settings` says what is done, `histograms` counts, `linefit` and `curves` fit, `compute` puts them together, `solution`
is what is kept, `apply` attaches it to an observation. Flattened pixels are x-major: ``x * nrows + y``; lines ascend in
wavelength; phases are negative degrees; energies eV.
"""
