"""The choices of a run and their defaults, shared by API and command line.

Knows words and numbers. Does not know what is done with them. It imports nothing heavy, so that the
command line can show its options before numpy is loaded.
"""

from typing import Literal, get_args

TISSUE_MPP = 8.0
"""Resolution at which tissue is detected, in µm per pixel; coarser on large slides."""

MIN_PIECE_AREA_UM2 = 50_000.0
"""Pieces of tissue smaller than this, in µm², are dropped."""

MIN_HOLE_AREA_UM2 = 250_000.0
"""Holes in tissue smaller than this, in µm², are filled."""

TISSUE_MARGIN_UM = 0.0
"""How far tissue is widened on all sides, in µm."""

TILE_SIZE_PX = 1024
"""Width and height of a tile, in level-0 pixels."""

MIN_TISSUE_FRACTION = 0.05
"""Tiles with a smaller tissue fraction, 0–1, are left out."""

Edge = Literal["keep", "drop", "shift"]
"""What happens to squares (tiles or windows) that reach over the right or bottom edge.

"keep" leaves them unchanged; their pixels outside the canvas are background. "drop" leaves them
out. "shift" moves the last column and row inward until they are wholly inside, so that they overlap
their neighbours; a square larger than the canvas still reaches over its edge.
"""

EDGE: Edge = "keep"

SEED = 0
"""Seed of the random sample of tiles."""

CodecName = Literal["auto", "native", "zstd", "jxl", "jpeg", "raw", "reference"]
"""How pixels are stored; see `write_tiles`."""

CODEC: CodecName = "auto"

NativeCheck = Literal["scan", "decode"]
"""How the slide's compressed tiles are checked when they are copied; see `NativeCodec`."""

NATIVE_CHECK: NativeCheck = "scan"

NativeStream = Literal["jpeg", "jpeg2000", "webp"]
"""How the slide's compressed tiles that can be copied are encoded."""

JpegName = Literal["imagecodecs_jpeg", "jpeg"]
"""What a store's arrays call the Zarr codec of JPEG chunks: "imagecodecs_jpeg", or "jpeg", of a
draft for Zarr's registry of codecs. The chunks are the same."""

JPEG_NAME: JpegName = "imagecodecs_jpeg"

QUICK_STREAMS: frozenset[NativeStream] = frozenset({"jpeg", "webp"})
"""Those that "auto" copies: decoding a JPEG 2000 takes 5–20 times as long as decoding a JPEG."""

Existing = Literal["continue", "restart", "overwrite"]
"""What to do with an existing store: "continue" continues an unfinished one, "restart" deletes it,
and "overwrite" also replaces a finished one, once the new one is complete."""

SampleType = Literal["uint8"]
"""The type that samples are stored as, where it is not the slide's own."""

WINDOW = "percentile:0.1,99.9"
"""Which values of more than 8 bits become 0–255: two percentiles of each channel; or two values, as
in "200,4000", or "full"."""
ColorName = Literal["srgb"]
"""The colour space that pixels are converted to; None, everywhere, leaves them as they are."""


def check_color(color: str | None) -> None:
    """Check the name of a colour space.

    Raises
    ------
    ValueError
        It is unknown.
    """
    if color not in (None, *get_args(ColorName)):
        raise ValueError(f"color must be one of {get_args(ColorName)} or None, not {color!r}.")


JPEG_QUALITY = 90
"""Quality of the codec jpeg on libjpeg's scale, 1–100."""

JXL_EFFORT = 1
"""Effort of the codec jxl, 1–9. Higher ones take far longer, and win a few percent."""

AnnotationsMode = Literal["replace", "intersect", "exclude"]
"""Whether annotations replace the detected tissue, or keep only what is inside or outside them."""

ANNOTATIONS_MODE: AnnotationsMode = "replace"

AnnotationUnit = Literal["auto", "px", "um"]
"""Unit of an annotation file's coordinates; see `read_annotations`."""

ANNOTATION_UNIT: AnnotationUnit = "auto"

AnnotationOrigin = Literal["auto", "scan-area", "slide"]
"""Origin of an annotation file's coordinates; see `read_annotations`."""

ANNOTATION_ORIGIN: AnnotationOrigin = "auto"

MANIFEST_SUFFIXES = frozenset({".csv", ".parquet"})
"""Inputs of a batch with these suffixes are manifests; no slide has them."""


class UnfitChoiceError(ValueError):
    """A choice that is possible, but does not fit this slide, such as an mpp finer than its own."""
