"""All choices between a slide's file and its store in one value, and the call that follows them.

Knows the steps from slide to store. Does not know the command line, nor other slides.
"""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from slidetile.annotations.spec import AnnotationsSpec
from slidetile.annotations.tissue import DETECTOR, cut_tissue, draw_tissue
from slidetile.choices import (
    CODEC,
    MIN_HOLE_AREA_UM2,
    MIN_PIECE_AREA_UM2,
    TISSUE_MARGIN_UM,
    CodecName,
)
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.codecs.named import make_codec
from slidetile.format.metadata.level_0 import Level0
from slidetile.format.metadata.tissue import TissueParameters
from slidetile.planning.plan import TilePlan, plan_tiles
from slidetile.planning.tile_spec import TileSpec
from slidetile.runtime.cpus import worker_count
from slidetile.slides.mpp import check_mpp
from slidetile.slides.opening import open_slide
from slidetile.slides.overview import check_overview_mpp, overview_mpp
from slidetile.slides.reader import Reader
from slidetile.slides.readers import named_reader
from slidetile.slides.rescaled import rescale_slide
from slidetile.slides.slide import Slide
from slidetile.store.store import TileStore
from slidetile.tissue.detector import AnyDetector, default_detectors, describe_detector
from slidetile.tissue.mask import (
    TissueMask,
    check_tissue_options,
    find_tissue,
    stored_lengths,
)
from slidetile.writing.options import OnProgress, WriteOptions
from slidetile.writing.partial import check_destination, refuse_if_busy
from slidetile.writing.write import write_tiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a slide becomes a store. Every choice has a default that suits an H&E slide.

    Raises
    ------
    ValueError
        ``mpp`` or ``slide_mpp`` is implausible, ``tissue_mpp`` is out of range, an area or the
        margin is negative, ``keep_pen`` is set together with a detector, or the name of the codec
        or reader is unknown.
    TypeError
        ``detector`` is not a detector.
    """

    mpp: float | None = None
    """Resolution of the store's level 0, in µm per pixel; None is the slide's own. See
    `rescale_slide`."""

    tile: TileSpec = field(default_factory=TileSpec)
    """Tile size, how much tissue a tile must hold, edges, and how many tiles are wanted."""

    codec: CodecName | ChunkCodec = CODEC
    """How pixels are stored; see `write_tiles`."""

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

    annotations: AnnotationsSpec | None = None
    """Annotations that replace or cut the detected tissue; None uses none."""

    reader: str | Reader | None = None
    """"tiff" or "openslide" to use only that reader, or a `Reader` of your own; None tries all."""

    slide_mpp: float | tuple[float, float] | None = None
    """Micrometres per level-0 pixel, or (x, y), where the file's own are missing or wrong."""

    def __post_init__(self) -> None:
        if self.tissue_mpp is not None:
            check_overview_mpp(self.tissue_mpp)
        check_tissue_options(detector=self.detector, keep_pen=self.keep_pen, **self._lengths)
        for mpp in (self.mpp, self.slide_mpp):
            if mpp is not None:
                check_mpp(mpp)
        if isinstance(self.reader, str):
            named_reader(self.reader)
        if isinstance(self.codec, str) and self.codec != "auto":
            make_codec(self.codec)

    @property
    def _lengths(self) -> dict[str, float]:
        """Areas and lengths of tissue, under the names of `find_tissue`'s parameters."""
        return {
            "min_piece_area_um2": float(self.min_piece_area_um2),
            "min_hole_area_um2": float(self.min_hole_area_um2),
            "tissue_margin_um": float(self.tissue_margin_um),
        }

    @property
    def _is_drawn(self) -> bool:
        """Whether annotations replace the detection of tissue."""
        return self.annotations is not None and self.annotations.mode == "replace"

    def open(self, path: str | os.PathLike[str]) -> Slide:
        """Open a slide at the recipe's resolution; see `open_slide` and `rescale_slide`."""
        with ExitStack() as stack:
            slide = stack.enter_context(open_slide(path, reader=self.reader, mpp=self.slide_mpp))
            chosen = slide if self.mpp is None else rescale_slide(slide, mpp=self.mpp)
            stack.pop_all()
        return chosen

    def tissue(self, slide: Slide) -> TissueMask:
        """Find a slide's tissue; see `find_tissue`, `draw_tissue` and `cut_tissue`."""
        if self.annotations is None:
            return self._detected(slide)
        annotations = self.annotations.read(slide)
        if self.annotations.mode == "replace":
            return draw_tissue(slide, annotations, mpp=self.tissue_mpp)
        return cut_tissue(self._detected(slide), annotations, mode=self.annotations.mode)

    def _detected(self, slide: Slide) -> TissueMask:
        return find_tissue(
            slide,
            mpp=self.tissue_mpp,
            detector=self.detector,
            keep_pen=self.keep_pen,
            **self._lengths,
        )

    def plan(self, slide: Slide) -> TilePlan:
        """Find a slide's tissue and choose its tiles; see `plan_tiles`."""
        return plan_tiles(slide, self.tissue(slide), self.tile)

    def matches(self, store: TileStore, slide: Slide) -> bool:
        """Return whether a store records this slide and the settings of this recipe.

        A codec or a detector that the slide chooses matches any that it may choose.
        """
        source, parameters = store.metadata.source, store.metadata.parameters
        return (
            source.fingerprint == slide.source.fingerprint
            and source.reader == slide.reader
            and store.metadata.level_0 == Level0.of(slide.mpp, slide.rescaling)
            and parameters.mpp == self.mpp
            and store.tile_size == self.tile.size
            and parameters.tiles == self.tile.parameters
            and self._same_tissue(parameters.tissue, slide)
            and self._same_codec(store.metadata.chunk_codec)
        )

    def _same_tissue(self, found: TissueParameters, slide: Slide) -> bool:
        drawn = [] if self.annotations is None else [self.annotations.parameters(slide)]
        return (
            found.includes(self._tissue_parameters(slide))
            and self._same_detector(found.detector)
            and [annotations.to_node() for annotations in found.annotations] == drawn
        )

    def _tissue_parameters(self, slide: Slide) -> dict[str, Any]:
        """Return the tissue's parameters that are known before tissue is detected."""
        options = (
            {} if self._is_drawn else {"keep_pen": self.keep_pen, **stored_lengths(self._lengths)}
        )
        return {"mpp": overview_mpp(slide, self.tissue_mpp), **options}

    def _same_detector(self, recorded: Any) -> bool:
        if self._is_drawn:
            return bool(recorded == DETECTOR)
        given = None if self.detector is None else (self.detector,)
        detectors = given or default_detectors(keep_pen=self.keep_pen)
        return recorded in map(describe_detector, detectors)

    def _same_codec(self, found: ChunkCodec) -> bool:
        if self.codec == "auto":
            return found.name in ("native", "zstd")
        codec = make_codec(self.codec) if isinstance(self.codec, str) else self.codec
        return (codec.name, codec.parameters) == (found.name, found.parameters)


