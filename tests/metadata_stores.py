"""Stores that together hold every key of the metadata, and what looks at their JSON."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from icc_profiles import matrix_profile
from paths import SAMPLE, SAMPLES

import slidetile as st
from slidetile.errors import StoreError
from slidetile.format.codecs.planar import ZstdCodec
from slidetile.raster.icc import LARGEST_PROFILE_BYTES
from slidetile.slides.srgb import SrgbSlide

OURS = "attributes.slidetile"
TISSUE = f"{OURS}.parameters.tissue"
ANNOTATIONS = f"{TISSUE}.regions"

NAMES = (
    *("native", "level", "averaged", "anonymous", "grey", "jpeg", "jxl", "zstd"),
    *("srgb", "taken", "long", "reference"),
)


def write_described(folder: Path) -> None:
    """Write stores that together hold every key there is."""
    drawn = st.AnnotationsSpec(path=SAMPLES / "sample.geojson", mode="exclude", classes=["Tumor"])
    few = st.TileSpec(size=512, sample=3, seed=7, edge="shift")
    st.tile_slide(SAMPLE, folder / "native", st.Recipe(annotations=drawn, tile=few))
    st.tile_slide(SAMPLE, folder / "level", st.Recipe(mpp=2.0, tile=replace(few, edge="drop")))
    st.tile_slide(SAMPLE, folder / "averaged", st.Recipe(mpp=0.7))
    st.tile_slide(SAMPLE, folder / "anonymous", options=st.WriteOptions(anonymous=True))
    grey = st.ArraySlide(np.full((300, 2000, 1), 9, np.uint8), objective_power=20)
    _write(grey, folder / "grey", "raw", st.TileSpec(size=64, min_tissue_fraction=0, max_tiles=2))
    array = np.random.default_rng(0).integers(0, 256, (1107, 1533, 3), np.uint8)
    slide = st.ArraySlide(
        [array, array[::2, ::2], array[::7, ::7]],
        mpp=(0.2514, 0.2373),
        name="naïve “slide”\n",
        icc_profile=b"\0profile\xff",
        background=(240, 0, 20),
        scan_area=st.Region(x=-3, y=4, width=900, height=2000),
    )
    slide.colour_note = "says RGB, but its JPEG is marked as JFIF: read as YCbCr"
    _write(slide, folder / "jxl", st.JxlCodec(effort=2), st.TileSpec(size=208))
    _write(slide, folder / "jpeg", st.JpegCodec(quality=71), st.TileSpec(size=208))
    _write(slide, folder / "zstd", ZstdCodec(compression_level=-7), st.TileSpec(size=208))
    st.tile_slide(SAMPLE, folder / "taken", st.Recipe(color="srgb"))
    st.tile_slide(SAMPLE, folder / "reference", st.Recipe(codec="reference"))
    few = st.TileSpec(size=512)
    with st.open_slide(SAMPLE) as sample:
        sample.icc_profile = matrix_profile(intent=1)
        _write(SrgbSlide(sample), folder / "srgb", "raw", few)
        sample.icc_profile = bytes(LARGEST_PROFILE_BYTES + 1)
        _write(sample, folder / "long", "native", few)


def _write(slide, path, codec, spec):
    overview = st.read_overview(slide, mpp=9.1)
    mask = np.zeros(overview.image.shape[:2], np.bool_)
    mask[-9:, -20:] = True
    parameters = {"detector": "a hand", "more": {"a": (1, 2.0, None, "é")}, "z": 1e-7, "y": []}
    tissue = st.TissueMask.from_mask(mask, overview, parameters=parameters)
    st.write_tiles(slide, st.plan_tiles(slide, tissue, spec), path, codec=codec)


def members(node, path=""):
    """Yield (holder, key, path) of every value in JSON."""
    if isinstance(node, dict | list):
        for key in list(node) if isinstance(node, dict) else range(len(node)):
            inner = f"{path}[{key}]" if isinstance(node, list) else f"{path}.{key}".lstrip(".")
            yield node, key, inner
            yield from members(node[key], inner)


def refusal(parse, node):
    """Return why JSON is refused, or None where it is taken."""
    try:
        parse(json.dumps(node).encode())
    except StoreError as error:
        return str(error)
    return None
