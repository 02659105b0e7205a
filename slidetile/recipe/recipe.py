"""All choices between a slide's file and its store in one value.

Knows the steps from slide to plan. Does not know stores.
"""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from slidetile.choices import (
    CODEC,
    MIN_HOLE_AREA_UM2,
    MIN_PIECE_AREA_UM2,
    NATIVE_CHECK,
    TISSUE_MARGIN_UM,
    WINDOW,
    CodecName,
    ColorName,
    NativeCheck,
    SampleType,
    check_color,
)
from slidetile.cloud.address import Address
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.codecs.named import make_codec
from slidetile.format.codecs.native import NativeCodec
from slidetile.planning.plan import TilePlan, plan_tiles
from slidetile.planning.tile_spec import TileSpec
from slidetile.slides.mapped import WindowChoice, map_slide
from slidetile.slides.mpp import check_mpp
from slidetile.slides.opening import open_slide
from slidetile.slides.overview import Overview, check_overview_mpp
from slidetile.slides.plane_choice import PlaneChoice
from slidetile.slides.reader import Reader
from slidetile.slides.readers import named_reader
from slidetile.slides.rescaled import rescale_slide
from slidetile.slides.slide import Slide
from slidetile.slides.srgb import SrgbSlide
from slidetile.tissue.cores import find_cores
from slidetile.tissue.detector import AnyDetector
from slidetile.tissue.finding import check_tissue_options, find_tissue
from slidetile.tissue.mask import TissueMask

