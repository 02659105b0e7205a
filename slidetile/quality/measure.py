"""The colour and the sharpness of tiles, added up chunk by chunk.

Knows chunks and where tiles are. Does not know slides, files or tables.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from slidetile.format.codecs.codec import ChunkCodec, DamagedChunkError
from slidetile.format.layout import Shard
from slidetile.format.table import Quality, mean_columns
from slidetile.planning.plan import TilePlan
from slidetile.quality.measured_level import MeasuredLevel
from slidetile.quality.pen import pen_fractions
from slidetile.raster.block_means import area_average
from slidetile.raster.channels import Channel, are_plain, dtype_of, largest_sample
from slidetile.raster.masks import Mask
from slidetile.raster.pixels import Pixels, brightest_channel, darkest_channel
from slidetile.raster.region import Region
from slidetile.runtime.threads import map_in_order


def grey(pixels: Pixels) -> Pixels:
    """Return an image's luma (ITU-R BT.601) in integers, [row, column] of its own type."""
    if pixels.shape[2] == 1:
        intensity: Pixels = pixels[..., 0]
        return intensity
    # 257 × 255 is the most that 16 bits hold.
    wide: type[Any] = np.uint16 if pixels.dtype == np.uint8 else np.uint32
    luma: Pixels = np.full(pixels.shape[:2], 128, wide)
    for channel, weight in enumerate((77, 150, 29)):
        luma += pixels[..., channel] * wide(weight)
    luma >>= wide(8)
    narrow: Pixels = luma.astype(pixels.dtype)
    return narrow


