"""A store as pages read it by themselves, from any server of files: what lies where in it.

Browsers take chunks out of shards by ranges of bytes. What they cannot decode is seen on the
overview, whose tiles are saved beside. Knows stores and pictures. Does not know pages.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slidetile.annotations.annotations import Annotation
from slidetile.errors import StoreError, explain
from slidetile.format.manifest import LARGEST_MANIFEST_BYTES, FileSum, unpack_manifest
from slidetile.format.names import MANIFEST, shard_of
from slidetile.runtime.files import read_regular
from slidetile.store.store import TileStore
from slidetile.viewer.pictures.halved_rung import HalvedRung
from slidetile.viewer.pictures.rungs import DamagedTileError, Rung
from slidetile.viewer.pictures.stored_rung import StoredRung, browser_type
from slidetile.viewer.views.level_tiles import level_tiles
from slidetile.viewer.views.store import StoreView

TAIL_BYTES = 64
"""So much of the manifest's end says which store it is: the checksum of all its checksums."""

MOST_JOINED = 8
"""Of a store without overview, what is drawn from more chunks than so many across is saved."""


@dataclass(frozen=True, slots=True)
class Archived:
    """What a page needs of a store."""

    scene: dict[str, Any]
    """The scene's JSON, with the key "archive": where each level's tiles are."""

    saved: bytes
    """Tiles that are saved beside the store."""


@dataclass(slots=True)
class _Saved:
    """Tiles that no browser takes out of the store, one file after another."""

    data: bytearray = field(default_factory=bytearray)

    def keep(self, view: StoreView, number: int) -> dict[str, list[Any]]:
        """Keep the tiles of a level; return [offset, length, type] by "column/row".

        Of one that is damaged, what is wrong with it.
        """
        places: dict[str, list[Any]] = {}
        level = view.picture.levels[number]
        for column, row, tile in level_tiles(view, number, level):
            if isinstance(tile, DamagedTileError):
                places[f"{column}/{row}"] = [str(tile)]
                continue
            places[f"{column}/{row}"] = [len(self.data), len(tile.data), tile.media_type]
            self.data += tile.data
        return places


def archived(store: TileStore, path: Path, areas: Sequence[Annotation] = ()) -> Archived:
    """Return what a page needs of a store.

    Parameters
    ----------
    store
        The store.
    path
        Where it is.
    areas
        What somebody drew on the slide, in the store's level-0 pixels.

    Raises
    ------
    StoreError
        It is damaged.
    """
    view = StoreView(store, areas=areas)
    scene = view.scene()
    obstacle, saved = _obstacle(store, view), _Saved()
    lost = view.picture.lost
    if obstacle is not None and lost is not None:
        raise StoreError(f"{lost} Its overview is all that pages could show of its {store.codec}.")
    parts, levels = [], []
    sizes = _shard_sizes(path)
    stored = [_stored_part(rung, store, sizes) for rung in view.picture.rungs]
    if lost is not None:  # no overview spares browsers the coarsest levels, of thousands of chunks
        stored = [part if part and part["by"] <= MOST_JOINED else None for part in stored]
    is_small = None not in stored  # as fine as its overview, so that this is no level of its own
    for number, part in enumerate(stored):
        if part is not None and obstacle is not None and not is_small:
            continue
        saves = part is None or obstacle is not None
        parts.append({"kind": "saved", "tiles": saved.keep(view, number)} if saves else part)
        levels.append(view.picture.levels[number].facts)
    told = {**scene.json, "levels": levels}
    if obstacle is not None:
        overlay = told["overlay"]
        told["overlay"] = {**overlay, "notes": [obstacle, *overlay["notes"]]}
    archive = {"parts": parts, "codec": store.codec, "mark": _mark(path)}
    return Archived(scene={**told, "archive": archive}, saved=bytes(saved.data))


def _obstacle(store: TileStore, view: StoreView) -> str | None:
    """Return why browsers cannot show a store's own pixels; None where they can."""
    finest = view.picture.rungs[0]
    own = store.levels[0]
    if browser_type(store) is None:
        return (
            f"Its codec is {store.codec}, which browsers do not decode: this page shows the "
            "overview alone. `slidetile view` shows all of it."
        )
    if (own.tile_width_px, own.tile_height_px) != (
        finest.level.tile_width,
        finest.level.tile_height,
    ):
        return (
            f"Its chunks are {own.tile_width_px}×{own.tile_height_px} px, too unlike tiles of a "
            "picture: this page shows the overview alone. `slidetile view` shows all of it."
        )
    return None


def _stored_part(
    rung: Rung, store: TileStore, sizes: dict[int, dict[str, int]]
) -> dict[str, Any] | None:
    """Return where the tiles of a level are stored; None where they are not."""
    by, finer = 1, rung
    while isinstance(finer, HalvedRung):
        by, finer = 2 * by, finer.finer
    if not isinstance(finer, StoredRung):
        return None
    grid = store.grid(finer.number)
    return {
        "kind": "stored",
        "by": by,
        "level": finer.number,
        "chunk": [grid.chunk_width, grid.chunk_height],
        "chunks": [grid.chunk_columns, grid.chunk_rows],
        "shard": [grid.chunks_across, grid.chunks_down],
        "type": browser_type(store),
        "sizes": sizes.get(finer.number, {}),
    }


def _shard_sizes(path: Path) -> dict[int, dict[str, int]]:
    """Return the lengths of a store's shards by level and "column/row", as its manifest has them.

    Raises
    ------
    StoreError
        The manifest is damaged.
    """
    found: dict[int, dict[str, int]] = {}
    for name, file in _manifest(path).items():
        shard = shard_of(name)
        if shard is not None:
            level, column, row = shard
            found.setdefault(level, {})[f"{column}/{row}"] = file.size_bytes
    return found


def _manifest(path: Path) -> dict[str, FileSum]:
    try:
        return unpack_manifest(read_regular(path / MANIFEST, LARGEST_MANIFEST_BYTES))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path / MANIFEST} is damaged: {explain(error)}") from error


def _mark(path: Path) -> dict[str, Any]:
    """Return by what a page knows that it has this very store before it."""
    data = read_regular(path / MANIFEST, LARGEST_MANIFEST_BYTES)
    return {"file": MANIFEST, "size": len(data), "tail": data[-TAIL_BYTES:].decode()}
