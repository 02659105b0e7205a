"""The codecs there are, by name."""

from slidetile.checksum import crc32c
from slidetile.chunk_codec import ChunkCodec, ChunkPixels, CodecName, Parts
from slidetile.jpeg_codecs import JpegCodec, NativeCodec
from slidetile.planar_codecs import RawCodec, ZstdCodec

__all__ = [
    "ChunkCodec",
    "ChunkPixels",
    "CodecName",
    "JpegCodec",
    "NativeCodec",
    "Parts",
    "RawCodec",
    "ZstdCodec",
    "crc32c",
    "make_codec",
]


def make_codec(name: CodecName, *, quality: int = 90) -> ChunkCodec:
    """Return the codec of that name.

    Raises
    ------
    ValueError
        There is no such codec.
    """
    match name:
        case "native":
            return NativeCodec()
        case "zstd":
            return ZstdCodec()
        case "jpeg":
            return JpegCodec(quality=quality)
        case "raw":
            return RawCodec()
    raise ValueError(f"A codec is native, zstd, jpeg or raw, but this one is {name!r}.")
