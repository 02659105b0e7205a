"""Slides in DICOM files (VL Whole Slide Microscopy Image): of a series, any number of files."""