if TYPE_CHECKING:
    from slidetile.annotations.labels_spec import LabelsSpec
    from slidetile.annotations.spec import AnnotationsSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a slide becomes a store. Every choice has a default that suits an H&E slide.

    Raises
    ------
    ValueError
        ``mpp`` or ``slide_mpp`` is implausible, ``tissue_mpp`` is out of range, an area or the
        margin is negative, ``keep_pen`` is set together with a detector, the name of the codec,
        colour space or reader is unknown, a window is out of range or given without ``dtype``, or a
        channel, depth or time cannot be one.
    TypeError
        ``detector`` is not a detector, ``tile`` no `TileSpec`, or ``labels`` or ``annotations`` a
        path.
    """

    mpp: float | None = None
    """Resolution of the store's level 0, in µm per pixel; None is the slide's own. See
    `rescale_slide`."""

    color: ColorName | None = None
    """"srgb" converts colours by the slide's ICC profile, for which pixels are decoded; a slide
    without a profile is taken for sRGB. None stores the slide's own colours."""

    tile: TileSpec = field(default_factory=TileSpec)
    """Tile size, how much tissue a tile must hold, edges, and how many tiles are wanted."""

    codec: CodecName | ChunkCodec = CODEC
    """How pixels are stored; see `write_tiles`."""

    check: NativeCheck = NATIVE_CHECK
    """How tiles that are copied are checked; "decode" finds more and takes longer, see
    `write_tiles`."""

    detector: AnyDetector | None = None
    """The tissue detector; None chooses by the overview, see `find_tissue`."""

    keep_pen: bool = False
    """Whether pen strokes may count as tissue, where the detector is chosen by the overview."""

    tissue_mpp: float | None = None
    """Resolution at which tissue is detected, in µm per pixel; None is 8 µm, or coarser on large
    slides, see `overview_mpp`."""

    min_piece_area_um2: float = MIN_PIECE_AREA_UM2
    """Pieces of tissue smaller than this, in µm², are dropped."""

    min_hole_area_um2: float = MIN_HOLE_AREA_UM2
    """Holes in tissue smaller than this, in µm², are filled."""

    tissue_margin_um: float = TISSUE_MARGIN_UM
    """How far tissue is widened on all sides, in µm."""

    annotations: "AnnotationsSpec | None" = None
    """Annotations that replace or cut the detected tissue; None uses none."""

    labels: "LabelsSpec | None" = None
    """Labels that say which class each tile belongs to; None uses none. See `read_labels`."""

    cores: bool = False
    """Whether tiles are named by the core of a microarray that they lie in; see `find_cores`. A
    slide whose tissue lies in no grid is refused."""

    reader: str | Reader | None = None
    """"tiff", "dicom", "ome-zarr", "czi", "isyntax", "picture" or "openslide" to use only that
    reader, or a `Reader`
    of your own; None tries all."""

    slide_mpp: float | tuple[float, float] | None = None
    """Micrometres per level-0 pixel, or (x, y), where the file's own are missing or wrong."""

    channels: Sequence[str] = ()
    """Names or numbers (from 0) of the channels to store, in this order; all if it is empty."""

    z: int | None = None
    """The depth (focal plane) to store, from 0, of a slide that has several."""

    t: int | None = None
    """The time to store, from 0, of a slide that has several."""

    dtype: SampleType | None = None
    """"uint8" maps slides of more than 8 bits onto 8, while they are read; None stores samples as
    they are."""

    window: str | None = None
    """Which values become 0–255, with ``dtype``; None is "percentile:0.1,99.9". See `map_slide`."""

    tissue_channel: str | None = None
    """The name or number of the only channel that tissue is looked for in; None looks at all."""

    def __post_init__(self) -> None:
        self._check_values()
        if self.tissue_mpp is not None:
            check_overview_mpp(self.tissue_mpp)
        check_tissue_options(
            detector=self.detector,
            keep_pen=self.keep_pen,
            channel=self.tissue_channel,
            **tissue_lengths(self),
        )
        object.__setattr__(self, "channels", self._planes.channels)
        self._check_samples()
        check_color(self.color)
        if isinstance(self.reader, str):
            named_reader(self.reader)
        if isinstance(self.codec, str) and self.codec != "auto":
            make_codec(self.codec)
        NativeCodec(check_by=self.check)

    def _check_values(self) -> None:
        """Make sure that what is a value of its own was not given as the number or path in it."""
        tile: object = self.tile
        if not isinstance(tile, TileSpec):
            size = tile if isinstance(tile, int) else 512
            raise TypeError(
                f"tile is a TileSpec, but this one is {tile!r}: Recipe(tile=TileSpec(size={size}))."
            )
        for name, kind in (("labels", "LabelsSpec"), ("annotations", "AnnotationsSpec")):
            value = getattr(self, name)
            if isinstance(value, str | os.PathLike | Address):
                raise TypeError(
                    f"{name} is a value of its own, not a path: Recipe({name}={kind}(path="
                    f"{str(value)!r}))."
                )
        for name in ("mpp", "slide_mpp"):
            mpp = getattr(self, name)
            if mpp is not None:
                check_mpp(mpp, name)

    def _check_samples(self) -> None:
        if self.dtype not in (None, "uint8"):
            raise ValueError(f"dtype is uint8 or None, but not {self.dtype!r}.")
        if self.window is not None and self.dtype is None:
            raise ValueError(
                "A window says which values become 0–255, so it needs dtype uint8 (--dtype uint8)."
            )
        if self.window is not None:
            object.__setattr__(self, "window", WindowChoice.parse(self.window).text)
        if self.tissue_channel is not None and is_drawn(self):
            raise ValueError(
                "No tissue is looked for where annotations replace it: leave out tissue_channel, "
                "or the annotations."
            )

    @property
    def _planes(self) -> PlaneChoice:
        return PlaneChoice(channels=self.channels, z=self.z, t=self.t)

    def open(self, path: str | os.PathLike[str] | Address) -> Slide:
        """Open a slide at the recipe's resolution, with its channels, colours and type of samples.

        Raises
        ------
        SlideError, OSError
            As in `open_slide`, `rescale_slide` and `map_slide`; or its colour profile cannot be
            applied.
        """
        with ExitStack() as stack:
            slide = stack.enter_context(open_unmapped(self, path))
            if self.dtype is not None:
                slide = map_slide(slide, window=self.window or WINDOW, mpp=self.tissue_mpp)
            stack.pop_all()
        return slide

    def tissue(self, slide: Slide, *, overview: Overview | None = None) -> TissueMask:
        """Find a slide's tissue; see `find_tissue`, `draw_tissue` and `cut_tissue`.

        ``overview`` is the slide's at `tissue_mpp`, where it has been read before.
        """
        if self.annotations is None:
            return self._detected(slide, overview)
        from slidetile.annotations.tissue import cut_tissue, draw_tissue

        annotations = self.annotations.read(slide)
        if self.annotations.mode == "replace":
            return draw_tissue(slide, annotations, mpp=self.tissue_mpp)
        detected = self._detected(slide, overview)
        return cut_tissue(detected, annotations, mode=self.annotations.mode)

    def _detected(self, slide: Slide, overview: Overview | None) -> TissueMask:
        return find_tissue(
            slide,
            mpp=self.tissue_mpp,
            overview=overview,
            detector=self.detector,
            keep_pen=self.keep_pen,
            channel=self.tissue_channel,
            **tissue_lengths(self),
        )

    def plan(self, slide: Slide) -> TilePlan:
        """Find a slide's tissue and choose its tiles; see `plan_tiles` and `find_cores`."""
        tissue = self.tissue(slide)
        cores = find_cores(tissue) if self.cores else None
        labels = None if self.labels is None else self.labels.read(slide)
        return plan_tiles(slide, tissue, self.tile, cores=cores, labels=labels)


def open_unmapped(recipe: Recipe, path: str | os.PathLike[str] | Address) -> Slide:
    """Open a slide as `Recipe.open` does, but with its own samples.

    To map them, a slide is looked at as a whole.
    """
    with ExitStack() as stack:
        slide = stack.enter_context(
            open_slide(
                path,
                reader=recipe.reader,
                mpp=recipe.slide_mpp,
                channels=recipe.channels,
                z=recipe.z,
                t=recipe.t,
            )
        )
        chosen = slide if recipe.mpp is None else rescale_slide(slide, mpp=recipe.mpp)
        in_colour = chosen if recipe.color is None else SrgbSlide(chosen)
        stack.pop_all()
    return in_colour


def tissue_lengths(recipe: Recipe) -> dict[str, float]:
    """Return areas and lengths of tissue, under the names of `find_tissue`'s parameters."""
    return {
        "min_piece_area_um2": float(recipe.min_piece_area_um2),
        "min_hole_area_um2": float(recipe.min_hole_area_um2),
        "tissue_margin_um": float(recipe.tissue_margin_um),
    }


def is_drawn(recipe: Recipe) -> bool:
    """Return whether annotations replace the detection of tissue."""
    return recipe.annotations is not None and recipe.annotations.mode == "replace"
