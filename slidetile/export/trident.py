"""The coordinates file that TRIDENT extracts features from.

Knows TRIDENT's names for things. Does not know how windows are chosen.
"""

import math
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
class TridentExport(WindowChoice):
    """Coordinates for TRIDENT, ``SLIDE_patches.h5``.

    Raises
    ------
    ValueError
        A choice is unknown or out of its range.
    """

    magnification: float | None = None
    """What level 0 of the slide is taken for, such as 40; None is as TRIDENT has it for its mpp."""

    def __post_init__(self) -> None:
        self.check()
        if self.magnification is not None and not 0 < self.magnification < math.inf:
            raise ValueError(
                f"A magnification is a positive number, but this one is {self.magnification}."
            )


def write(
    store: "TileStore",
    place: "Location",
    spec: TridentExport,
    *,
    on_progress: "OnProgress | None" = None,  # noqa: ARG001  no pixel is read
    workers: int | None = None,  # noqa: ARG001
) -> "Exported":
    """Write the file; one that slidetile has written is replaced."""
    from slidetile.export.exported import Exported
    from slidetile.export.hdf5 import OURS, check_hdf5, write_hdf5
    from slidetile.export.left_out import left_out
    from slidetile.export.placed_windows import place_windows
    from slidetile.export.window_provenance import provenance, provenance_line

    check_hdf5(place)
    placed = place_windows(store, spec)
    line = provenance_line(provenance(store, "trident", spec.facts))
    size = write_hdf5(place, placed.coordinates, attributes(placed, place, spec) | {OURS: line})
    return Exported(
        path=place,
        kind="trident",
        size_bytes=size,
        counts={"windows": len(placed.windows)},
        left_out=left_out(placed.windows),
    )


def attributes(placed: "PlacedWindows", place: "Location", spec: TridentExport) -> dict[str, Any]:
    """Return what TRIDENT calls the windows.

    It divides the magnifications to know how large a window is, so that their ratio is exact
    whatever level 0 is called.
    """
    from slidetile.export.magnifications import level_0_magnification, whole

    own = level_0_magnification(placed.slide_mpp, placed.objective_power, spec.magnification)
    width, height = placed.slide_size
    return {
        "patch_size": placed.size,
        "patch_size_level0": placed.extent_px,
        "level0_magnification": own,
        "target_magnification": whole(own / placed.downsample),
        "overlap": placed.size - placed.stride,
        "name": slide_name(placed, place),
        "savetodir": ".",
        "level0_width": width,
        "level0_height": height,
    }


def slide_name(placed: "PlacedWindows", place: "Location") -> str:
    """Return the slide's name as TRIDENT has it: of an anonymous one, that of the file."""
    from pathlib import PurePosixPath

    if placed.slide_name is not None:
        return PurePosixPath(placed.slide_name).stem
    return PurePosixPath(place.name).stem.removesuffix("_patches")
