"""A store as it is looked at. Knows stores, pictures and scenes. Does not know pages."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slidetile.annotations.annotations import Annotation
from slidetile.counts import how_many
from slidetile.errors import StoreError, explain
from slidetile.raster.channels import channel_facts
from slidetile.raster.grid import TileGrid
from slidetile.slides.level import Level
from slidetile.store.store import TileStore
from slidetile.viewer.pictures.encoding import EncodedTile
from slidetile.viewer.pictures.picture import Picture, PictureCache, store_picture
from slidetile.viewer.scene.columns import (
    Scores,
    numeric_columns,
    row_facts,
    scored,
    unreadable_column,
)
from slidetile.viewer.scene.scene import (
    Area,
    Overlay,
    Points,
    Scene,
    SceneKind,
    Tiles,
    tissue_outlines,
)

if TYPE_CHECKING:
    import pyarrow as pa


class StoreView:
    """A store; see `slidetile.viewer.views.view.View`.

    Parameters
    ----------
    store
        The store.
    cache
        Where pictures are kept; None is a cache of its own.
    areas
        What somebody drew on the slide, in the store's level-0 pixels.
    scores
        Numbers to colour and filter tiles by as well, one for each tile, by their name. Tiles are
        coloured by the first of them at first.

    Raises
    ------
    ValueError
        There is not one number for each tile, or the table has a column of that name.
    """

    kind: SceneKind = "store"

    def __init__(
        self,
        store: TileStore,
        cache: PictureCache | None = None,
        areas: Sequence[Annotation] = (),
        scores: Scores | None = None,
    ) -> None:
        self._store = store
        self._table = scored(store.tiles, scores or {})
        self._colour = next(iter(scores or {}), "")
        self._cache = cache or PictureCache()
        self._areas = tuple(areas)

    @property
    def name(self) -> str:
        """The store's name."""
        return str(self._store.path).rstrip("/").rpartition("/")[2] or str(self._store.path)

    @functools.cached_property
    def picture(self) -> Picture:
        """The picture of the store.

        Raises
        ------
        StoreError
            The store was replaced or deleted.
        """
        return store_picture(self._store, self._cache)

    def for_page(self) -> "StoreView":
        """Return itself: no page changes a store."""
        return self

    def scene(self) -> Scene:
        """Return what a page shows.

        Raises
        ------
        StoreError
            The store is damaged, or was replaced.
        """
        store = self._store
        store.check()
        level = store.levels[0]
        outlines, lost = _outlines(store)
        return Scene(
            name=self.name,
            kind="store",
            size=level.size,
            levels=self.picture.levels,
            mpp=store.mpp,
            facts=_facts(store),
            overlay=Overlay(
                tiles=_tiles(store, self._table, self._colour),
                outlines=outlines,
                notes=(*_damage(self.picture.lost, lost), *_notes(store)),
            ),
            areas=tuple(Area(class_name=a.class_name, rings=a.rings) for a in self._areas),
        )

    def tile(self, level: int, column: int, row: int) -> EncodedTile | None:
        """Return a tile of the picture."""
        return self.picture.tile(level, column, row)

    def row(self, index: int) -> list[list[Any]]:
        """Return a row of the tile table."""
        return row_facts(self._table, index)

    def replan(self, settings: Mapping[str, float]) -> Overlay:
        """Refuse: what is written is no plan.

        Raises
        ------
        ValueError
            Always.
        """
        del settings
        raise ValueError("A store is written; only a plan can be made again.")

    def close(self) -> None:
        """Release nothing: a store holds no file open."""


def _tiles(store: TileStore, table: "pa.Table", colour: str) -> Tiles:
    width, height = store.levels[0].size
    size, edge = store.tile_size, store.metadata.parameters.edge
    return Tiles(
        grid=TileGrid(width=width, height=height, size=size, stride=size, edge=edge),
        columns=table["column"].to_numpy(),
        rows=table["row"].to_numpy(),
        values=numeric_columns(table),
        unreadable=unreadable_column(table),
        colour=colour,
    )


def _facts(store: TileStore) -> dict[str, str]:
    source = store.metadata.source
    return {
        **({} if source.name is None else {"slide": source.name}),
        "tiles": f"{len(store):,}, each {store.tile_size}×{store.tile_size} px",
        "codec": store.codec,
        "levels": " → ".join(_size(level) for level in store.levels),
        "mpp": "unknown" if store.mpp is None else f"{store.mpp[0]:.4g} µm",
        "size": f"{store.tile_bytes / 1e6:,.1f} MB",
        **channel_facts(store.channels, store.metadata.bits),
    }


def _size(level: Level) -> str:
    return f"{level.width}×{level.height}"


def _outlines(store: TileStore) -> tuple[tuple[Points, ...], str | None]:
    """Return the tissue's outlines; where they are damaged none, and what is wrong with them."""
    try:
        return tissue_outlines(store.tissue > 0, store.overview_scale), None
    except StoreError as error:
        store.check()
        return (), explain(error)


def _damage(overview: str | None, tissue: str | None) -> Iterator[str]:
    if overview is not None:
        yield (
            f"The overview of the store is damaged, so its picture is that of its tiles alone, and "
            f"white elsewhere: {overview}"
        )
    if tissue is not None and tissue != overview:
        yield f"The outline of the tissue cannot be drawn: {tissue}"


def _notes(store: TileStore) -> tuple[str, ...]:
    notes = []
    if not len(store):
        notes.append("The store has no tiles: no tissue was found, or all of it was left out.")
    if store.unreadable:
        tiles = how_many(store.unreadable, "tiles")
        notes.append(f"{tiles} could not be read from the slide, and are red.")
    return tuple(notes)
