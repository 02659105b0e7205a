"""The digest of a plan that a store records, as docs/reference/store-format.md defines it."""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray


def plan_digest(
    columns: NDArray[Any],
    rows: NDArray[Any],
    tissue_fractions: NDArray[Any],
    labels: NDArray[Any],
) -> str:
    """Return a digest that tells apart plans made with the same parameters.

    Such plans differ where another version of a detector, or another way to read the slide, finds
    other tissue.

    Parameters
    ----------
    columns, rows, tissue_fractions
        One value per tile, in the order of the tile table.
    labels
        Integers [row, column]: the labels of the tissue's pieces.

    Returns
    -------
    str
        A SHA-256 in hexadecimal digits, of the tiles as little-endian int32, int32 and float32, and
        then of the labels as little-endian int32.
    """
    digest = hashlib.sha256()
    for values, kind in ((columns, "<i4"), (rows, "<i4"), (tissue_fractions, "<f4")):
        digest.update(np.ascontiguousarray(values, kind).tobytes())
    for row in labels:  # row by row: all of them as int32 may need four times their memory
        digest.update(row.astype("<i4").tobytes())
    return digest.hexdigest()
