"""The colour and the sharpness of tiles, added up chunk by chunk.

Knows chunks and where tiles are. Does not know slides, files or tables.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slidetile.format.codecs.codec import ChunkCodec, DamagedChunkError
from slidetile.format.layout import Shard
from slidetile.format.table import QUALITY_COLUMNS, Quality
from slidetile.planning.plan import TilePlan
from slidetile.quality.measured_level import MeasuredLevel
from slidetile.quality.pen import pen_fractions
from slidetile.raster.block_means import area_average
from slidetile.raster.masks import Mask
from slidetile.raster.pixels import Pixels, brightest_channel, darkest_channel
from slidetile.raster.region import Region
from slidetile.runtime.threads import map_in_order


def grey(pixels: Pixels) -> NDArray[np.uint8]:
    """Return an image's luma (ITU-R BT.601) in integers, uint8 [row, column]."""
    if pixels.shape[2] == 1:
        intensity: NDArray[np.uint8] = pixels[..., 0]
        return intensity
    luma = np.full(pixels.shape[:2], 128, np.uint16)  # 257 × 255 is the most that 16 bits hold
    for channel, weight in enumerate((77, 150, 29)):
        luma += pixels[..., channel] * np.uint16(weight)
    luma >>= 8
    return luma.astype(np.uint8)


def laplacian(image: NDArray[np.uint8]) -> NDArray[np.int16]:
    """Return each inner pixel's four neighbours minus four times the pixel itself.

    Its variance is a measure of focus (Pech-Pacheco et al., "Diatom autofocusing in brightfield
    microscopy", ICPR 2000), among the best for images of few pixels (Pertuz et al., "Analysis of
    focus measure operators for shape-from-focus", Pattern Recognition 46, 2013). The values are
    those of OpenCV's ``Laplacian``.

    Parameters
    ----------
    image
        uint8 [row, column].

    Returns
    -------
    int16 array [row, column]
        Two rows and two columns fewer than the image, or empty.
    """
    wide = image.astype(np.int16)
    change = wide[1:-1, 1:-1] * np.int16(-4)
    if change.size:
        change += wide[:-2, 1:-1]
        change += wide[2:, 1:-1]
        change += wide[1:-1, :-2]
        change += wide[1:-1, 2:]
    return change


SATURATED = 8
"""HSV saturation, 0–255, above which a pixel counts as saturated: CLAM's default threshold of
tissue (Lu et al., Nat. Biomed. Eng. 5, 2021)."""

Cell = tuple[int, int]
"""(column, row) of a chunk."""

Span = tuple[int, int, int]
"""(number of a row or column of tiles, first pixel, first pixel beyond) along one axis."""

ReadShard = Callable[[Shard], dict[int, bytes]]
"""Reads the encoded bytes of each stored chunk of a shard, by the chunk's place in it."""


class _Sums(NamedTuple):
    """Sums over the pixels of some tiles: integers, so that the order of adding does not matter."""

    tiles: NDArray[np.intp]
    values: NDArray[np.int64]


