"""A file of windows' coordinates, with attributes that each program calls by other names.

Knows windows and the file. Does not know the names.
"""

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from slidetile.cloud.address import Location
from slidetile.export.exported import Exported
from slidetile.export.hdf5 import OURS, check_hdf5, write_hdf5
from slidetile.export.left_out import left_out
from slidetile.export.placed_windows import PlacedWindows, place_windows
from slidetile.export.provenance import provenance, provenance_line, settings_of
from slidetile.export.window_choice import WindowChoice
from slidetile.store.store import TileStore


def write_coordinates(
    store: TileStore,
    place: Location,
    spec: WindowChoice,
    kind: str,
    attributes: Callable[[PlacedWindows], Mapping[str, Any]],
) -> Exported:
    """Write the file; one that slidetile has written is replaced.

    Parameters
    ----------
    store
        The store.
    place
        The file.
    spec
        Which windows.
    kind
        The kind of export.
    attributes
        What the program that reads the file calls what is known of the windows.

    Raises
    ------
    ImportError
        h5py is not installed.
    UnfitChoiceError, MissingResolutionError, StoreError
        As in `place_windows`.
    FileExistsError, OSError
        As in `check_hdf5`.
    """
    check_hdf5(place)
    placed = place_windows(store, spec)
    line = provenance_line(provenance(store, kind, settings_of(spec)))
    size = write_hdf5(place, placed.coordinates, {**attributes(placed), OURS: line})
    return Exported(
        path=place,
        kind=kind,
        size_bytes=size,
        counts={"windows": len(placed.windows)},
        left_out=left_out(placed.windows),
    )


def slide_name(placed: PlacedWindows, place: Location) -> str:
    """Return the slide's name as these programs have it: of an anonymous one, that of the file."""
    if placed.slide_name is not None:
        return PurePosixPath(placed.slide_name).stem
    return PurePosixPath(place.name).stem.removesuffix("_patches")
