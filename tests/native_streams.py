"""Copied tiles beside the slide they were copied from."""

import io

import imagecodecs
import numpy as np
from PIL import Image

from slidetile.raster.region import Region


def check_streams(slide, cells, streams):
    """Assert that two decoders make the slide's own pixels of each tile of its finest level."""
    native = slide.native_tiles(0)
    width, height = native.tile_width_px, native.tile_height_px
    for (column, row), stream in zip(cells, streams, strict=True):
        place = Region(x=column * width, y=row * height, width=width, height=height)
        inside = slide.bounds.intersection(place).relative_to(place)
        pixels = slide.read_region(place)[inside.slices]
        decoded = imagecodecs.jpeg8_decode(stream)
        assert decoded.shape == (height, width, 3)
        np.testing.assert_array_equal(decoded[inside.slices], pixels)
        with Image.open(io.BytesIO(stream)) as image:
            np.testing.assert_array_equal(np.asarray(image)[inside.slices], pixels)
