"""Bad pixels: hot, cold, dead and flickering ones, found in counts; a mask of them is a solution like any other."""
