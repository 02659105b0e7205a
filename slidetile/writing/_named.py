"""What a store's arrays call the Zarr codec of its JPEG chunks."""

from dataclasses import replace

from slidetile.choices import JPEG_NAME, JpegName
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.codecs.draft import JpegDraft
from slidetile.format.codecs.named import holds_jpeg
from slidetile.writing._copying import Copying
from slidetile.writing._work import Work

_UNKNOWN_QUALITY = 90
"""Of a store without chunks, of which none tells."""


def named_codec(work: Work, channels: int, name: JpegName) -> ChunkCodec:
    """Return the codec of some work, which names JPEG chunks so; others have one name.

    Raises
    ------
    UnnamedStreamError
        The draft has no words for the slide's tiles.
    """
    codec = work.codec
    if name == JPEG_NAME or not holds_jpeg(codec):
        return codec
    stream = work.first_stream() if isinstance(work, Copying) else None
    return replace(codec, draft=draft_of(codec, stream, channels))


def draft_of(codec: ChunkCodec, first: bytes | None, channels: int) -> JpegDraft:
    """Return what the drafted codec is told of a store's chunks.

    Parameters
    ----------
    codec
        The store's codec, whose chunks are JPEG.
    first
        The first chunk of level 0, row by row; None where there is none.
    channels
        The number of channels.

    Raises
    ------
    UnnamedStreamError
        The draft has no words for the chunk.
    """
    quality = getattr(codec, "quality", None)
    if quality is not None or first is None:
        return JpegDraft.encoded(quality or _UNKNOWN_QUALITY, channels)
    return JpegDraft.of(first)
