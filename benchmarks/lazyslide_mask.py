"""Find the tissue on a slide with LazySlide's defaults, for benchmarks/tissue.py --lazyslide.

    PYTHON benchmarks/lazyslide_mask.py SLIDE MASK.npy

Runs in a Python of its own, that has lazyslide, which needs PyTorch, and not slidetile.
"""

import sys

import lazyslide
import numpy as np
from PIL import Image, ImageDraw
from wsidata import open_wsi


def main(slide: str, mask: str) -> None:
    wsi = open_wsi(slide)
    lazyslide.pp.find_tissues(wsi)
    height, width = wsi.properties.shape
    drawn = Image.new("1", (width, height))
    for outline in wsi.shapes["tissues"].geometry if "tissues" in wsi.shapes else ():
        for polygon in getattr(outline, "geoms", [outline]):
            ImageDraw.Draw(drawn).polygon(list(polygon.exterior.coords), fill=1)
            for hole in polygon.interiors:
                ImageDraw.Draw(drawn).polygon(list(hole.coords), fill=0)
    np.save(mask, np.asarray(drawn))


if __name__ == "__main__":
    main(*sys.argv[1:])
