"""Slides in TIFF files."""
