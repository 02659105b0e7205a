"""Whether the rows of a tile table agree with the metadata, the tissue and the stored chunks."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from slidetile.counts import how_many
from slidetile.format.names import ROOT, TABLE
from slidetile.format.pyramid import halved_levels
from slidetile.format.table import CORE, FACTS, OK, UNREADABLE
from slidetile.planning.digest import plan_digest
from slidetile.raster.region import Region
from slidetile.verify._choice import ChoiceCheck
from slidetile.verify._class_choice import ClassChoiceCheck, TileClasses
from slidetile.verify._rows import TileRows
from slidetile.verify._shape import StoreShape
from slidetile.verify._shards import StoredChunks, shard_name
from slidetile.verify.finding import Finding


class TableCheck:
    """Compares a tile table with what it should say.

    Parameters
    ----------
    rows
        The table.
    shape
        The store's metadata.
    stored
        The chunks that were found.
    labels
        The tissue, [row, column].
    """

    def __init__(
        self,
        rows: TileRows,
        shape: StoreShape,
        stored: StoredChunks,
        labels: NDArray[np.uint32],
    ) -> None:
        self.table, self._tiles, self._status = rows.table, rows, rows.statuses
        facts = rows.table.select(list(FACTS))
        self._columns = {
            name: facts[name].to_numpy() for name in facts.column_names if name != "status"
        }
        self._shape, self._stored, self._labels = shape, stored, labels

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong, from the grid to the pixels."""
        yield from self._in_place()
        yield from self._in_tissue()
        yield from self._in_cores()
        for tile, region in self._tiles.placed.items():
            yield from self._of_chunks(tile, region)
        yield from self._of_levels()
        yield from self._of_damage()
        yield from self._of_selection()
        if self._shape.metadata.labels is None:  # else labels have their say, too
            yield from self.choice(None)
        if self._digest() != self._shape.metadata.parameters.plan_sha256:
            yield Finding(TABLE, "its tiles, or the tissue, are not those of plan_sha256")

    def _in_place(self) -> Iterator[Finding]:
        grid = self._shape.tile_grid
        columns, rows = self._tiles.cells
        x, y = grid.lefts(columns), grid.tops(rows)
        expected = {
            "tile_id": np.arange(len(columns)),
            "x": x,
            "y": y,
            "width": np.minimum(grid.size, grid.width - x),
            "height": np.minimum(grid.size, grid.height - y),
        }
        for name, values in expected.items():
            found = self._columns[name]
            for tile in np.flatnonzero(found != values).tolist():
                yield _tile(tile, f"its {name} is {found[tile]} instead of {values[tile]}")
        inside = self._tiles.is_inside
        for tile in np.flatnonzero(~inside).tolist():
            yield _tile(tile, f"column {columns[tile]}, row {rows[tile]} lies outside the slide")
        order = rows * (1 << 31) + columns
        for tile in (np.flatnonzero(np.diff(order) <= 0) + 1).tolist():
            yield _tile(tile, "it does not come after the tile before it, row by row")

    def _in_tissue(self) -> Iterator[Finding]:
        fractions = self._columns["tissue_fraction"]
        for tile in np.flatnonzero(~((fractions >= 0) & (fractions <= 1))).tolist():
            yield _tile(tile, f"its tissue_fraction is {fractions[tile]}")
        labels = self._columns["region"]
        for tile, region in self._tiles.placed.items():
            around, within = (self._under(region, margin) for margin in (1, -1))
            label = labels[tile]
            if label not in around if label else within.any():
                yield _tile(tile, f"its region is {label}, but the tissue there is another")

    def _in_cores(self) -> Iterator[Finding]:
        """Compare the cores of tiles with where the store says that these lie."""
        grid = self._shape.metadata.cores
        if grid is None:
            return
        there = {core.name: core.bounds for core in grid.cores if not core.is_missing}
        names = self.table[CORE].to_pylist()
        for tile, region in self._tiles.placed.items():
            if (name := names[tile]) is None:
                continue
            if name not in there or there[name].intersection(region) is None:
                yield _tile(tile, f"its core is {name!r:.40}, which does not lie there")

    def _under(self, region: Region, margin: int) -> NDArray[np.uint32]:
        """Return the tissue labels under a region, and ``margin`` more on every side."""
        under, labels = region.rescaled(self._shape.overview_scale, (1, 1)), self._labels
        top, bottom = under.y - margin, under.bottom + margin
        left, right = under.x - margin, under.right + margin
        return labels[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]

    def _of_chunks(self, tile: int, region: Region) -> Iterator[Finding]:
        ledger = self._stored.ledger
        span = self._shape.grids[0].chunk_span(region).slices
        for name, value in (("bytes", ledger.bytes_in(span)), ("crc32c", ledger.checksum_of(span))):
            if (found := int(self._columns[name][tile])) != value:
                yield _tile(tile, f"its {name} is {found}, but its chunks give {value}")
        status = self._status[tile]
        is_whole = bool(self._stored.by_level[0][span].all())
        if status not in (OK, UNREADABLE):
            yield _tile(tile, f"its status is {status!r:.80}")
        elif is_whole and status == UNREADABLE:
            yield _tile(tile, "it is unreadable, but all its chunks are stored")
        elif not is_whole and status == OK and not self._shape.has_own_levels:
            yield _tile(tile, "it is ok, but not all its chunks are stored")

    def _of_levels(self) -> Iterator[Finding]:
        """Yield the shards that hold chunks no tile needs, and those that lack some.

        At level 0 the tiles' status tells; a native chunk may be missing in the slide itself.
        """
        for level, wanted in enumerate(self._wanted()):
            grid, stored = self._shape.grids[level], self._stored.by_level[level]
            masks = {"no tile needs its chunks": stored & ~wanted}
            if level and not self._shape.has_own_levels:
                masks["it lacks the chunks"] = wanted & ~stored
            for what, mask in masks.items():
                for shard in grid.shards_for(mask):
                    places = ", ".join(map(str, shard.chunks))
                    yield Finding(shard_name(level, shard), f"{what} {places}")

    def _of_damage(self) -> Iterator[Finding]:
        """Compare the number of unreadable tiles with the reasons; older stores have none."""
        damage, unreadable = self._shape.metadata.damage, self._status.count(UNREADABLE)
        told = 0 if damage is None else sum(damage.reasons.values())
        if damage is not None and told != unreadable:
            found = how_many(unreadable, "unreadable tiles")
            yield Finding(TABLE, f"it has {found}, but damage has {told}")

    def _of_selection(self) -> Iterator[Finding]:
        """Compare the tissue with what is recorded of it, where it is."""
        selection = self._shape.metadata.selection
        pieces = int(self._labels.max(initial=0))
        if selection is not None and selection.tissue.pieces != pieces:
            found, told = how_many(pieces, "pieces"), selection.tissue.pieces
            yield Finding(ROOT, f"selection has {told} pieces of tissue, but tissue has {found}")

    def choice(self, tiles: TileClasses | None) -> Iterator[Finding]:
        """Compare the tiles with those that the parameters choose, if all rows are in place.

        ``tiles`` is what they have of the store's labels.
        """
        columns, rows = self._tiles.cells
        is_in_order = bool((np.diff(rows * (1 << 31) + columns) > 0).all())
        if is_in_order and self._tiles.is_inside.all():
            found = columns, rows, self._columns["tissue_fraction"]
            classes = None
            if tiles is not None:
                classes = ClassChoiceCheck(self._shape, tiles, columns, rows)
            yield from ChoiceCheck(self._shape, self._labels, found, classes).findings()

    def _wanted(self) -> list[NDArray[np.bool_]]:
        grids, regions = self._shape.grids, self._tiles.regions
        if self._shape.has_own_levels:
            size = grids[0].size
            return [g.chunks_for(r.rescaled(size, g.size) for r in regions) for g in grids]
        levels = halved_levels(grids[0], grids[0].chunks_for(regions))
        return [level.needed for level in levels]

    def _digest(self) -> str:
        columns = self._columns
        return plan_digest(
            columns["column"], columns["row"], columns["tissue_fraction"], self._labels
        )


def _tile(tile: int, what: str) -> Finding:
    return Finding(TABLE, what, tile=tile)
