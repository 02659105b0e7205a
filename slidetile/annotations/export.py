"""Write tissue outlines and tiles as GeoJSON that QuPath shows in their place.

Knows plans, stores and QuPath's names. Does not know pixels.
"""

import json
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slidetile.annotations._geojson import FOREIGN_MEMBER, FOUND_CORE
from slidetile.annotations._placing import original_scale
from slidetile.cloud.address import Address, Location, locate
from slidetile.errors import StoreError
from slidetile.format.class_columns import WINNER
from slidetile.format.metadata.cores import CoreFacts
from slidetile.format.table import CORE, FACTS
from slidetile.planning.plan import TilePlan
from slidetile.raster.region import Region
from slidetile.raster.rings import Ring, trace_outlines
from slidetile.slides.slide import Slide
from slidetile.store.output_file import OutputKind, check_output, write_output
from slidetile.store.store import TileStore
from slidetile.tissue.cores import Core

if TYPE_CHECKING:
    import pyarrow as pa

TISSUE_CLASS = {"name": "Tissue", "color": [0, 160, 70]}
UNREADABLE_CLASS = {"name": "Unreadable", "color": [200, 0, 0]}

_HEAD = f'{{"type":"FeatureCollection","{FOREIGN_MEMBER}":'

GEOJSON = OutputKind(name="GeoJSON that slidetile has written", begins=_HEAD.encode())
"""What people have drawn is GeoJSON too, so that alone does not make a file one to be replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    """What is written, in level-0 pixels of the slide's file."""

    labels: NDArray[Any]
    """Labels of the tissue pieces, integers [row, column]."""

    scale: tuple[float, float]
    """Level-0 pixels per pixel of the labels, as (x, y)."""

    size: tuple[int, int]
    """(width, height) of the slide."""

    origin: tuple[int, int]
    """(x, y) where coordinates begin: the top left corner of the scan area."""

    step: tuple[float, float]
    """Level-0 pixels of the file per pixel of the store's level 0, as (x, y)."""

    def features(
        self, tiles: Iterable[dict[str, Any]], cores: Iterable[CoreFacts | Core] = ()
    ) -> Iterator[dict[str, Any]]:
        """Yield a feature for each piece of tissue, then for each core, then for each tile."""
        from scipy.ndimage import find_objects

        for label, place in enumerate(find_objects(self.labels), start=1):
            if place is not None:
                yield self._tissue(label, place)
        for core in cores:
            yield self.core(core.name, core.bounds, is_missing=core.is_missing)
        yield from tiles

    def tile(
        self,
        region: Region,
        measurements: dict[str, float],
        *,
        core: str | None = None,
        class_name: str | None = None,
        is_readable: bool = True,
    ) -> dict[str, Any]:
        """Return the feature of a tile; it has the name of the core that it lies in."""
        named = {} if core is None else {"name": core}
        edges = np.array([(region.x, region.y), (region.right, region.bottom)])
        ring = _rectangle(*self._placed(edges * self.step))
        classified: dict[str, Any] = {}
        if class_name is not None:
            classified = {"classification": {"name": class_name}}
        if not is_readable:
            classified = {"classification": UNREADABLE_CLASS}
        return {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {
                "objectType": "tile",
                **named,
                **classified,
                "measurements": measurements,
            },
        }

    def core(self, name: str, region: Region, *, is_missing: bool) -> dict[str, Any]:
        """Return the feature of a core, as QuPath writes those of a tissue microarray."""
        edges = np.array([(region.x, region.y), (region.right, region.bottom)])
        corners = _listed(edges * self.step - self.origin)  # a missing one may lie off the slide
        return {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [_rectangle(*corners)]},
            "properties": {
                "objectType": "tma_core",
                "name": name,
                "isMissing": is_missing,
                **FOUND_CORE,
            },
        }

    def _tissue(self, label: int, place: tuple[slice, slice]) -> dict[str, Any]:
        corner = np.array([place[1].start, place[0].start])
        polygons = [
            [self._ring(ring + corner) for ring in polygon]
            for polygon in trace_outlines(self.labels[place] == label)
        ]
        geometry: dict[str, Any] = {"type": "MultiPolygon", "coordinates": polygons}
        if len(polygons) == 1:
            geometry = {"type": "Polygon", "coordinates": polygons[0]}
        return {
            "type": "Feature",
            "geometry": geometry,
            "properties": {
                "objectType": "annotation",
                "name": f"tissue {label}",
                "classification": TISSUE_CLASS,
                "measurements": {"tissue piece": label},
            },
        }

    def _ring(self, ring: Ring) -> list[list[float]]:
        """Return a closed ring of level-0 pixels; overview pixels may reach beyond the slide."""
        return self._placed(np.concatenate([ring, ring[:1]]) * self.scale)

    def _placed(self, corners: NDArray[np.float64]) -> list[list[float]]:
        """Return corners as they are written: relative to the origin, and within the slide."""
        return _listed(np.minimum(corners, self.size) - self.origin)


def _rectangle(corner: list[float], opposite: list[float]) -> list[list[float]]:
    """Return the closed ring between two corners."""
    (left, top), (right, bottom) = corner, opposite
    return [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]


def _listed(corners: NDArray[np.float64]) -> list[list[float]]:
    return [[_number(x), _number(y)] for x, y in corners.tolist()]


