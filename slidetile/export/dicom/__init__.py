"""A store as a DICOM whole-slide series, its JPEG and JPEG 2000 frames copied.

Knows DICOM's attributes. Does not know how chunks are stored.
"""
