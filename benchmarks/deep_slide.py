"""Make a large fluorescence slide of 12 bits in 16: OME-TIFF, three channels, deflate.

    python benchmarks/deep_slide.py BRIGHTFIELD.svs DEEP.ome.tif

What each colour of a brightfield slide absorbs becomes the light of a channel, over the noise of a
camera. Its levels at 1/4 and 1/16 are SubIFDs, as Bio-Formats writes them.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile

import slidetile as st

TILE_PX = 512
FACTORS = 1, 4, 16
GAIN, DARK, NOISE = 14, 100, 12
NAMES = "DAPI", "CD3", "CK"


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    with st.open_slide(source) as slide, tifffile.TiffWriter(target, bigtiff=True) as writer:
        width, height = slide.width, slide.height
        for factor in FACTORS:
            shape = len(NAMES), height // factor, width // factor
            writer.write(
                tiles(slide, shape, factor), shape=shape, dtype=np.uint16, tile=(TILE_PX,) * 2,
                compression="zlib", photometric="minisblack",
                **({"subifds": len(FACTORS) - 1, "metadata": about(slide)} if factor == 1
                   else {"subfiletype": 1, "metadata": None}),
            )  # fmt: skip


def about(slide: st.Slide) -> dict[str, object]:
    assert slide.mpp is not None
    scale = {"PhysicalSizeX": slide.mpp[0], "PhysicalSizeY": slide.mpp[1]}
    return {"axes": "CYX", "Channel": {"Name": list(NAMES)}, **scale}


def tiles(slide: st.Slide, shape: tuple[int, int, int], factor: int) -> Iterator[np.ndarray]:
    """Yield the tiles of one channel after the other, in 12 bits."""
    random = np.random.default_rng(0)
    level = min(range(len(slide.levels)), key=lambda n: abs(slide.levels[n].downsample[0] - factor))
    for channel in range(shape[0]):
        for y in range(0, shape[1], TILE_PX):
            for x in range(0, shape[2], TILE_PX):
                at = st.Region(x=x, y=y, width=TILE_PX, height=TILE_PX)
                at = at.rescaled((1, 1), (factor, factor))
                light = 255 - slide.read_region(at, level=level)[..., channel].astype(np.int32)
                noise = random.normal(DARK, NOISE, light.shape).astype(np.int32)
                yield (light * GAIN + noise).clip(0, 4095).astype(np.uint16)


if __name__ == "__main__":
    main()
