"""Slides made for the tests: every pixel differs from its neighbours, so misplacing shows."""

import pytest
import tifffile
from pictures import pattern


@pytest.fixture(scope="session")
def pyramid(tmp_path_factory):
    """A lossless pyramid of three levels: its path, and its levels as arrays."""
    path = tmp_path_factory.mktemp("pyramid") / "pyramid.tiff"
    levels = [pattern(300, 421), pattern(150, 210, seed=1), pattern(75, 105, seed=2)]
    with tifffile.TiffWriter(path) as writer:
        for index, level in enumerate(levels):
            writer.write(
                level,
                photometric="rgb",
                tile=(64, 64),
                compression="deflate",
                subfiletype=int(index > 0),
                resolution=(20000, 20000),
                resolutionunit="CENTIMETER",
                metadata=None,
            )
    return path, levels
