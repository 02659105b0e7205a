"""Which tiles remain when not all are wanted: the same ones on every machine.

Knows columns, rows and tissue fractions. Does not know slides.
"""

import functools
import hashlib
import struct
from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import SEED

if TYPE_CHECKING:
    import pyarrow as pa

_CELL = struct.Struct("<qqq")

FRACTION_DECIMALS = 4
"""Fractions that agree to this many decimals are equal: rounding of sums must not choose tiles."""


def draw(columns: NDArray[np.integer], rows: NDArray[np.integer], seed: int) -> NDArray[np.uint64]:
    """Return a random number for each cell of a grid.

    It is the first 8 bytes, little-endian, of the BLAKE2b digest (RFC 7693) of seed, column and
    row as int64, little-endian: it depends on the cell alone, not on a library's generator.
    """
    packed = b"".join(
        hashlib.blake2b(_CELL.pack(seed, column, row), digest_size=8).digest()
        for column, row in zip(columns.tolist(), rows.tolist(), strict=True)
    )
    return np.frombuffer(packed, "<u8").astype(np.uint64)


def sampled(
    columns: NDArray[np.integer], rows: NDArray[np.integer], count: int, seed: int
) -> NDArray[np.intp]:
    """Return the indices of ``count`` random cells, ascending; of all where there are fewer.

    The cells with the smallest numbers from `draw` are taken. So a larger sample contains the
    smaller one, and exactly one other cell replaces a cell that drops out.
    """
    order = np.lexsort((columns, rows, draw(columns, rows, seed)))
    return np.sort(order[:count])


def balanced(
    columns: NDArray[np.integer],
    rows: NDArray[np.integer],
    classes: NDArray[np.integer],
    count: int,
    seed: int,
) -> NDArray[np.intp]:
    """Return the indices of ``count`` random cells, as many of each class, ascending.

    Of each class the cells with the smallest numbers from `draw` are taken; where ``count`` is not
    a multiple of the classes, the first ones have one more. A class with fewer cells gives all,
    and the others do not make up for it. Cells of a negative class are in none.
    """
    numbers = draw(columns, rows, seed)
    return balanced_by(numbers, (columns, rows), classes, count)


def balanced_sample(table: "pa.Table", count: int, seed: int = SEED) -> NDArray[np.intp]:
    """Draw rows of a tile table at random, as many of each class: the same ones on every machine.

    Parameters
    ----------
    table
        The tile table of a store made with labels, or those of several, one after the other.
    count
        How many in all. Each class has the same share of them; a class with fewer tiles gives all,
        and the others do not make up for it. Tiles of no class are not drawn.
    seed
        Which sample. Of one store's tiles, those that ``--sample`` with ``--balance class`` draws
        from them.

    Returns
    -------
    intp array
        The numbers of rows, ascending; of one store, the ids that `TileStore.select` takes.

    Raises
    ------
    ValueError
        The count is less than 1, the seed is out of range, or the table has no classes.

    Examples
    --------
    >>> import slidetile as st
    >>> labels = st.LabelsSpec(path="data_samples/sample.geojson")
    >>> recipe = st.Recipe(tile=st.TileSpec(size=256), labels=labels)
    >>> store = st.tile_slide("data_samples/sample.svs", "classes.zarr", recipe)
    >>> chosen = store.select(balanced_sample(store.tiles, 10, seed=1))
    >>> sorted(chosen.tiles["class"].to_pylist())[4:6]
    ['Stroma', 'Tumor']
    """
    if index(count) < 1 or not 0 <= index(seed) < 1 << 63:
        raise ValueError(
            f"A sample has at least 1 tile and a seed from 0 to 2⁶³ - 1, but these are {count} and "
            f"{seed}."
        )
    if not {"class", "slide"} <= set(table.column_names):
        raise ValueError("The table has no column class: tile the slide with labels (--labels).")
    columns, rows = (table[name].to_numpy() for name in ("column", "row"))
    slides, names = table["slide"].to_pylist(), table["class"].to_pylist()
    known = {name: place for place, name in enumerate(sorted({each for each in names if each}))}
    classes = np.array([known.get(each, -1) for each in names], np.int64)
    numbers = draw(columns, rows, seed)
    if len(set(slides)) > 1:  # else tiles of all slides would be drawn at the same places
        numbers = _by_slide(numbers, slides)
    return balanced_by(numbers, (columns, rows), classes, count)


def _by_slide(numbers: NDArray[np.uint64], slides: Sequence[str]) -> NDArray[np.uint64]:
    """Return random numbers that depend on the slide, too."""
    packed = b"".join(
        hashlib.blake2b(number.to_bytes(8, "little"), digest_size=8, key=_key(slide)).digest()
        for number, slide in zip(numbers.tolist(), slides, strict=True)
    )
    return np.frombuffer(packed, "<u8").astype(np.uint64)


@functools.lru_cache(maxsize=1 << 12)
def _key(slide: str) -> bytes:
    return hashlib.blake2b(slide.encode("utf-8", "surrogatepass"), digest_size=32).digest()


def balanced_by(
    numbers: NDArray[np.uint64],
    ties: Sequence[NDArray[Any]],
    classes: NDArray[np.integer],
    count: int,
) -> NDArray[np.intp]:
    """Return what `balanced` does, by given numbers, and by more where two are equal."""
    there = np.unique(classes[classes >= 0])
    found = [np.empty(0, np.intp)]
    quotas = class_quotas(count, len(there))
    for each, share in zip(there.tolist(), quotas, strict=True):
        own = np.flatnonzero(classes == each)
        order = np.lexsort((*(tie[own] for tie in ties), numbers[own]))
        found.append(own[order[:share]])
    return np.sort(np.concatenate(found))


def class_quotas(count: int, classes: int) -> list[int]:
    """Return how many of ``count`` cells each class has to give: the first ones may have one more.

    Classes without a cell are not among them.
    """
    return [count // classes + (place < count % classes) for place in range(classes)]


def fullest(
    columns: NDArray[np.integer],
    rows: NDArray[np.integer],
    fractions: NDArray[np.floating],
    count: int,
) -> NDArray[np.intp]:
    """Return the indices of the ``count`` cells with the most tissue, ascending.

    Many cells are equally full. Among those, the smallest numbers from `draw` with seed 0 are
    taken, so that the cells are spread over the slide and not all at its top.
    """
    rounded = np.round(fractions.astype(np.float64), FRACTION_DECIMALS)
    order = np.lexsort((columns, rows, draw(columns, rows, 0), -rounded))
    return np.sort(order[:count])
