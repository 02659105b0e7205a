"""Labels that somebody painted: the numbers of a mask as classes, and its pieces as shapes.

Knows masks and slides. Does not know other annotation files.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slidetile.annotations._mask_image import read_mask_image
from slidetile.annotations._placing import place_numbers
from slidetile.annotations.reading import counted_labels
from slidetile.choices import AnnotationOrigin
from slidetile.errors import AnnotationError
from slidetile.raster.class_areas import MOST_CLASSES, ClassAreas
from slidetile.raster.class_objects import ClassObjects, Runs
from slidetile.raster.filling import JoinedRows, Rectangles, first_centre
from slidetile.raster.value_runs import ValueRuns, connected_runs, value_runs
from slidetile.slides.slide import Slide

_RUNS_AT_ONCE = 1 << 20


class _Pieces(NamedTuple):
    """The pieces of all classes: rectangles a mask pixel high, sorted by piece."""

    runs: Rectangles
    """The rectangles."""

    owners: NDArray[np.int64]
    """The piece of each."""

    class_of: NDArray[np.int32]
    """The class of each piece."""


def painted_labels(
    file: Path, slide: Slide, values: Mapping[str, tuple[int, ...]], origin: AnnotationOrigin
) -> tuple[ClassAreas, ClassObjects]:
    """Return the classes of a mask.

    A level-0 pixel is of the class of the mask pixel that its centre lies in.

    Parameters
    ----------
    file
        The mask's file.
    slide
        The slide.
    values
        The numbers of each class; where it is empty, each number but 0 is a class.
    origin
        As in `read_annotations`.

    Raises
    ------
    AnnotationError
        It is damaged, does not have the slide's proportions, or has no class or too many.
    """
    numbers = read_mask_image(file)
    there = counted_labels(numbers)
    classes = dict(sorted((values or _each_number(there)).items()))
    _check_values(classes, there)
    height, width = numbers.shape
    corner, scale = place_numbers((width, height), slide, origin)
    size = slide.levels[0].size
    columns, rows = (
        first_centre(at + np.arange(count + 1) * step).clip(0, length)
        for at, step, count, length in zip(corner, scale, (width, height), size, strict=True)
    )
    runs = value_runs(numbers, _places(classes, there, numbers.dtype))
    edges = (columns[runs.start], rows[runs.row], columns[runs.stop], rows[runs.row + 1])
    rectangles = np.stack(edges, axis=1).astype(np.int32)
    none = np.empty((0, 2), np.int32)
    areas = ClassAreas(
        names=tuple(classes),
        size=size,
        rectangles=tuple(_joined(rectangles[_of(place, runs)]) for place in range(len(classes))),
        points=(none,) * len(classes),
    )
    return areas, _objects(_pieces(runs, rectangles))


def _places(
    classes: Mapping[str, tuple[int, ...]], there: Mapping[int, int], dtype: np.dtype[Any]
) -> Callable[[NDArray[np.generic]], NDArray[np.uint8]]:
    """Return what gives the class of each number of a mask, from 1; 0 where it has none."""
    class_of = {n: place for place, each in enumerate(classes.values(), 1) for n in each}
    known = sorted({0, *there})
    places = np.array([class_of.get(number, 0) for number in known], np.uint8)
    if dtype == np.bool_:
        dtype = np.dtype(np.uint8)
    if known[0] >= 0 and known[-1] <= np.iinfo(np.uint16).max:
        table = np.zeros(known[-1] + 1, np.uint8)
        table[known] = places
        return lambda numbers: table[numbers.astype(dtype, copy=False)]
    in_order = np.array(known, dtype)
    return lambda numbers: places[np.searchsorted(in_order, numbers)]


def _of(place: int, runs: ValueRuns) -> NDArray[np.intp]:
    return np.flatnonzero(runs.value == place + 1)


def _joined(rectangles: Rectangles) -> Rectangles:
    """Return the rectangles of a class, which come row by row, with rows joined."""
    joined, first = JoinedRows(), 0
    while first < len(rectangles):
        bottom = rectangles[min(first + _RUNS_AT_ONCE, len(rectangles)) - 1, 3]
        last = int(np.searchsorted(rectangles[:, 3], bottom, "right"))
        part = rectangles[first:last]
        joined.add(part[_is_any(part)], int(bottom))
        first = last
    return joined.rectangles()


def _is_any(rectangles: Rectangles) -> NDArray[np.bool_]:
    left, top, right, bottom = rectangles.T
    is_any: NDArray[np.bool_] = (left < right) & (top < bottom)
    return is_any


def _pieces(runs: ValueRuns, rectangles: Rectangles) -> _Pieces:
    owners = connected_runs(runs)
    class_of = np.zeros(int(owners.max(initial=-1)) + 1, np.int32)
    class_of[owners] = runs.value.astype(np.int32) - 1
    is_any = _is_any(rectangles)
    order = np.argsort(owners[is_any], kind="stable")
    return _Pieces(rectangles[is_any][order], owners[is_any][order], class_of)


def _each_number(there: Mapping[int, int]) -> dict[str, tuple[int, ...]]:
    if len(there) > MOST_CLASSES:
        raise AnnotationError(
            f"it has {len(there):,} different numbers, but each class is a column of the tile "
            f"table, so at most {MOST_CLASSES} can be used: say which numbers are a class "
            "(--label-values tumor=1,2)"
        )
    return {str(number): (number,) for number in there}


def _check_values(classes: Mapping[str, tuple[int, ...]], there: Mapping[int, int]) -> None:
    if not there:
        raise AnnotationError("it is a mask of zeros, so it has no class")
    wanted = {number for numbers in classes.values() for number in numbers}
    if not wanted & there.keys():
        found = ", ".join(map(str, sorted(there)[:10]))
        raise AnnotationError(
            f"none of its numbers is among the values {', '.join(map(str, sorted(wanted)))}: it "
            f"has {found}"
        )


def _objects(pieces: _Pieces) -> ClassObjects:
    runs, owners, class_of = pieces
    areas = np.zeros(len(class_of), np.int64)
    left, top, right, bottom = runs.T.astype(np.int64)
    np.add.at(areas, owners, (right - left) * (bottom - top))
    bounds = np.zeros((len(class_of), 4), np.int32)
    bounds[:, :2] = np.iinfo(np.int32).max
    np.minimum.at(bounds[:, :2], owners, runs[:, :2])
    np.maximum.at(bounds[:, 2:], owners, runs[:, 2:])

    def chosen(places: NDArray[np.intp]) -> Runs:
        spans = [slice(*np.searchsorted(owners, (n, n + 1)).tolist()) for n in places.tolist()]
        found = [runs[span] for span in spans]
        whose = np.repeat(np.arange(len(found)), [len(each) for each in found])
        return np.concatenate([np.empty((0, 4), np.int32), *found]), whose.astype(np.intp)

    return ClassObjects(class_of=class_of, areas=areas, bounds=bounds, runs=chosen)
