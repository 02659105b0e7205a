"""The coordinates file that CLAM extracts features from.

Knows CLAM's names for things. Does not know how windows are chosen.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slidetile.export.window_choice import WindowChoice

if TYPE_CHECKING:  # the command line asks for the choices alone
    from slidetile.cloud.address import Location
    from slidetile.export.exported import Exported
    from slidetile.export.placed_windows import PlacedWindows
    from slidetile.store.store import TileStore
    from slidetile.writing.options import OnProgress


@dataclass(frozen=True, slots=True, kw_only=True)
class ClamExport(WindowChoice):
    """Coordinates for CLAM, ``patches/SLIDE.h5``.

    CLAM reads a level of the slide and scales what it has read to what its network takes
    (``--target_patch_size``): a window of an mpp between two levels is read from the finer one.

    Raises
    ------
    ValueError
        A choice is unknown or out of its range.
    """


def write(
    store: "TileStore",
    place: "Location",
    spec: ClamExport,
    *,
    on_progress: "OnProgress | None" = None,  # noqa: ARG001  no pixel is read
    workers: int | None = None,  # noqa: ARG001
) -> "Exported":
    """Write the file; one that slidetile has written is replaced."""
    from slidetile.export.coordinates_file import write_coordinates

    return write_coordinates(store, place, spec, "clam", lambda placed: attributes(placed, place))


def attributes(placed: "PlacedWindows", place: "Location") -> dict[str, Any]:
    """Return what CLAM calls the windows."""
    from slidetile.export.coordinates_file import slide_name

    level = placed.level
    size = [round(length / level.downsample) for length in placed.slide_size]
    return {
        "patch_size": level.window_px,
        "patch_level": level.number,
        "downsample": (level.downsample, level.downsample),
        "downsampled_level_dim": size,
        "level_dim": size,
        "name": slide_name(placed, place),
        "save_path": ".",
    }
