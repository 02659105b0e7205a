"""A store's tissue outlines and tiles as GeoJSON.

Knows that it is written where annotations are. Does not know GeoJSON.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the command line asks for the choices alone
    from slidetile.cloud.address import Location
    from slidetile.export.exported import Exported
    from slidetile.store.store import TileStore
    from slidetile.writing.options import OnProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class GeojsonExport:
    """Tissue outlines, cores and tiles as GeoJSON, which QuPath shows in their place."""


def write(
    store: "TileStore",
    place: "Location",
    spec: GeojsonExport,  # noqa: ARG001  it has no choices
    *,
    on_progress: "OnProgress | None" = None,  # noqa: ARG001  it takes no time
    workers: int | None = None,  # noqa: ARG001
) -> "Exported":
    """Write the file; one that slidetile has written is replaced."""
    from slidetile.annotations.export import export_tiles
    from slidetile.export.exported import Exported

    size = export_tiles(store, place)
    return Exported(path=place, kind="geojson", size_bytes=size, counts={"tiles": len(store)})
