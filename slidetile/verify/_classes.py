"""Whether a tile table's columns of classes are those of the store's labels."""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slidetile.format.class_columns import WINNER
from slidetile.format.labels_file import unpack_labels
from slidetile.format.metadata.labels import LabelFacts
from slidetile.format.names import LABELS, TABLE
from slidetile.raster.class_areas import ClassAreas
from slidetile.raster.overlaps import first_overlap
from slidetile.verify._class_choice import TileClasses
from slidetile.verify._shape import StoreShape
from slidetile.verify._tree import StoreTree
from slidetile.verify.finding import Finding

if TYPE_CHECKING:
    import pyarrow as pa


def recorded_areas(tree: StoreTree, shape: StoreShape) -> ClassAreas | None:
    """Return where the classes of a store lie; None in a store without labels.

    Raises
    ------
    StoreError
        The file is missing, damaged, or not what the root says.
    """
    facts = shape.metadata.labels
    if facts is None:
        return None
    return unpack_labels(io.BytesIO(tree.read(LABELS)), facts, shape.grids[0].size)


def tile_classes(table: "pa.Table", areas: ClassAreas) -> TileClasses:
    """Return what the tiles of a table have of each class."""
    x, y, width, height = (
        table[name].to_numpy().astype(np.int64) for name in ("x", "y", "width", "height")
    )
    edges = np.stack([x, y, x + width, y + height], axis=1)
    return TileClasses(areas, areas.fractions(edges), areas.counts(edges))


def class_findings(table: "pa.Table", facts: LabelFacts, tiles: TileClasses) -> Iterator[Finding]:
    """Yield the tiles whose classes are not those of the pixels that the store records."""
    areas, shares, counts = tiles
    for place, each in enumerate(facts.columns):
        yield from _differing(table, each.share, shares[:, place])
        if each.has_points:
            yield from _differing(table, each.count, counts[:, place])
    names = np.array([*areas.names, None], np.object_)
    yield from _differing(table, WINNER, names[areas.winning(shares)])
    for rectangles in areas.rectangles:
        meeting = first_overlap(rectangles)
        if meeting is None:
            continue
        left, top, right, bottom = rectangles[meeting].tolist()
        where = f"{left}, {top} to {right}, {bottom}"
        yield Finding(LABELS, f"the rectangle from {where} meets another one of its class")


def _differing(table: "pa.Table", name: str, expected: NDArray[np.generic]) -> Iterator[Finding]:
    found, given = np.array(table[name].to_pylist(), np.object_), expected.astype(np.object_)
    for tile in np.flatnonzero(found != given).tolist():
        what = f"its {name} is {found[tile]!r:.60}, but its labels give {given[tile]!r:.60}"
        yield Finding(TABLE, what, tile=tile)
