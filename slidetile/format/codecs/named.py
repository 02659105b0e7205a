"""The codecs, by name."""

from dataclasses import replace
from typing import TypeGuard

from slidetile.choices import CodecName, JpegName
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.codecs.draft import DRAFT_NAME
from slidetile.format.codecs.jpeg import JpegCodec
from slidetile.format.codecs.jxl import JxlCodec
from slidetile.format.codecs.native import NativeCodec
from slidetile.format.codecs.planar import RawCodec, ZstdCodec
from slidetile.format.codecs.reference import ReferenceCodec


def make_codec(name: CodecName) -> ChunkCodec:
    """Return the codec of that name, with its defaults.

    Raises
    ------
    ValueError
        The codec is unknown.
    """
    match name:
        case "native":
            return NativeCodec()
        case "zstd":
            return ZstdCodec()
        case "jxl":
            return JxlCodec()
        case "jpeg":
            return JpegCodec()
        case "raw":
            return RawCodec()
        case "reference":
            return ReferenceCodec()
    raise ValueError(
        f"A codec is native, zstd, jxl, jpeg, raw or reference, but this one is {name!r}."
    )


def chosen_codec(choice: CodecName | ChunkCodec) -> ChunkCodec:
    """Return the codec that is chosen, by its name or as it is.

    Raises
    ------
    ValueError
        The name is unknown.
    """
    return make_codec(choice) if isinstance(choice, str) else choice


def holds_jpeg(codec: ChunkCodec) -> TypeGuard[JpegCodec | NativeCodec]:
    """Return whether chunks are JPEG streams, whose Zarr codec has two names."""
    is_copied = isinstance(codec, NativeCodec) and codec.stream == "jpeg"
    return is_copied or isinstance(codec, JpegCodec)


def jpeg_name(codec: ChunkCodec) -> JpegName | None:
    """Return what arrays call the Zarr codec of JPEG chunks; None where chunks are not JPEG."""
    if not holds_jpeg(codec):
        return None
    return "imagecodecs_jpeg" if codec.draft is None else DRAFT_NAME


def unnamed(codec: ChunkCodec) -> ChunkCodec:
    """Return a codec without what its drafted name would be told: the chunks are the same."""
    return replace(codec, draft=None) if holds_jpeg(codec) else codec


def zarr_codec(codec: ChunkCodec) -> str:
    """Return the name of the Zarr codec that a reader of the chunks needs."""
    names: list[str] = [each["name"] for each in codec.zarr_codecs]
    return [name for name in names if name != "crc32c"][-1]


def has_own_levels(name: CodecName) -> bool:
    """Return whether the levels of such stores are the slide's own, and not halvings."""
    return name in ("native", "reference")


def holds(name: CodecName, *, channels: int, bits: int) -> bool:
    """Return whether a codec stores so many channels of so many bits.

    `native` and `jpeg` store grey or colour of 8 bits, `jxl` grey or colour, the others all.
    """
    is_grey_or_colour = channels in (1, 3)
    if name in ("native", "jpeg"):
        return is_grey_or_colour and bits == 8
    return is_grey_or_colour or name != "jxl"
