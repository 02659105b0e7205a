"""The stores that are compared with docs/reference/store-format.md; slidetile writes them."""

import numpy as np
import pytest
from known_tissue import sample_tissue
from paths import SAMPLE

import slidetile as st

CODECS = ("native", "zstd", "jxl", "jpeg", "raw")


def write_sample(path, codec, **options):
    """Write the sample's tissue as it was drawn, with what detecting it would have recorded."""
    with st.open_slide(SAMPLE) as slide:
        tissue = sample_tissue(slide, st.find_tissue(slide).parameters)
        plan = st.plan_tiles(slide, tissue, st.TileSpec(size=512))
        return st.write_tiles(slide, plan, path, codec=codec, **options)


def interrupt(path, codec):
    def stop(progress):
        if progress.shards_done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_sample(path, codec, on_progress=stop)


def odd_pixels():
    coarse = np.random.default_rng(0).integers(0, 256, (147, 163, 3), np.uint8)
    return coarse.repeat(15, axis=0).repeat(13, axis=1)[:2203, :2117]
