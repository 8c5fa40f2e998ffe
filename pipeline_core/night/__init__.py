"""A whole night from one file: what is needed is worked out, what is there already is used again, the rest is done."""
