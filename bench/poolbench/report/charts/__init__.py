"""The charts: one module each, which draws the numbers that it is given and computes none."""
