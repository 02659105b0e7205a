"""Labels that somebody painted: the numbers of a mask as classes, and its pieces as shapes.

Knows masks and slides. Does not know other annotation files.
"""

from collections.abc import Mapping
from pathlib import Path

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
from slidetile.raster.masks import Mask, number_pieces
from slidetile.slides.slide import Slide


class _Painted:
    """The pieces of each class: rectangles a mask pixel high, and whose each is."""

    def __init__(self, columns: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        self._columns, self._rows = columns, rows
        self.runs: list[Rectangles] = []
        self.owners: list[NDArray[np.int64]] = []
        self.counts: list[int] = []
        self.united: list[Rectangles] = []

    def add(self, mask: Mask) -> None:
        """Add the pixels of the next class."""
        pieces = number_pieces(mask)
        row, start, end = _runs(mask)
        edges = (self._columns[start], self._rows[row], self._columns[end], self._rows[row + 1])
        runs = np.stack(edges, axis=1).astype(np.int32)
        is_any = (runs[:, 0] < runs[:, 2]) & (runs[:, 1] < runs[:, 3])
        owners = pieces[row, start].astype(np.int64) - 1 + sum(self.counts)
        self.counts.append(int(pieces.max(initial=0)))
        self.runs.append(runs[is_any])
        self.owners.append(owners[is_any])
        joined = JoinedRows()
        joined.add(runs[is_any], int(self._rows[-1]))
        self.united.append(joined.rectangles())


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
    painted = _Painted(columns, rows)
    for wanted in classes.values():
        painted.add(np.isin(numbers, wanted))
    none = np.empty((0, 2), np.int32)
    areas = ClassAreas(
        names=tuple(classes),
        size=size,
        rectangles=tuple(painted.united),
        points=(none,) * len(classes),
    )
    return areas, _objects(painted)


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


def _runs(mask: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the row of each run of a mask, its first column and the one behind its last."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 1), np.bool_)
    padded[:, :-1] = mask
    changes = padded.copy()
    changes[:, 1:] ^= padded[:, :-1]
    row, column = np.nonzero(changes)
    return row[::2], column[::2], column[1::2]


def _objects(painted: _Painted) -> ClassObjects:
    runs, owners = np.concatenate(painted.runs), np.concatenate(painted.owners)
    order = np.argsort(owners, kind="stable")
    runs, owners = runs[order], owners[order]
    count = sum(painted.counts)
    areas = np.zeros(count, np.int64)
    left, top, right, bottom = runs.T.astype(np.int64)
    np.add.at(areas, owners, (right - left) * (bottom - top))
    bounds = np.zeros((count, 4), np.int32)
    bounds[:, :2] = np.iinfo(np.int32).max
    np.minimum.at(bounds[:, :2], owners, runs[:, :2])
    np.maximum.at(bounds[:, 2:], owners, runs[:, 2:])

    def chosen(places: NDArray[np.intp]) -> Runs:
        spans = [slice(*np.searchsorted(owners, (n, n + 1)).tolist()) for n in places.tolist()]
        found = [runs[span] for span in spans]
        whose = np.repeat(np.arange(len(found)), [len(each) for each in found])
        return np.concatenate([np.empty((0, 4), np.int32), *found]), whose.astype(np.intp)

    class_of = np.repeat(np.arange(len(painted.counts), dtype=np.int32), painted.counts)
    return ClassObjects(class_of=class_of, areas=areas, bounds=bounds, runs=chosen)
