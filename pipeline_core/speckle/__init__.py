"""Speckle statistics: coherent halo Ic, fast speckles Is and a steady source Ip of every pixel, with errors and flags.

`compute_maps` makes maps of an observation, `study_pixel` looks at one pixel in depth; `files` writes, `plots` draws.
"""
