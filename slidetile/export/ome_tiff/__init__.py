"""A store as a sparse tiled pyramid TIFF with OME-XML, its JPEG tiles copied.

Knows TIFF directories and OME's description. Does not know how chunks are stored.
"""
