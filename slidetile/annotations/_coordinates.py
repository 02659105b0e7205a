"""The coordinates of a GeoJSON geometry, read into arrays as they come.

Knows how GeoJSON nests positions. Does not know what a geometry means.
"""

from array import array
from collections.abc import Callable
from typing import Any

import numpy as np

from slidetile.annotations._json_stream import JsonStream
from slidetile.annotations._shapes import Ring, numbers

_DEEPEST = 4
"""Arrays around a number in a MultiPolygon."""

_ELEMENT_CORNERS = 8
"""An element of an array that is no outline takes at most the memory of so many corners."""


def read_coordinates(stream: JsonStream, count: Callable[[int], None], where: str) -> Any:
    """Return the next value, in which an array of positions is one numpy array.

    Parameters
    ----------
    stream
        The document, at the value.
    count
        Called with the number of corners that were read, or that take as much memory as what was
        read, before they are kept; it raises where there are too many.
    where
        The feature's place in the file, for messages.

    Raises
    ------
    AnnotationError
        The value is not JSON, or a position is not of numbers.
    """
    return _read(stream, count, where, _DEEPEST)


def _read(stream: JsonStream, count: Callable[[int], None], where: str, depth: int) -> Any:
    if stream.begins_rows():
        return _ring(stream, count, where)
    if stream.peek() != "[" or not depth:
        return stream.value()
    elements = []
    for _ in stream.places():
        count(_ELEMENT_CORNERS)
        elements.append(_read(stream, count, where, depth - 1))
    return elements


def _ring(stream: JsonStream, count: Callable[[int], None], where: str) -> Ring:
    corners = array("d")  # it grows in place; a list of pieces would be held twice
    for rows in stream.rows():
        part = numbers(rows, where)
        count(len(part))
        corners.frombytes(part.tobytes())
    return np.frombuffer(corners, np.float64).reshape(-1, 2)