def channel_mean(pixels: Pixels) -> Pixels:
    """Return the mean of all channels, halves rounded up, [row, column] of the pixels' type."""
    channels = pixels.shape[2]
    total = pixels.sum(axis=2, dtype=np.uint32)
    total += np.uint32(channels // 2)
    mean: Pixels = (total // np.uint32(channels)).astype(pixels.dtype)
    return mean


def laplacian(image: Pixels) -> NDArray[np.signedinteger[Any]]:
    """Return each inner pixel's four neighbours minus four times the pixel itself.

    Its variance is a measure of focus (Pech-Pacheco et al., "Diatom autofocusing in brightfield
    microscopy", ICPR 2000), among the best for images of few pixels (Pertuz et al., "Analysis of
    focus measure operators for shape-from-focus", Pattern Recognition 46, 2013). The values are
    those of OpenCV's ``Laplacian``.

    Parameters
    ----------
    image
        uint8 or uint16 [row, column].

    Returns
    -------
    int16 or int32 array [row, column]
        Two rows and two columns fewer than the image, or empty.
    """
    number: type[Any] = np.int16 if image.dtype == np.uint8 else np.int32
    wide = image.astype(number)
    change: NDArray[np.signedinteger[Any]] = wide[1:-1, 1:-1] * number(-4)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """What the chunks of a store hold."""

    channels: tuple[Channel, ...]
    """What each channel shows; grey counts as red, green and blue."""

    bits: int = 8
    """Bits of a sample."""

    @property
    def is_plain(self) -> bool:
        """Whether they are grey, or red, green and blue."""
        return are_plain(self.channels)

    @property
    def means(self) -> tuple[str, ...]:
        """The columns of the channels' means."""
        return mean_columns(self.channels)

    @property
    def quantities(self) -> int:
        """How many sums are made of each tile; see `_measured`."""
        return len(self.means) + 6


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
    samples
        What the chunks hold.
    """

    def __init__(
        self, regions: Sequence[Region], level: MeasuredLevel, codec: ChunkCodec, samples: Samples
    ) -> None:
        self._level = level
        self._codec = codec
        self._samples = samples
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
        self._totals = np.zeros((samples.quantities, len(regions)), np.int64)

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
        """Return one value per tile for each quality column except pen_fraction."""
        *sums, pixels, inner, change, square = self._totals
        shares = np.stack(sums) / np.where(pixels, pixels, np.nan)
        change, square = np.stack((change, square)) / np.where(inner, inner, np.nan)
        values = (*shares, square - change * change)
        names = (*self._samples.means, *_OTHERS)
        return {n: v.astype(np.float32) for n, v in zip(names, values, strict=True)}

    def _measure(self, damaged: set[Cell] | None, chunk: tuple[Cell, bytes]) -> _Sums:
        (column, row), payload = chunk
        grid = self._level.grid
        rows, columns = self._row_spans[row], self._column_spans[column]
        tiles, wanted = self._tiles_at(rows, columns)
        if not wanted.any():
            return self._nothing(tiles)
        try:
            samples = self._samples
            shape = grid.chunk_height, grid.chunk_width, len(samples.channels)
            pixels = self._codec.decode(payload, shape, None, dtype_of(samples.bits))
        except ValueError as error:
            if damaged is not None:
                damaged.add((column, row))
                return self._nothing(tiles[:0])
            raise DamagedChunkError(
                f"the chunk at column {column}, row {row} is damaged: {error}"
            ) from error
        inside = pixels[: grid.height - row * grid.chunk_height]
        inside = inside[:, : grid.width - column * grid.chunk_width]
        averaged = area_average(inside, self._level.factor)
        measured = _measured(averaged, rows, columns, samples)
        return _Sums(tiles, measured[:, wanted])

    def _nothing(self, tiles: NDArray[np.intp]) -> _Sums:
        return _Sums(tiles, np.empty((self._samples.quantities, 0), np.int64))

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


_OTHERS = ("saturated_fraction", "clipped_fraction", "laplacian_variance")


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


def _measured(
    pixels: Pixels, rows: Sequence[Span], columns: Sequence[Span], samples: Samples
) -> NDArray[np.int64]:
    """Return the sums over the tiles' parts of a chunk, as [quantity, row, column].

    They are each channel, saturated, clipped; the number of pixels; the number of inner pixels,
    which have a Laplacian; the Laplacian; its square.
    """
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))  # sums are much faster so
    colour = planes.transpose(1, 2, 0)
    high = brightest_channel(colour)
    change = laplacian(grey(colour) if samples.is_plain else channel_mean(colour))
    inner = _within(rows), _within(columns)
    square = np.square(change, dtype=np.int32 if change.dtype == np.int16 else np.int64)
    means = len(samples.means), len(rows), len(columns)
    return np.stack(
        [
            *np.broadcast_to(_sums(planes, rows, columns), means),
            _sums(_is_saturated(colour, high, samples), rows, columns),
            _sums(high == largest_sample(samples.bits), rows, columns),
            _areas(rows, columns),
            _areas(*inner),
            _sums(change, *inner),
            _sums(square, *inner),
        ]
    )


def _is_saturated(colour: Pixels, high: Pixels, samples: Samples) -> Mask:
    """Return which pixels are colourful; none where channels are not colours."""
    if not samples.is_plain:
        return np.zeros(high.shape, np.bool_)
    wide: type[Any] = np.uint16 if high.dtype == np.uint8 else np.uint32
    chroma = (high - darkest_channel(colour)).astype(wide)
    return np.asarray(chroma * wide(255) > high.astype(wide) * wide(SATURATED))


def _within(spans: Sequence[Span]) -> list[Span]:
    """Return the spans without their first and last pixel, in pixels of the Laplacian."""
    stops = [max(0, stop - 2) for _, _, stop in spans]
    return [
        (tiles, min(first, stop), stop)
        for (tiles, first, _), stop in zip(spans, stops, strict=True)
    ]


def _sums(values: NDArray[Any], rows: Sequence[Span], columns: Sequence[Span]) -> NDArray[np.int64]:
    """Return the sum of [..., row, column] over each crossing of spans."""
    # Of 16 bits 32 suffice, twice as fast.
    narrow = np.int64 if values.dtype.itemsize > 2 else np.int32
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
        One value per tile, by quality column.

    Raises
    ------
    DamagedChunkError
        A chunk is damaged, and there is no ``damaged``.
    """
    overview, regions = plan.tissue.overview, plan.regions
    bits = overview.sample_bits
    samples = Samples(channels=overview.channel_info, bits=bits)
    measure = TileMeasure(regions, level, codec, samples)
    measure.add(shards, read, workers=workers, damaged=damaged)
    pen = pen_fractions(
        overview.image,
        regions,
        scale=overview.downsample,
        mpp=overview.mpp,
        channels=overview.channels,
    )
    return {**measure.columns(), "pen_fraction": pen}