def export_plan(slide: Slide, plan: TilePlan, path: str | os.PathLike[str]) -> None:
    """Write a plan's tissue outlines, cores and tiles as GeoJSON.

    QuPath opens it as annotations of the class Tissue and tiles with the measurements
    ``tile id``, ``column``, ``row``, ``tissue fraction`` and ``tissue piece``; tiles that are named
    by the cores of a microarray have the core's name, and each core is a ``tma_core`` with its
    rectangle, missing ones included. Coordinates begin
    at the corner of `Slide.scan_area`, as QuPath's do, and the file says so; `read_annotations`
    brings the outlines back to the same pixels of the mask.

    Parameters
    ----------
    slide
        The slide the plan was made for.
    plan
        The plan.
    path
        The file; one that slidetile has written is replaced.

    Raises
    ------
    ValueError
        The plan was made for a slide of another size.
    FileExistsError
        Something else is there, or the path lies in a store.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> import slidetile as st
    >>> with st.open_slide("data_samples/sample.svs") as slide:
    ...     plan = st.plan_tiles(slide, st.find_tissue(slide))
    ...     export_plan(slide, plan, "sample.plan.geojson")
    ...     tissue = st.draw_tissue(slide, st.read_annotations("sample.plan.geojson", slide))
    >>> bool((tissue.mask == plan.tissue.mask).all())
    True
    """
    if plan.slide_size != slide.levels[0].size:
        raise ValueError(
            f"The plan belongs to a slide of {plan.slide_size[0]}×{plan.slide_size[1]} px, but "
            f"this slide has {slide.width}×{slide.height} px."
        )
    original, (x, y) = slide.original, plan.tissue.overview.downsample
    across, down = original_scale(slide)
    sheet = _Sheet(
        labels=plan.tissue.labels,
        scale=(x * across, y * down),
        size=original.levels[0].size,
        origin=(original.scan_area.x, original.scan_area.y),
        step=(across, down),
    )
    tiles = (
        sheet.tile(
            tile.inside,
            _measurements(
                tile.tile_id, tile.column, tile.row, tile.tissue_fraction, tile.tissue_piece
            ),
            core=tile.core,
        )
        for tile in plan
    )
    _write(Path(path), sheet, sheet.features(tiles, plan.cores or ()))


def export_tiles(store: TileStore, path: str | os.PathLike[str] | Address) -> int:
    """Write a store's tissue outlines and tiles as GeoJSON, as `export_plan` does.

    Returns its bytes.

    Tiles have whatever else was measured of them, too: of each column of the tile table that is a
    number and no place, such as ``laplacian variance`` or the share of a class, where it has a
    value. Tiles that could not be read have the class Unreadable.

    Parameters
    ----------
    store
        The store.
    path
        The file, or where it lies in a bucket; one that slidetile has written is replaced.

    Raises
    ------
    StoreError
        The store is damaged.
    FileExistsError
        Something else is there, or the path lies in a store.
    OSError
        The file cannot be written.
    """
    place = locate(path)
    check_output(place, GEOJSON)
    labels = store.tissue
    if labels.max() > labels.size:
        raise StoreError(
            f"{store.path} is damaged: its tissue labels reach {labels.max()}, "
            f"more than their {labels.size} pixels."
        )
    source = store.metadata.source
    (x, y), (across, down) = store.overview_scale, store.slide_scale
    sheet = _Sheet(
        labels=labels,
        scale=(x * across, y * down),
        size=source.size,
        origin=(0, 0) if source.scan_area is None else (source.scan_area.x, source.scan_area.y),
        step=(across, down),
    )
    cores = () if store.cores is None else store.cores.cores
    return _write(place, sheet, sheet.features(_stored_tiles(store, sheet), cores))


def _stored_tiles(store: TileStore, sheet: _Sheet) -> Iterator[dict[str, Any]]:
    names = ["tile_id", "column", "row", "tissue_fraction", "region"]
    table = store.tiles
    others = _other_measurements(table)
    for batch in table.to_batches(max_chunksize=1024):
        for row in batch.to_pylist():
            region = Region(x=row["x"], y=row["y"], width=row["width"], height=row["height"])
            measurements = _measurements(*(row[name] for name in names))
            found = {told: row[name] for name, told in others.items()}
            measurements |= {told: value for told, value in found.items() if _is_number(value)}
            yield sheet.tile(
                region,
                measurements,
                core=row.get(CORE),
                class_name=row.get(WINNER),
                is_readable=row["status"] == "ok",
            )


def _other_measurements(table: "pa.Table") -> dict[str, str]:
    """Return the columns that hold what was measured of tiles, and what each is called."""
    import pyarrow as pa

    return {
        field.name: field.name.replace("_", " ")
        for field in table.schema
        if field.name not in FACTS
        and (pa.types.is_floating(field.type) or pa.types.is_integer(field.type))
    }


def _is_number(value: float | None) -> bool:
    """Return whether a value is there: JSON has no other."""
    return value is not None and math.isfinite(value)


def _measurements(
    tile_id: int, column: int, row: int, tissue_fraction: float, tissue_piece: int
) -> dict[str, float]:
    return {
        "tile id": tile_id,
        "column": column,
        "row": row,
        "tissue fraction": round(tissue_fraction, 6),
        "tissue piece": tissue_piece,
    }


def _write(path: Location, sheet: _Sheet, features: Iterable[dict[str, Any]]) -> int:
    return write_output(path, (text.encode() for text in _collection(sheet, features)), GEOJSON)


def _collection(sheet: _Sheet, features: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Yield the text of a FeatureCollection, one feature per line."""
    frame = {"unit": "px", "origin": sheet.origin, "slide_size": sheet.size}
    yield f'{_HEAD}{_text(frame)},"features":['
    for number, feature in enumerate(features):
        yield ",\n" if number else "\n"
        yield _text(feature)
    yield "\n]}\n"


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _number(value: float) -> float:
    """Return a coordinate rounded to a 1000th of a pixel, as an integer where it is whole."""
    rounded = round(value, 3)
    return int(rounded) if rounded.is_integer() else rounded
