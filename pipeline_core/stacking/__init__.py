"""Stacking of dithered observations: registration, shift and add, drizzle, files."""