def tile_slide(
    path: str | os.PathLike[str],
    store_path: str | os.PathLike[str],
    recipe: Recipe | None = None,
    *,
    workers: int | None = None,
    options: WriteOptions | None = None,
    on_progress: OnProgress | None = None,
    on_plan: Callable[[TilePlan], None] | None = None,
) -> TileStore:
    """Find a slide's tissue and write its tiles into a store, in one call.

    Parameters
    ----------
    path
        The slide's file.
    store_path
        Path of the store to write.
    recipe
        How the slide becomes a store. None is `Recipe()`.
    workers, options, on_progress
        As in `write_tiles`.
    on_plan
        Called in this thread with the plan before it is carried out; its ``left_out`` says what
        no tile will hold.

    Returns
    -------
    TileStore
        The finished store.

    Raises
    ------
    SlideError, StoreError, OSError
        As in `open_slide`, `find_tissue` and `write_tiles`.
    ValueError
        ``workers`` is less than 1.
    """
    workers = worker_count(workers)
    recipe = recipe or Recipe()
    options = options or WriteOptions()
    check_destination(store_path, overwrite=options.existing == "overwrite")
    refuse_if_busy(store_path)
    with recipe.open(path) as slide:
        plan = recipe.plan(slide)
        if on_plan is not None:
            on_plan(plan)
        return write_tiles(
            slide,
            plan,
            store_path,
            codec=recipe.codec,
            workers=workers,
            options=options,
            on_progress=on_progress,
        )
