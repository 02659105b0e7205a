"""Chunks of a store as tiles of a TIFF.

Knows how TIFF calls what is in a tile. Does not know where tiles lie.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from slidetile.choices import UnfitChoiceError
from slidetile.export.jpeg_tiles import PLAIN, JpegKind, usual_kind
from slidetile.export.ome_tiff._directories import Value, shorts
from slidetile.export.ome_tiff.spec import OmeTiffExport
from slidetile.format.codecs.jpeg import JpegCodec
from slidetile.format.codecs.native import NativeCodec
from slidetile.raster.pixels import Pixels
from slidetile.store.store import TileStore

JPEG, DEFLATE, ZSTD, JPEG2000, WEBP = 7, 8, 50000, 33005, 50001
"""The numbers of compressions; that of JPEG 2000 is Aperio's for RGB."""

_COPIED = {"jpeg": JPEG, "jpeg2000": JPEG2000, "webp": WEBP}

NOTES: Mapping[int, str] = {
    JPEG2000: "its tiles are JPEG 2000, which tifffile and Bio-Formats read, and OpenSlide does "
    "not: for that give --codec jpeg or deflate",
    WEBP: "its tiles are WebP, which tifffile and libtiff read, and Bio-Formats does not: for that "
    "give --codec jpeg or deflate",
    ZSTD: "its tiles are Zstandard, which tifffile reads, and of OpenSlide and libtiff those that "
    "are built with it: for all give --codec deflate",
}
"""What is told of compressions that not all readers know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelTiles:
    """How the tiles of one level are made."""

    compression: int
    """The number that TIFF has for it."""

    tags: Mapping[int, Value]
    """The tags that say what a tile holds."""

    make: Callable[[tuple[int, int]], tuple[list[bytes], bool]]
    """Makes the tiles of a chunk, one for each directory; and whether it was encoded anew though
    others are copied."""


def compression_of(store: TileStore, spec: OmeTiffExport) -> tuple[int, bool]:
    """Return the compression of a store's tiles, and whether they are copied.

    Raises
    ------
    UnfitChoiceError
        The store's chunks or pixels cannot be stored so.
    """
    if spec.codec in ("auto", "native"):
        why = _why_not_copied(store)
        if why is None:
            codec = store.metadata.chunk_codec
            stream = codec.stream if isinstance(codec, NativeCodec) else "jpeg"
            return _COPIED[stream], True
        if spec.codec == "native":
            raise UnfitChoiceError(
                f"The chunks of {store.path} cannot be copied: {why}. Choose the codec jpeg or "
                "deflate."
            )
        return DEFLATE, False
    if spec.codec == "jpeg":
        channels, bits = len(store.channels), store.metadata.bits
        if bits != 8 or not is_seen(store):
            raise UnfitChoiceError(
                f"The codec jpeg has 8-bit grey or colour, but {store.path} has {channels} "
                f"channels of {bits} bits: choose deflate or zstd, which lose nothing."
            )
        return JPEG, False
    return (DEFLATE if spec.codec == "deflate" else ZSTD), False


def is_seen(store: TileStore) -> bool:
    """Return whether pixels are grey or colour, which one directory holds."""
    return store.metadata.is_plain and len(store.channels) in (1, 3)


def _why_not_copied(store: TileStore) -> str | None:
    codec = store.metadata.chunk_codec
    if not isinstance(codec, NativeCodec | JpegCodec):
        return f"its codec is {store.codec}"
    for number, grid in enumerate(store.grids):
        if grid.chunk_width % 16 or grid.chunk_height % 16:
            return (
                f"those of level {number} are {grid.chunk_width}×{grid.chunk_height} px, and the "
                "sides of tiles of a TIFF are multiples of 16"
            )
    return None


def level_tiles(
    store: TileStore, level: int, cells: list[tuple[int, int]], spec: OmeTiffExport
) -> LevelTiles:
    """Return how the tiles of a level are made."""
    compression, is_copied = compression_of(store, spec)
    if is_copied and compression == JPEG:
        kind = usual_kind(store, level, cells)
        if len(store.channels) == 1:
            kind = JpegKind(is_ycbcr=False, sampling=(0x11,))
        return LevelTiles(
            compression=compression, tags=_jpeg_tags(kind), make=_Copied(store, level, kind)
        )
    if is_copied:
        return LevelTiles(
            compression=compression, tags={262: shorts(2)}, make=_Copied(store, level, None)
        )
    if compression == JPEG:
        kind = PLAIN if len(store.channels) == 3 else JpegKind(is_ycbcr=False, sampling=(0x11,))
        encode = JpegCodec(quality=spec.quality).encode
        make = _Encoded(store, level, lambda pixels: [encode(pixels)])
        return LevelTiles(compression=compression, tags=_jpeg_tags(kind), make=make)
    photometric = 2 if is_seen(store) and len(store.channels) == 3 else 1
    tags = {262: shorts(photometric), 317: shorts(2)}
    make = _Encoded(store, level, _Lossless(compression, is_whole=is_seen(store)))
    return LevelTiles(compression=compression, tags=tags, make=make)


def _jpeg_tags(kind: JpegKind) -> dict[int, Value]:
    if kind.components == 1:
        return {262: shorts(1)}
    if not kind.is_ycbcr:
        return {262: shorts(2)}
    if kind.subsampling[0] == 1:
        # Where this is stated, Bio-Formats takes what its decoder gives for YCbCr, and converts
        # it once more. libtiff finds it in the first tile; all others look into the streams alone.
        return {262: shorts(6)}
    return {262: shorts(6), 530: shorts(*kind.subsampling)}


@dataclass(frozen=True, slots=True)
class _Copied:
    """Copies chunks; a JPEG of another kind than the level's is decoded, and encoded as one."""

    store: TileStore
    level: int
    kind: JpegKind | None

    def __call__(self, cell: tuple[int, int]) -> tuple[list[bytes], bool]:
        stream = self.store.read_chunk_bytes(*cell, level=self.level)
        assert stream is not None, "only stored chunks are asked for"
        if self.kind is None or self.kind.is_of(stream, self.store, cell, self.level):
            return [stream], False
        pixels = self.store.read_chunk(*cell, level=self.level)
        assert pixels is not None, "it has just been read"
        return [self.kind.encode(pixels)], True


@dataclass(frozen=True, slots=True)
class _Encoded:
    """Decodes chunks, and encodes them anew."""

    store: TileStore
    level: int
    encode: Callable[[Pixels], list[bytes]]

    def __call__(self, cell: tuple[int, int]) -> tuple[list[bytes], bool]:
        region = self.store.grid(self.level).chunk_region(*cell)
        return self.encode(self.store.read_level_region(region, level=self.level)), False


class _Lossless:
    """Encodes differences of neighbours (predictor 2): all samples together, or each channel."""

    def __init__(self, compression: int, *, is_whole: bool) -> None:
        self._compression, self._is_whole = compression, is_whole

    def __call__(self, pixels: Pixels) -> list[bytes]:
        if self._is_whole:
            return [self._compress(pixels)]
        return [self._compress(pixels[..., i : i + 1]) for i in range(pixels.shape[2])]

    def _compress(self, pixels: Pixels) -> bytes:
        differences: Any = np.diff(pixels, axis=1, prepend=pixels.dtype.type(0))
        data = np.ascontiguousarray(differences, differences.dtype.newbyteorder("<")).tobytes()
        import imagecodecs

        if self._compression == DEFLATE:
            return bytes(imagecodecs.deflate_encode(data, level=6))  # libdeflate: thrice as fast
        return bytes(imagecodecs.zstd_encode(data, level=3))
