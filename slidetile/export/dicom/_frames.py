"""Chunks of a store as the frames of a DICOM instance.

Knows transfer syntaxes and photometric interpretations. Does not know where frames lie.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from slidetile.choices import UnfitChoiceError
from slidetile.export.dicom.spec import DicomExport
from slidetile.export.jpeg_tiles import PLAIN, JpegKind, usual_kind
from slidetile.format.codecs.jpeg import JpegCodec
from slidetile.format.codecs.native import NativeCodec
from slidetile.raster.jpeg2000_header import has_transform
from slidetile.raster.pixels import Pixels
from slidetile.store.store import TileStore

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
JPEG2000 = "1.2.840.10008.1.2.4.91"

Cell = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelFrames:
    """How the frames of one level are made."""

    syntax: str
    """The transfer syntax."""

    photometric: str
    """The photometric interpretation."""

    lossy: str | None
    """The method of the lossy compression; None where there is none."""

    make: Callable[[Cell], bytes]
    """Makes the stream of a frame."""


def check_fits(store: TileStore, spec: DicomExport) -> bool:
    """Check that a store can be a DICOM series; return whether its chunks are copied.

    Raises
    ------
    UnfitChoiceError
        It cannot.
    """
    if len(store) == 0:
        raise UnfitChoiceError(
            f"{store.path} has no tiles, and a DICOM image has a frame at least."
        )
    if store.mpp is None:
        raise UnfitChoiceError(
            f"The mpp of {store.path} is unknown, and DICOM states sizes in mm: tile the slide "
            "with its resolution (--slide-mpp)."
        )
    if not store.metadata.is_plain or len(store.channels) not in (1, 3):
        raise UnfitChoiceError(
            f"{store.path} has {len(store.channels)} channels, and dicom writes grey or red, green "
            "and blue: choose ome-tiff, or tile one of the channels (--channels)."
        )
    if len(store.channels) == 3 and store.metadata.bits > 8:
        raise UnfitChoiceError(
            f"{store.path} has colours of {store.metadata.bits} bits, and dicom writes 8: choose "
            "ome-tiff."
        )
    return _is_copied(store, spec)


def _is_copied(store: TileStore, spec: DicomExport) -> bool:
    if spec.codec == "jpeg" and store.metadata.bits > 8:
        raise UnfitChoiceError(
            f"The codec jpeg has 8 bits, but {store.path} has {store.metadata.bits}: choose "
            "jpeg2000, which loses nothing."
        )
    codec = store.metadata.chunk_codec
    can = isinstance(codec, JpegCodec) or (
        isinstance(codec, NativeCodec) and codec.stream != "webp"
    )
    if spec.codec == "native" and not can:
        raise UnfitChoiceError(
            f"The chunks of {store.path} are {store.codec}, not JPEG or JPEG 2000, and cannot be "
            "copied: choose the codec jpeg or jpeg2000."
        )
    return can and spec.codec in ("auto", "native")


def level_frames(store: TileStore, level: int, cells: list[Cell], spec: DicomExport) -> LevelFrames:
    """Return how the frames of a level are made."""
    is_grey = len(store.channels) == 1
    if not check_fits(store, spec):
        return _encoded(store, level, spec, is_grey=is_grey)
    codec = store.metadata.chunk_codec
    copied = _Copied(store, level)
    if isinstance(codec, NativeCodec) and codec.stream == "jpeg2000":
        photometric = _jpeg2000_colours(copied(cells[0]))
        return LevelFrames(
            syntax=JPEG2000, photometric=photometric, lossy="ISO_15444_1", make=copied
        )
    kind = PLAIN if is_grey else usual_kind(store, level, cells)
    colours = "YBR_FULL_422" if kind.is_ycbcr else "RGB"
    return LevelFrames(
        syntax=JPEG_BASELINE,
        photometric="MONOCHROME2" if is_grey else colours,
        lossy="ISO_10918_1",
        make=copied if is_grey else _OfKind(copied, kind),
    )


def _encoded(store: TileStore, level: int, spec: DicomExport, *, is_grey: bool) -> LevelFrames:
    before = _lossy_before(store)
    if spec.codec == "jpeg":
        encode = JpegCodec(quality=spec.quality).encode
        return LevelFrames(
            syntax=JPEG_BASELINE,
            photometric="MONOCHROME2" if is_grey else "YBR_FULL_422",
            lossy="ISO_10918_1",
            make=_Encoded(store, level, encode),
        )
    return LevelFrames(
        syntax=JPEG2000_LOSSLESS,
        photometric="MONOCHROME2" if is_grey else "YBR_RCT",
        lossy=before,
        make=_Encoded(store, level, _lossless),
    )


def _lossy_before(store: TileStore) -> str | None:
    """Return how pixels lost something before: a lossless copy of them says so, too."""
    return "ISO_10918_1" if store.codec in ("native", "jpeg") else None


def _jpeg2000_colours(stream: bytes) -> str:
    """Return the colours of a codestream: those of its transform, which its wavelet decides."""
    if not has_transform((stream, 0, len(stream))):
        return "RGB"
    at = stream.find(b"\xff\x52")
    return "YBR_RCT" if stream[at + 13 : at + 14] == b"\1" else "YBR_ICT"


@dataclass(frozen=True, slots=True)
class _Copied:
    """Copies chunks."""

    store: TileStore
    level: int

    def __call__(self, cell: Cell) -> bytes:
        stream = self.store.read_chunk_bytes(*cell, level=self.level)
        assert stream is not None, "only stored chunks are asked for"
        return stream


@dataclass(frozen=True, slots=True)
class _OfKind:
    """Copies chunks; one whose colours are stored as no other's are is encoded as one of them."""

    copied: _Copied
    kind: JpegKind

    def __call__(self, cell: Cell) -> bytes:
        stream = self.copied(cell)
        if self.kind.has_colours_of(stream, self.copied.store, cell, self.copied.level):
            return stream
        pixels = self.copied.store.read_chunk(*cell, level=self.copied.level)
        assert pixels is not None, "it has just been read"
        return self.kind.encode(pixels)


@dataclass(frozen=True, slots=True)
class _Encoded:
    """Decodes chunks, and encodes them anew."""

    store: TileStore
    level: int
    encode: Callable[[Pixels], bytes]

    def __call__(self, cell: Cell) -> bytes:
        region = self.store.grid(self.level).chunk_region(*cell)
        return self.encode(self.store.read_level_region(region, level=self.level))


def _lossless(pixels: Pixels) -> bytes:
    import imagecodecs

    is_grey = pixels.shape[2] == 1
    picture: Any = np.ascontiguousarray(pixels[..., 0] if is_grey else pixels)
    return bytes(
        imagecodecs.jpeg2k_encode(
            picture, level=0, codecformat="j2k", reversible=True, mct=not is_grey, numthreads=1
        )
    )


def as_item(stream: bytes) -> bytes:
    """Return a stream as an item of encapsulated pixel data, of an even length."""
    padded = stream + b"\0" * (len(stream) % 2)
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(padded)) + padded
