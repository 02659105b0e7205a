"""What is right and what is a finding: slides, stores and region files that are read whole.

Right is a refusal by an error of slidetile's, or the pixels that are true: OpenSlide's of a slide,
those before the change of a store. Everything else is a finding: another exception, pixels that are
wrong without a word, too much time or memory.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import openslide
from fuzz import dicoms, seeds, stores, tiffs

import slidetile as st
from slidetile.choices import NativeCheck
from slidetile.errors import SlidetileError

REFUSED, RIGHT, FOUND_BY_VERIFY = "refused", "right", "found by verify"
ANOTHER_IMAGE = "another image than OpenSlide's"
"""The larger of two, where a size was changed; that is looked at by tests of its own."""

_BLOCK_PX = 256
_MOST_PX = 4 << 20
"""Slides of more pixels are read in their corners only, and not compared."""

_MOST_DIFFERENCE = 1.0
"""Grey values by which two decoders may differ on the mean over a block."""


class Finding(Exception):  # noqa: N818 - what is found, not what went wrong here
    """Something slidetile does wrong with an input."""


Mark = Callable[[str], None]
"""Says what is being done, for whoever finds the process dead."""


class Slides:
    """Mutants of slides, of every reader."""

    def __init__(self, folder: Path) -> None:
        self._seeds = seeds.slide_seeds(folder)

    def judge(self, number: int, folder: Path, mark: Mark) -> str:
        """Make the input of a number in a folder, read it, and say how it went."""
        random = Random(f"slide {number}")  # noqa: S311 - the same inputs each time
        seed = self._seeds[number % len(self._seeds)]
        data = seed.read_bytes()
        change = dicoms.mutate if seed.suffix == ".dcm" else tiffs.mutate
        path = folder / f"mutant{seed.suffix}"
        path.write_bytes(change(random, data))
        reader = random.choice((None, None, None, "openslide"))
        try:
            with st.open_slide(path, reader=reader) as slide:
                check = random.choice(("scan", "decode")) if random.random() < 0.12 else None
                return self._read(slide, path, mark, check)
        except SlidetileError as error:
            _check_message(error)
            return REFUSED

    def _read(self, slide: st.Slide, path: Path, mark: Mark, check: NativeCheck | None) -> str:
        for level in range(len(slide.levels)):
            for corner in _corners(slide):
                _pixels(slide, corner, level)
        # OpenSlide goes by the tag where colours contradict each other.
        if slide.width * slide.height > _MOST_PX or slide.colour_note is not None:
            return RIGHT
        if check is not None:
            mark("tile")
            _tile(path, check)
        mark("oracle")
        blocks = dict(_oracle(path))
        mark("compare")
        if blocks and max((block.bottom, block.right) for block in blocks) != (
            slide.height,
            slide.width,
        ):
            return ANOTHER_IMAGE
        damaged = sum(_compare(slide, block, theirs) for block, theirs in blocks.items())
        return f"{damaged} damaged" if damaged else RIGHT


def _corners(slide: st.Slide) -> list[st.Region]:
    side = min(512, slide.width, slide.height)
    ends = {(0, 0), (slide.width - side, slide.height - side)}
    return [st.Region(x=x, y=y, width=side, height=side) for x, y in ends]


def _pixels(slide: st.Slide, region: st.Region, level: int = 0) -> np.ndarray | None:
    """Return pixels, or None where they are said to be damaged."""
    try:
        return slide.read_region(region, level=level)
    except SlidetileError as error:
        _check_message(error)
        return None


def _check_message(error: Exception) -> None:
    if not str(error).strip() or "Traceback" in str(error):
        raise Finding(f"{type(error).__name__} without a sentence: {error!s:.200}")


def _tile(path: Path, check: NativeCheck) -> None:
    """Tile the slide, and compare its store with it."""
    store_path = path.with_suffix(".zarr")
    recipe = replace(seeds.whole_slide(), check=check)
    try:
        store = st.tile_slide(path, store_path, recipe, workers=1)
    except SlidetileError as error:
        _check_message(error)
        return
    # The markers of a scan tell of some damage in it only, which the docs say.
    is_scanned = store.codec == "native" and check == "scan"
    for finding in st.verify_store(store_path, deep=True, workers=1):
        if not (is_scanned and "Corrupt JPEG data" in str(finding)):
            raise Finding(f"a new store does not verify: {finding}")
    is_read = store.tiles["status"].to_numpy(zero_copy_only=False) == "ok"
    with st.open_slide(path, mpp=recipe.slide_mpp) as slide:
        for index in map(int, np.flatnonzero(is_read)):
            _compare_tile(store, index, slide, may_be_damaged=is_scanned)


def _compare_tile(
    store: st.TileStore, index: int, slide: st.Slide, *, may_be_damaged: bool
) -> None:
    theirs = _pixels(slide, store.tile_region(index))
    if theirs is None:
        if not may_be_damaged:
            raise Finding(f"tile {index} is ok, but its pixels cannot be read from the slide")
    elif not np.array_equal(store[index][: len(theirs)], theirs):
        raise Finding(f"tile {index} is ok, but differs from the slide")


def _oracle(path: Path) -> Iterator[tuple[st.Region, np.ndarray | None]]:
    """Yield each block as OpenSlide reads it, None where it reports damage."""
    try:
        handle = openslide.OpenSlide(path)
    except (openslide.OpenSlideError, OSError, ValueError):
        return
    width, height = handle.dimensions
    if width * height > _MOST_PX:
        return
    for y, x in itertools.product(range(0, height, _BLOCK_PX), range(0, width, _BLOCK_PX)):
        right, bottom = min(x + _BLOCK_PX, width), min(y + _BLOCK_PX, height)
        region = st.Region.from_edges(x, y, right, bottom)
        try:
            image = handle.read_region((x, y), 0, (region.width, region.height))
            yield region, np.asarray(image)
        except openslide.OpenSlideError as error:
            # Of DICOM it gives all frames up for one, or for a file that is cut short.
            if "OffsetTable" in str(error) or "filehandle" in str(error):
                return
            yield region, None
            handle = openslide.OpenSlide(path)  # after an error, it gives only that error


def _compare(slide: st.Slide, block: st.Region, theirs: np.ndarray | None) -> bool:
    """Return whether slidetile says a block is damaged; raise where it is wrong without a word."""
    ours = _pixels(slide, block)
    if ours is None:
        return True
    if theirs is None:
        raise Finding(f"OpenSlide says {block} is damaged, slidetile gives pixels")
    if (theirs[..., 3] < 255).any():
        return False
    difference = np.abs(ours.astype(np.int16) - theirs[..., :3]).mean()
    if difference > _MOST_DIFFERENCE:
        raise Finding(f"{block} differs from OpenSlide's pixels by {difference:.1f}")
    return False


class Stores:
    """Mutants of stores, of every codec."""

    def __init__(self, folder: Path) -> None:
        self._seeds = seeds.store_seeds(folder)
        self._true = [_everything(path) for path in self._seeds]

    def judge(self, number: int, folder: Path, mark: Mark) -> str:
        """Make the input of a number in a folder, read it, and say how it went."""
        random = Random(f"store {number}")  # noqa: S311
        which = number % len(self._seeds)
        path = folder / "mutant.zarr"
        done = stores.mutate(random, self._seeds[which], path)
        mark(done)
        outcome = self._read(path, self._true[which])
        mark(f"verify, {done}")
        try:
            is_found = bool(st.verify_store(path, deep=True, workers=1))
        except SlidetileError as error:
            _check_message(error)
            is_found = True
        if outcome == "wrong" and not is_found and stores.RESEALED not in done:
            raise Finding("pixels differ, and verify finds nothing")
        return FOUND_BY_VERIFY if outcome == "wrong" else outcome

    def _read(self, path: Path, true: list[np.ndarray]) -> str:
        try:
            now = _everything(path)
        except SlidetileError as error:
            _check_message(error)
            return REFUSED
        same = len(now) == len(true) and all(map(np.array_equal, now, true))
        return RIGHT if same else "wrong"


def _everything(path: Path) -> list[np.ndarray]:
    """Return all pixels of a store: tiles, windows, levels, overview and tissue."""
    store = st.open_store(path)
    repr(store), store._repr_html_()
    arrays = [np.asarray(tile) for tile in store]
    for number, level in enumerate(store.levels):
        region = st.Region(x=0, y=0, width=min(level.width, 2048), height=min(level.height, 2048))
        arrays.append(store.read_region(region, level=number))
    arrays += list(itertools.islice(store.windows(size=96, stride=96), 8))
    return [*arrays, store.overview, store.tissue]


class Regions:
    """Mutants of region files."""

    def __init__(self, _folder: Path) -> None:
        from fuzz import regions

        self._mutants = regions.mutants
        blank = np.full((regions.HEIGHT, regions.WIDTH, 3), 255, np.uint8)
        self._slide = st.ArraySlide(blank, mpp=0.25, name="s.svs")

    def judge(self, number: int, folder: Path, mark: Mark) -> str:
        """Make the input of a number in a folder, read it, and say how it went."""
        name, content = self._mutants(number)
        path = folder / name
        path.write_bytes(content)
        mark(name)
        try:
            st.draw_tissue(self._slide, st.read_annotations(path, self._slide))
        except SlidetileError as error:
            _check_message(error)
            return REFUSED
        return RIGHT


KINDS = {"slide": Slides, "store": Stores, "region": Regions}
SHARES = {"slide": 60, "store": 25, "region": 15}
"""How many of a hundred inputs are of each kind."""
