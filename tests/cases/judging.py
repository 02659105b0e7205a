"""What several judgements ask for: a sentence, tiles where the truth has tissue, pixels."""

import re

import numpy as np
import openslide


def sentence(text, *patterns):
    """Return the one line that has all patterns, letters of either case; there must be one."""
    found = [
        line
        for line in text.splitlines()
        if all(re.search(p, line, re.IGNORECASE) for p in patterns)
    ]
    assert len(found) == 1, f"{len(found)} lines with {patterns} in:\n{text}"
    return found[0]


def assert_tiles(tiles, discs, size, side=1024):
    """Compare tiles with the cells of which discs cover 5 %; from 2 to 8 %, either is right."""
    assert tiles >= _cells(discs, size, side, 0.08)
    assert tiles <= _cells(discs, size, side, 0.02)


def _cells(discs, size, side, share):
    """Return (column, row) of the cells of which discs cover at least a share."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    inside = np.zeros((height, width), bool)
    for across, down, radius in discs:
        inside |= (x - across) ** 2 + (y - down) ** 2 < radius**2
    return {
        (column, row)
        for row in range(-(-height // side))
        for column in range(-(-width // side))
        if inside[row * side : (row + 1) * side, column * side : (column + 1) * side].sum()
        >= share * side**2
    }


def grid_cells(store):
    """Return (column, row) of each tile of a store, by its status."""
    columns = (store.tiles[name].to_pylist() for name in ("column", "row", "status"))
    found = {"ok": set(), "unreadable": set()}
    for column, row, status in zip(*columns, strict=True):
        found[status].add((column, row))
    return found


def assert_pixels(store, truth, *, where=None):
    """Compare the tiles that are readable with the pixels of the slide's level 0."""
    height, width = truth.shape[:2]
    compared = 0
    for number, status in enumerate(store.tiles["status"].to_pylist()):
        region = store.tile_region(number)
        if status == "ok" and (where is None or where(region)):
            part = truth[region.y : region.bottom, region.x : region.right]
            inside = store[number][: height - region.y, : width - region.x]
            np.testing.assert_array_equal(inside, part)
            compared += 1
    assert compared


def openslide_tile(path, x, y, side=256):
    """Return a square of level 0 as OpenSlide reads it, or None where it raises."""
    try:
        with openslide.OpenSlide(path) as slide:
            return np.array(slide.read_region((x, y), 0, (side, side)))[..., :3]
    except openslide.OpenSlideError:
        return None


def openslide_pixels(path, size):
    """Return level 0 as OpenSlide reads it, native tile by native tile; zeros where it raises."""
    width, height = size
    truth = np.zeros((height, width, 3), np.uint8)
    damaged = set()
    for y in range(0, height, 256):
        for x in range(0, width, 256):
            tile = openslide_tile(path, x, y)
            if tile is None:
                damaged.add((x // 256, y // 256))
            else:
                truth[y : y + 256, x : x + 256] = tile[: height - y, : width - x]
    return truth, damaged
