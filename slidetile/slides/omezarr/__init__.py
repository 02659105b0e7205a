"""Slides in OME-Zarr folders, versions 0.4 and 0.5, by zarr-python."""
