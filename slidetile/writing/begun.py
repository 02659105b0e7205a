"""What an earlier run has left of a store, and whether a run would continue it."""

from slidetile.choices import CodecName, NativeCheck
from slidetile.cloud.address import Location
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.planning.plan import TilePlan
from slidetile.slides.slide import Slide
from slidetile.writing._run import Run
from slidetile.writing._writer import begun_note
from slidetile.writing.choosing import with_codec
from slidetile.writing.options import WriteOptions


def was_begun_so(
    slide: Slide,
    plan: TilePlan,
    path: Location,
    *,
    codec: CodecName | ChunkCodec,
    check: NativeCheck,
    options: WriteOptions,
) -> bool:
    """Return whether the unfinished store of a path was begun from this slide with these settings.

    Parameters
    ----------
    slide, plan, path, codec, check, options
        As in `write_tiles`; an unfinished store is there.

    Raises
    ------
    NotNativeError
        ``codec`` is "native" and the slide's tiles cannot be copied.
    """

    def is_so(chosen: ChunkCodec, not_native: str | None) -> bool:
        return Run(slide, plan, chosen, 1, options, None, not_native).continues(path)

    return with_codec(slide, path, codec, check, options, is_so)


def begun_fingerprint(path: Location) -> str | None:
    """Return the fingerprint of the slide of an unfinished store; None where there is none."""
    note = begun_note(path)
    return None if note is None else note.fingerprint