class TileMeasure:
    """The colour and the sharpness of tiles, from the chunks of one level.

    A pixel belongs to the tile that contains its centre. Each chunk is decoded once and measured
    by itself, so memory holds one encoded shard and two chunks per thread. Pixels that are not
    stored are not measured.

    Parameters
    ----------
    regions
        The part of each tile inside the slide, in level-0 pixels, row by row. Tiles of one
        column of the tile grid share their left and right edges, those of a row top and bottom.
    level
        The level to measure.
    codec
        How the level's chunks are encoded.
    channels
        Channels of every pixel: 3 for red, green and blue; 1 for grey, which counts as all three.
    """

    def __init__(
        self, regions: Sequence[Region], level: MeasuredLevel, codec: ChunkCodec, channels: int
    ) -> None:
        self._level = level
        self._codec = codec
        self._channels = channels
        # A tile's row and column as one number, by which the tiles are sorted.
        rows = sorted({(region.y, region.bottom) for region in regions})
        columns = sorted({(region.x, region.right) for region in regions})
        row_of, column_of = ({e: i for i, e in enumerate(edges)} for edges in (rows, columns))
        self._columns = len(columns)
        self._keys = np.array(
            [row_of[r.y, r.bottom] * len(columns) + column_of[r.x, r.right] for r in regions],
            np.int64,
        )
        grid, (x, y), factor = level.grid, level.downsample, level.factor
        self._row_spans = _spans(rows, (grid.height, grid.chunk_height), y, factor)
        self._column_spans = _spans(columns, (grid.width, grid.chunk_width), x, factor)
        self._totals = np.zeros((_QUANTITIES, len(regions)), np.int64)

    def add(
        self,
        shards: Iterable[Shard],
        read: ReadShard,
        *,
        workers: int,
        damaged: set[Cell] | None = None,
    ) -> None:
        """Measure the stored chunks of shards.

        Parameters
        ----------
        shards, read, workers
            As in `measure_quality`.
        damaged
            Takes the (column, row) of the chunks that do not decode, and are not measured.

        Raises
        ------
        DamagedChunkError
            A chunk is damaged, and there is no ``damaged``.
        """
        chunks = (
            (self._level.grid.chunk_cell(shard, place), payload)
            for shard in shards
            for place, payload in read(shard).items()
        )
        measure = functools.partial(self._measure, damaged)
        for tiles, values in map_in_order(measure, chunks, workers=workers):
            self._totals[:, tiles] += values

    def columns(self) -> Quality:
        """Return one value per tile for each of `QUALITY_COLUMNS` except pen_fraction."""
        pixels, inner = self._totals[_PIXELS], self._totals[_INNER]
        shares = self._totals[:_PIXELS] / np.where(pixels, pixels, np.nan)
        change, square = self._totals[_INNER + 1 :] / np.where(inner, inner, np.nan)
        values = (*shares, square - change * change)
        names = [name for name in QUALITY_COLUMNS if name != "pen_fraction"]
        return {n: v.astype(np.float32) for n, v in zip(names, values, strict=True)}

    def _measure(self, damaged: set[Cell] | None, chunk: tuple[Cell, bytes]) -> _Sums:
        (column, row), payload = chunk
        grid = self._level.grid
        rows, columns = self._row_spans[row], self._column_spans[column]
        tiles, wanted = self._tiles_at(rows, columns)
        if not wanted.any():
            return _Sums(tiles, np.empty((_QUANTITIES, 0), np.int64))
        try:
            shape = grid.chunk_height, grid.chunk_width, self._channels
            pixels = self._codec.decode(payload, shape)
        except ValueError as error:
            if damaged is not None:
                damaged.add((column, row))
                return _Sums(tiles[:0], np.empty((_QUANTITIES, 0), np.int64))
            raise DamagedChunkError(
                f"the chunk at column {column}, row {row} is damaged: {error}"
            ) from error
        inside = pixels[: grid.height - row * grid.chunk_height]
        inside = inside[:, : grid.width - column * grid.chunk_width]
        measured = _measured(area_average(inside, self._level.factor), rows, columns)
        return _Sums(tiles, measured[:, wanted])

    def _tiles_at(
        self, rows: Sequence[Span], columns: Sequence[Span]
    ) -> tuple[NDArray[np.intp], Mask]:
        """Return the tiles where rows and columns cross, and which crossings have a tile."""
        keys = np.add.outer(
            np.array([row for row, *_ in rows], np.int64) * self._columns,
            np.array([column for column, *_ in columns], np.int64),
        )
        places = np.minimum(np.searchsorted(self._keys, keys), max(0, len(self._keys) - 1))
        wanted: Mask = self._keys[places] == keys
        return places[wanted], wanted


# The sums over a tile's pixels: red, green, blue, saturated, clipped; number of pixels; number of
# inner pixels, which have a Laplacian; the Laplacian; its square.
_PIXELS, _INNER, _QUANTITIES = 5, 6, 9


