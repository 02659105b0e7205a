"""Bands of rows: how an image is processed in little memory.

Knows rows. Does not know what is done with them.
"""

from collections.abc import Iterator
from typing import NamedTuple

_BAND_PX = 1 << 17


class Band(NamedTuple):
    """Neighbouring rows of an image, and the rows that must be seen to work on them."""

    rows: slice
    """The rows themselves."""

    seen: slice
    """The same rows, and the requested margin above and below, within the image."""

    within: slice
    """Where ``rows`` lie within ``seen``."""


def bands(shape: tuple[int, ...], margin: int = 0) -> Iterator[Band]:
    """Cut an image into bands of rows, from the top, of about 128 Ki pixels each.

    A filter that looks up to ``margin`` rows away gives the same result for ``seen`` at ``within``
    as for the whole image at ``rows``.

    Parameters
    ----------
    shape
        Shape of the image: rows, columns, and any further axes.
    margin
        Rows to see above and below; a band has at least twice as many of its own.
    """
    height = shape[0]
    step = max(1, 2 * margin, _BAND_PX // shape[1])
    for top in range(0, height, step):
        bottom = min(top + step, height)
        first = max(0, top - margin)
        yield Band(
            rows=slice(top, bottom),
            seen=slice(first, min(bottom + margin, height)),
            within=slice(top - first, bottom - first),
        )
