"""slidetile: find the tissue on a whole slide and stream its tiles into a Zarr store."""