def _spans(
    tiles: Sequence[tuple[int, int]], level: tuple[int, int], downsample: float, factor: int
) -> list[list[Span]]:
    """Return, for each chunk along an axis, the pixels of every tile that has pixels in it."""
    (length, chunk), spans = level, []
    firsts, lasts = np.array(tiles, np.int64).reshape(-1, 2).T
    for start in range(0, length, chunk):
        stop = min(start + chunk, length)
        edges = np.arange(start, stop, factor)
        centres = (edges + np.minimum(edges + factor, stop)) / 2 * downsample
        begin, end = (np.searchsorted(centres, at) for at in (firsts, lasts))
        spans.append(
            [(n, int(begin[n]), int(end[n])) for n in np.flatnonzero(begin < end).tolist()]
        )
    return spans


def _measured(pixels: Pixels, rows: Sequence[Span], columns: Sequence[Span]) -> NDArray[np.int64]:
    """Return the sums over the tiles' parts of a chunk, as [quantity, row, column]."""
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))  # sums are much faster so
    colour = planes.transpose(1, 2, 0)
    high = brightest_channel(colour)
    chroma = (high - darkest_channel(colour)).astype(np.uint16)
    saturated = chroma * np.uint16(255) > high.astype(np.uint16) * np.uint16(SATURATED)
    change = laplacian(grey(colour))
    inner = _within(rows), _within(columns)
    return np.stack(
        [
            *np.broadcast_to(_sums(planes, rows, columns), (3, len(rows), len(columns))),
            _sums(saturated, rows, columns),
            _sums(high == 255, rows, columns),
            _areas(rows, columns),
            _areas(*inner),
            _sums(change, *inner),
            _sums(np.square(change, dtype=np.int32), *inner),
        ]
    )


def _within(spans: Sequence[Span]) -> list[Span]:
    """Return the spans without their first and last pixel, in pixels of the Laplacian."""
    stops = [max(0, stop - 2) for _, _, stop in spans]
    return [
        (tiles, min(first, stop), stop)
        for (tiles, first, _), stop in zip(spans, stops, strict=True)
    ]


def _sums(values: NDArray[Any], rows: Sequence[Span], columns: Sequence[Span]) -> NDArray[np.int64]:
    """Return the sum of [..., row, column] over each crossing of spans."""
    narrow = np.int64 if values.dtype == np.int32 else np.int32  # 32 bits suffice, twice as fast
    lines = [values[..., first:stop, :].sum(-2, narrow) for _, first, stop in rows]
    upto = np.zeros((*values.shape[:-2], len(rows), values.shape[-1] + 1), np.int64)
    np.cumsum(np.stack(lines, -2), axis=-1, out=upto[..., 1:])
    _, firsts, stops = zip(*columns, strict=True)
    sums: NDArray[np.int64] = upto[..., stops] - upto[..., firsts]
    return sums


def _areas(rows: Sequence[Span], columns: Sequence[Span]) -> NDArray[np.int64]:
    heights, widths = ([stop - first for _, first, stop in spans] for spans in (rows, columns))
    return np.multiply.outer(np.array(heights, np.int64), np.array(widths, np.int64))


def measure_quality(
    plan: TilePlan,
    level: MeasuredLevel,
    codec: ChunkCodec,
    *,
    shards: Iterable[Shard],
    read: ReadShard,
    workers: int,
    damaged: set[Cell] | None = None,
) -> Quality:
    """Measure a plan's tiles on their stored pixels, so that a resumed run gets the same values.

    Parameters
    ----------
    plan
        The tiles, and the overview on which pen is detected.
    level
        The level on which colour and sharpness are measured.
    codec
        How the level's chunks are encoded.
    shards
        The level's shards.
    read
        Reads one shard.
    workers
        Number of threads that decode. The values do not depend on it.
    damaged
        Takes the (column, row) of the chunks that do not decode, and are not measured.

    Returns
    -------
    dict of str to float32 array
        One value per tile, by column: all of `QUALITY_COLUMNS`.

    Raises
    ------
    DamagedChunkError
        A chunk is damaged, and there is no ``damaged``.
    """
    overview, regions = plan.tissue.overview, plan.regions
    measure = TileMeasure(regions, level, codec, overview.image.shape[2])
    measure.add(shards, read, workers=workers, damaged=damaged)
    pen = pen_fractions(overview.image, regions, scale=overview.downsample, mpp=overview.mpp)
    return {**measure.columns(), "pen_fraction": pen}
