"""HDF5 files with coordinates: ``coords`` and its attributes.

Knows h5py. Does not know what the attributes mean.
"""

import io
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.cloud.address import Location
from slidetile.export.own_file import check_own, write_own
from slidetile.store.output_file import OutputKind

COORDS, OURS = "coords", "slidetile"
"""The dataset, and that of its attributes by which our files are known."""

_KIND = OutputKind(name="a file of coordinates", begins=b"\x89HDF\r\n\x1a\n")

_CHUNK_ROWS = 4096


def check_hdf5(place: Location) -> None:
    """Check that such a file may be written there.

    Raises
    ------
    ImportError
        h5py is not installed.
    FileExistsError
        Something else is there, or the path lies in a store.
    OSError
        The place cannot be used.
    """
    load_h5py()
    check_own(place, _KIND, _is_ours)


def write_hdf5(place: Location, coords: NDArray[np.int64], attributes: Mapping[str, Any]) -> int:
    """Write coordinates with their attributes, one of which is `OURS`; return the file's bytes.

    The same coordinates give the same bytes.

    Raises
    ------
    FileExistsError, OSError
        As in `check_hdf5`.
    """
    h5py = load_h5py()
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        chunk = (max(1, min(len(coords), _CHUNK_ROWS)), 2)
        data = file.create_dataset(COORDS, data=coords, maxshape=(None, 2), chunks=chunk)
        for name, value in attributes.items():
            data.attrs[name] = value
    return write_own(place, [memory.getvalue()], _KIND, _is_ours)


def load_h5py() -> ModuleType:
    """Return h5py.

    Raises
    ------
    ImportError
        It is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            "Files of coordinates are HDF5, which needs h5py: pip install 'slidetile[export]'."
        ) from error
    module: ModuleType = h5py
    return module


def _is_ours(data: bytes) -> bool:
    try:
        with load_h5py().File(io.BytesIO(data), "r") as file:
            return COORDS in file and OURS in file[COORDS].attrs
    except (OSError, KeyError, RuntimeError):  # it begins like HDF5, but is none or damaged
        return False
