"""Slides in Zeiss CZI files."""
