"""The digest of a plan: what a store keeps of it, as docs/reference/store-format.md defines it."""

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
    """Return what tells apart two plans that follow from the same parameters.

    They do where two versions of a detector, or two ways to read a slide, see other tissue.

    Parameters
    ----------
    columns, rows, tissue_fractions
        One value a tile, in the order of the tile table.
    labels
        The tissue's pieces, [row, column].

    Returns
    -------
    str
        A SHA-256 in hexadecimal digits, of the tiles as little-endian int32, int32 and float32, and
        then of the labels as little-endian int32.
    """
    digest = hashlib.sha256()
    for values, kind in ((columns, "<i4"), (rows, "<i4"), (tissue_fractions, "<f4")):
        digest.update(np.ascontiguousarray(values, kind).tobytes())
    for row in labels:  # one by one: in memory they have the smallest type that holds them
        digest.update(row.astype("<i4").tobytes())
    return digest.hexdigest()
