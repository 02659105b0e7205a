"""What readers of other programs show of an exported store, to be compared with it."""

import numpy as np
import openslide
import tifffile

import slidetile as st


def stored(store, level):
    """Pixels of a level as the store has them, and which of them lie in its chunks."""
    width, height = store.levels[level].size
    pixels = store.read_level_region(st.Region(x=0, y=0, width=width, height=height), level=level)
    grid, is_there = store.grid(level), np.zeros((height, width), np.bool_)
    for cell in store.stored_chunks(level):
        region = grid.chunk_region(*cell)
        is_there[region.slices] = True
    return pixels, is_there


def check_openslide(path, store, *, tolerance=0):
    """Assert that OpenSlide shows the chunks as the store has them, and nothing where none are."""
    with openslide.OpenSlide(path) as slide:
        assert slide.level_dimensions == tuple(level.size for level in store.levels)
        if store.mpp is not None:
            shown = float(slide.properties["openslide.mpp-x"])
            assert abs(shown - store.mpp[0]) <= 1e-9 * store.mpp[0]
        for level, size in enumerate(slide.level_dimensions):
            shown = np.asarray(slide.read_region((0, 0), level, size))
            pixels, is_there = stored(store, level)
            assert np.array_equal(shown[..., 3] == 255, is_there)
            nothing = shown.view(np.uint32)[..., 0][~is_there]
            assert not nothing.any(), "what is absent is transparent"
            check_near(shown[..., :3], pixels, tolerance, where=is_there)
        return dict(slide.properties)


def check_tifffile(path, store, *, tolerance=0):
    """Assert that tifffile shows all levels as the store has them, its background included."""
    with tifffile.TiffFile(path) as tiff:
        assert tiff.is_ome
        assert tiff.is_bigtiff
        (series,) = tiff.series[:1]
        assert len(series.levels) == len(store.levels)
        for level, found in enumerate(series.levels):
            shown = found.asarray()
            if found.axes.startswith("C"):
                shown = np.moveaxis(shown, 0, -1)
            pixels, _ = stored(store, level)
            check_near(shown.reshape(pixels.shape), pixels, tolerance)
        return tiff.ome_metadata


def check_near(shown, pixels, tolerance, where=None):
    apart = np.abs(shown.astype(np.int32) - pixels) > tolerance if tolerance else shown != pixels
    assert not (apart if where is None else apart.any(axis=2) & where).any()
