"""Pictures in PNG, JPEG and JPEG 2000 files as slides of one level."""
