"""Folders of stores to report, and the values of slides that are not there."""

import shutil

import numpy as np

import slidetile as st
from slidetile.cohort.report.classes import ClassOnSlide
from slidetile.cohort.report.row import CohortRow
from slidetile.cohort.report.slide import ReportedSlide
from slidetile.cohort.report.stored import StoredFacts

NASTY = "<img src=x onerror=\"document.title='broken'\">'&amp;</script><b>.svs"
"""A slide's name that is markup, twice over."""


def small_store(path, *, mpp=0.5, seed=0, size=64):
    """Write a store of 3×2 tiles of noise, half of them tissue."""
    pixels = np.random.default_rng(seed).integers(0, 256, (2 * size, 3 * size, 3), np.uint8)
    slide = st.ArraySlide(pixels, mpp=mpp)
    tissue = st.find_tissue(slide, detector=lambda image: np.ones(image.shape[:2], np.bool_))
    return st.write_tiles(slide, st.plan_tiles(slide, tissue, st.TileSpec(size=size)), path)


def facts(**values):
    """Return what a store of an ordinary slide says, but for some values."""
    usual = {
        "name": None,
        "size_px": (40_000, 30_000),
        "tile_size_px": 1024,
        "codec": "native",
        "not_native": None,
        "tiles": 400,
        "unreadable": 0,
        "unreadable_reasons": (),
        "tile_bytes": 120_000_000,
        "mpp": (0.25, 0.25),
        "slide_mpp": (0.25, 0.25),
        "tissue_pieces": 2,
        "tissue_share": 0.3,
        "tissue_mm2": 22.5,
        "slide_mm2": 75.0,
        "left_out": (),
        "pen_share": 0.0,
        "tiles_with_pen": 0,
        "sharpness": 2000.0,
        "sharpness_mpp": 4.0,
        "is_brightfield": True,
    }
    return StoredFacts(**{**usual, **values})


def label(name, **values):
    """Return what a store says of an ordinary class, but for some values."""
    usual = {"tiles": 14, "tiles_of_it": 12, "area_mm2": 1.5, "points": 0}
    return ClassOnSlide(name=name, **{**usual, **values})


def slide(key="one", *, row=None, status="ok", problem=None, **values):
    """Return a slide with a store, but for some values."""
    return ReportedSlide(
        key=key,
        status=status,
        problem=problem,
        row=None if row is None else CohortRow(key=key, **row),
        stored=facts(**values),
    )


def many(count):
    """Return slides of a large cohort: every hundredth failed, every fiftieth without tissue."""
    slides = []
    for number in range(count):
        key = f"slide-{number:05d}"
        row = {"slide": f"/slides/{number % 7}/{key}.svs", "seconds": 1.0 + number % 90}
        if number % 100 == 0:
            why = {"status": "failed", "reason": f"{key}.svs does not exist."}
            failed = CohortRow(key=key, **row, **why)
            slides.append(
                ReportedSlide(key=key, status="failed", row=failed, problem=why["reason"])
            )
        else:
            tiles = 0 if number % 50 == 0 else number
            slides.append(slide(key, row=row, tiles=tiles, tissue_share=0.2 + number / 1e5))
    return slides


def faulty(folder, sample, damaged_sample):
    """Tile slides into a folder, of which some fail, and spoil what others left."""
    slides = folder.parent / f"{folder.name} slides"
    slides.mkdir(parents=True)
    for name in (NASTY.replace("/", ""), "lost.svs", "table.svs", "overview.svs", "level.svs"):
        shutil.copy(sample, slides / name)
    shutil.copy(damaged_sample, slides / "damaged.svs")
    (slides / "bad.svs").write_text("no slide")
    st.tile_slides([slides], folder, st.Recipe(tile=st.TileSpec(size=512)))
    shutil.rmtree(folder / "lost.zarr")
    (folder / "table.zarr" / "tiles" / "tiles.parquet").write_bytes(b"PAR1 no table PAR1")
    overview = folder / "overview.zarr" / "overview" / "0" / "c" / "0" / "0" / "0"
    overview.write_bytes(overview.read_bytes()[:-9])
    (folder / "level.zarr" / "1" / "zarr.json").unlink()
    (folder / "begun.zarr.partial").mkdir()
