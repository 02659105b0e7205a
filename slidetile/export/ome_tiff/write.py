"""Writing a store as an OME-TIFF: tile after tile, the directories in front of them last."""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from slidetile.cloud.address import Location
from slidetile.export.appended import Appended
from slidetile.export.exported import UNREADABLE_TILES, Exported
from slidetile.export.ome_tiff._description import describe
from slidetile.export.ome_tiff._directories import (
    HEADER,
    Directory,
    blob,
    end_of_tiles,
    longs,
    rational,
    render,
    shorts,
    text,
)
from slidetile.export.ome_tiff._tiles import (
    NOTES,
    LevelTiles,
    compression_of,
    is_seen,
    level_tiles,
)
from slidetile.export.ome_tiff.spec import OmeTiffExport
from slidetile.export.ordered import Workshop
from slidetile.export.provenance import provenance, settings_of
from slidetile.export.unfinished import Unfinished, local_place, refuse_replacing, tidy_up
from slidetile.store.store import TileStore
from slidetile.writing.options import OnProgress

_NAME = "image.tif"


def write(
    store: TileStore,
    place: Location,
    spec: OmeTiffExport,
    *,
    on_progress: OnProgress | None = None,
    workers: int | None = None,
) -> Exported:
    """Write the file; an interrupted run is continued.

    Raises
    ------
    UnfitChoiceError
        The store's chunks cannot be stored as the spec says, or the place is in a bucket.
    StoreError
        The store is damaged, or was replaced.
    OSError
        The file cannot be written.
    """
    path = local_place(place, "an OME-TIFF")
    tidy_up(path, _NAME)
    compression, _ = compression_of(store, spec)
    facts = provenance(store, "ome-tiff", settings_of(spec), anonymous=spec.anonymous)
    levels = [_level(store, number, spec) for number in range(len(store.levels))]
    said = _said(store, spec, facts)
    pages = _pages(store, levels, said)
    chunks = sum(len(level.cells) for level in levels)
    exported = Exported(
        path=path,
        kind="ome-tiff",
        size_bytes=0,
        counts={"tiles": len(store), "levels": len(levels), "chunks": chunks},
        left_out={UNREADABLE_TILES: store.unreadable} if store.unreadable else {},
        notes=tuple(filter(None, [NOTES.get(compression)])),
    )
    if spec.existing != "overwrite" and _is_of(path, said, pages):
        return replace(exported, size_bytes=path.stat().st_size, already_done=True)
    refuse_replacing(path, spec.existing, "an OME-TIFF", _is_ours)
    shop = Workshop(
        store, chunks, on_progress=on_progress, workers=workers, memory_bytes=spec.memory_bytes
    )
    with Unfinished(path, facts, spec.existing) as unfinished:
        size, anew = _write(unfinished, levels, pages, shop)
        store.check()
        refuse_replacing(path, spec.existing, "an OME-TIFF", _is_ours)
        unfinished.finish(_NAME, durable=spec.durable)
    counts = {**exported.counts, **({"chunks encoded anew": anew} if anew else {})}
    return replace(exported, size_bytes=size, counts=counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Level:
    """A level of the store, and how its tiles are made."""

    number: int
    cells: list[tuple[int, int]]
    columns: int
    tiles: LevelTiles


def _level(store: TileStore, number: int, spec: OmeTiffExport) -> _Level:
    cells = list(store.stored_chunks(number))
    tiles = level_tiles(store, number, cells, spec)
    return _Level(number=number, cells=cells, columns=store.grid(number).chunk_columns, tiles=tiles)


Pages = list[list[Directory]]
"""The directories of each level: one, or one for each channel."""


def _said(store: TileStore, spec: OmeTiffExport, facts: dict[str, str]) -> str:
    """Return the description of the image, which says what the file is made of."""
    name = "slide" if spec.anonymous else store.metadata.name
    return describe(store, facts, name=name, is_interleaved=is_seen(store))


def _pages(store: TileStore, levels: list[_Level], said: str) -> Pages:
    planes = 1 if is_seen(store) else len(store.channels)
    pages = [
        [_page(store, level, planes, said if plane == 0 else None) for plane in range(planes)]
        for level in levels
    ]
    for plane, first in enumerate(pages[0]):
        first.smaller = [coarser[plane] for coarser in pages[1:]]
    return pages


def _page(store: TileStore, level: _Level, planes: int, said: str | None) -> Directory:
    """Return the directory of a level, or of one channel of it.

    One of grey or colour is a page of its own as well as a smaller image of the first: OpenSlide
    looks for levels among the pages, OME's readers among the smaller images.
    """
    import slidetile

    grid, samples = store.grid(level.number), 1 if planes > 1 else len(store.channels)
    bits = store.dtype.itemsize * 8
    is_first = level.number == 0
    tags: dict[int, Any] = {
        254: longs(0 if is_first else 1),
        256: longs(grid.width),
        257: longs(grid.height),
        258: shorts(*[bits] * samples),
        259: shorts(level.tiles.compression),
        277: shorts(samples),
        284: shorts(1),
        305: text(f"slidetile {slidetile.__version__}"),
        322: longs(grid.chunk_width),
        323: longs(grid.chunk_height),
        339: shorts(*[1] * samples),
        42113: text(str(store.metadata.fill)),  # GDAL's: what absent tiles are filled with
        **level.tiles.tags,
        **_resolution(store, level.number),
    }
    if is_first and said is not None:
        tags[270] = text(said)
    if store.icc_profile is not None and planes == 1:
        tags[34675] = blob(store.icc_profile)
    is_chained = is_first or planes == 1
    return Directory(tags=tags, tiles=grid.chunk_count, is_chained=is_chained)


def _resolution(store: TileStore, level: int) -> dict[int, Any]:
    if store.mpp is None:
        return {}
    (x, y), (across, down) = store.mpp, store.levels[level].downsample
    return {
        282: rational(10_000 / (Fraction(repr(x)) * Fraction(across))),
        283: rational(10_000 / (Fraction(repr(y)) * Fraction(down))),
        296: shorts(3),
    }


def _write(
    unfinished: Unfinished, levels: list[_Level], pages: Pages, shop: Workshop
) -> tuple[int, int]:
    """Write all tiles, then the directories; return the file's length, and the tiles made anew."""
    ordered = _ordered(pages)
    planes, anew = len(pages[0]), 0
    head_bytes = len(render(ordered))
    tasks = [(level, cell) for level in levels for cell in level.cells]
    path: Path = unfinished.folder / _NAME
    with Appended(path, unfinished.folder / f"{_NAME}.parts", head_bytes) as file:
        whole, begun = divmod(file.done, planes)
        shop.skip(whole)
        made = shop.made(tasks[whole:], lambda task: task[0].tiles.make(task[1]))
        for tiles, is_anew in made:
            for tile in tiles[begun:]:
                file.append(tile)
            begun, anew = 0, anew + is_anew
            unfinished.check()
            shop.tell(sum(map(len, tiles)))
        extents = file.parts().reshape(-1, planes, 2)
        for (level, (column, row)), extent in zip(tasks, extents, strict=True):
            for page, found in zip(pages[level.number], extent, strict=True):
                page.extents[row * level.columns + column] = found
        return file.finish(render(ordered)), anew


def _ordered(pages: Pages) -> list[Directory]:
    return [page for level in pages for page in level]


def _is_of(path: Path, said: str, pages: Pages) -> bool:
    """Return whether a finished file of ours is described so, and is as long as it says."""
    if path.is_symlink() or not _is_ours(path):
        return False
    (_, _, described), ordered = text(said), _ordered(pages)
    with path.open("rb") as file:
        head = file.read(len(render(ordered)))
    try:
        end = max(len(head), end_of_tiles(ordered, head))
    except ValueError:
        return False
    return described in head and path.stat().st_size == end


def _is_ours(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(HEADER)) == HEADER
