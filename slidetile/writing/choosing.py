"""Choosing the codec of a store, and the work that makes its shards."""

import logging
from collections.abc import Callable
from typing import TypeVar

from slidetile.choices import CodecName, NativeCheck
from slidetile.cloud.address import Location
from slidetile.errors import NotNativeError
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.codecs.named import chosen_codec, make_codec
from slidetile.format.codecs.native import NativeCodec
from slidetile.format.codecs.reference import ReferenceCodec
from slidetile.format.metadata.store import fill_value
from slidetile.planning.plan import TilePlan
from slidetile.slides.slide import Slide
from slidetile.writing._copying import Copying, check_quick
from slidetile.writing._encoding import Encoding
from slidetile.writing._referring import Referring
from slidetile.writing._work import Work
from slidetile.writing._writer import begun_note
from slidetile.writing.options import WriteOptions

_log = logging.getLogger(__name__)

Result = TypeVar("Result")

Act = Callable[[ChunkCodec, str | None], Result]
"""What is done with a codec; the text is why it is not native, where that was tried first."""

_BEGUN = "the store was begun with the codec zstd"
"""Why a store that is continued is not native, where its earlier run does not say it."""


def with_codec(
    slide: Slide,
    path: Location,
    codec: CodecName | ChunkCodec,
    check: NativeCheck,
    options: WriteOptions,
    act: Act[Result],
) -> Result:
    """Do something with the codec of a store; "auto" does it with "native", or then with "zstd".

    Parameters
    ----------
    slide
        The slide to store.
    path
        Path of the store: one that was begun with "auto" keeps its codec.
    codec, check, options
        As in `write_tiles`.
    act
        What to do.

    Raises
    ------
    NotNativeError
        ``codec`` is "native", and ``act`` raises it.
    """
    codec = fitting_codec(slide, codec)
    native = NativeCodec(check_by=check)
    if codec != "auto":
        named = native if codec == "native" else codec
        return act(chosen_codec(named), None)
    begun = None if options.existing == "restart" else begun_note(path)
    if begun is not None and begun.codec == "zstd":
        return act(make_codec("zstd"), begun.not_native or _BEGUN)
    try:
        check_quick(slide)
        return act(native, None)
    except NotNativeError as error:
        _log.info("not native, so zstd: %s", error)
        reason = error.phrase
    return act(make_codec("zstd"), reason)


def fitting_codec(slide: Slide, codec: CodecName | ChunkCodec) -> CodecName | ChunkCodec:
    """Return the codec to write a slide with: "auto" for "native" where colours are converted.

    Whoever asks for sRGB asks for other pixels than the slide's tiles have.
    """
    is_converted = slide.conversion is not None and slide.conversion.profile is not None
    is_native = codec == "native" or isinstance(codec, NativeCodec)
    return "auto" if is_converted and is_native else codec


def make_work(slide: Slide, plan: TilePlan, codec: ChunkCodec) -> Work:
    """Return the work that makes the shards of a plan with a codec.

    Raises
    ------
    NotNativeError
        The codec is native and the slide's tiles cannot be copied.
    ValueError
        The plan is of another slide.
    """
    plan.check_slide(slide)
    if isinstance(codec, NativeCodec):
        return Copying(slide, plan, codec)
    if isinstance(codec, ReferenceCodec):
        return Referring(slide, plan)
    return Encoding(slide, plan, codec, fill_value(slide.background, slide.bits))
