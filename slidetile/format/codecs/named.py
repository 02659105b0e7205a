"""The codecs, by name."""

from slidetile.choices import CodecName
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.codecs.jpeg import JpegCodec
from slidetile.format.codecs.jxl import JxlCodec
from slidetile.format.codecs.native import NativeCodec
from slidetile.format.codecs.planar import RawCodec, ZstdCodec


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
    raise ValueError(f"A codec is native, zstd, jxl, jpeg or raw, but this one is {name!r}.")
