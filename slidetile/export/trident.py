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
    from slidetile.export.coordinates_file import write_coordinates

    return write_coordinates(
        store, place, spec, "trident", lambda placed: attributes(placed, place, spec)
    )


def attributes(placed: "PlacedWindows", place: "Location", spec: TridentExport) -> dict[str, Any]:
    """Return what TRIDENT calls the windows.

    It divides the magnifications to know how large a window is, so that their ratio is exact
    whatever level 0 is called.
    """
    from slidetile.export.coordinates_file import slide_name
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
