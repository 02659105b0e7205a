"""What tiles look like: colour, sharpness, pen.

Knows the stored pixels of one coarse level. Does not know why the tiles were chosen.
"""
