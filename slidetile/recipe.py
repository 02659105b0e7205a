"""All choices between a slide's file and its store in one value, and the call that follows them.

Knows the steps from slide to store. Does not know the command line, nor other slides. Longer than
300 lines, because each choice is listed, and what of a finished store tells whether it was made so.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from slidetile.choices import (
    CODEC,
    MIN_HOLE_AREA_UM2,
    MIN_PIECE_AREA_UM2,
    NATIVE_CHECK,
    QUICK_STREAMS,
    TISSUE_MARGIN_UM,
    WINDOW,
    CodecName,
    ColorName,
    NativeCheck,
    SampleType,
    check_color,
)
from slidetile.cloud.address import Address, Location, locate
from slidetile.cloud.objects import object_state
from slidetile.errors import OutdatedStoreError, StoreBusyError, StoreError, StoreExistsError
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.codecs.named import jpeg_name, make_codec, unnamed
from slidetile.format.codecs.native import NativeCodec
from slidetile.format.metadata.color import ColorFacts
from slidetile.format.metadata.labels import LabelFacts
from slidetile.format.metadata.level_0 import Level0
from slidetile.format.metadata.planes import PlaneFacts
from slidetile.format.metadata.tissue import TissueParameters
from slidetile.format.names import ROOT
from slidetile.planning.plan import TilePlan, plan_tiles
from slidetile.planning.tile_spec import TileSpec
from slidetile.runtime.cpus import worker_count
from slidetile.slides.mapped import WindowChoice, map_slide
from slidetile.slides.mpp import check_mpp
from slidetile.slides.opening import open_slide
from slidetile.slides.overview import Overview, check_overview_mpp, overview_mpp
from slidetile.slides.plane_choice import PlaneChoice
from slidetile.slides.reader import Reader
from slidetile.slides.readers import named_reader
from slidetile.slides.rescaled import rescale_slide
from slidetile.slides.slide import Slide
from slidetile.slides.srgb import SrgbSlide
from slidetile.store.store import TileStore, open_store
from slidetile.tissue.cores import find_cores
from slidetile.tissue.detector import AnyDetector, default_detectors, describe_detector
from slidetile.tissue.finding import (
    check_tissue_options,
    find_tissue,
    stored_channel,
    stored_lengths,
)
from slidetile.tissue.mask import TissueMask
from slidetile.verify.files import lost_files
from slidetile.writing.choosing import fitting_codec
from slidetile.writing.destination import (
    check_destination,
    check_place,
    is_emptied_at,
    is_there,
    tidy_up,
)
from slidetile.writing.differing import Setting, compared, in_words
from slidetile.writing.options import OnProgress, WriteOptions
from slidetile.writing.write import write_checked

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
            **self._lengths,
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
        if self.tissue_channel is not None and self._is_drawn:
            raise ValueError(
                "No tissue is looked for where annotations replace it: leave out tissue_channel, "
                "or the annotations."
            )

    @property
    def _planes(self) -> PlaneChoice:
        return PlaneChoice(channels=self.channels, z=self.z, t=self.t)

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

    def open(self, path: str | os.PathLike[str] | Address) -> Slide:
        """Open a slide at the recipe's resolution, with its channels, colours and type of samples.

        Raises
        ------
        SlideError, OSError
            As in `open_slide`, `rescale_slide` and `map_slide`; or its colour profile cannot be
            applied.
        """
        with ExitStack() as stack:
            slide = stack.enter_context(self._open_as_it_is(path))
            if self.dtype is not None:
                slide = map_slide(slide, window=self.window or WINDOW, mpp=self.tissue_mpp)
            stack.pop_all()
        return slide

    def _open_as_it_is(self, path: str | os.PathLike[str] | Address) -> Slide:
        """Open a slide whose samples are not mapped: for that it is looked at as a whole."""
        with ExitStack() as stack:
            slide = stack.enter_context(
                open_slide(
                    path,
                    reader=self.reader,
                    mpp=self.slide_mpp,
                    channels=self.channels,
                    z=self.z,
                    t=self.t,
                )
            )
            chosen = slide if self.mpp is None else rescale_slide(slide, mpp=self.mpp)
            in_colour = chosen if self.color is None else SrgbSlide(chosen)
            stack.pop_all()
        return in_colour

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
            **self._lengths,
        )

    def plan(self, slide: Slide) -> TilePlan:
        """Find a slide's tissue and choose its tiles; see `plan_tiles` and `find_cores`."""
        tissue = self.tissue(slide)
        cores = find_cores(tissue) if self.cores else None
        labels = None if self.labels is None else self.labels.read(slide)
        return plan_tiles(slide, tissue, self.tile, cores=cores, labels=labels)

    def matches(self, store: TileStore, slide: Slide) -> bool:
        """Return whether a store records this slide and the settings of this recipe.

        A codec or a detector that the slide chooses matches any that it may choose.
        """
        return store.metadata.source.fingerprint == slide.source.fingerprint and (
            self._same_settings(store, slide)
        )

    def matches_before_change(self, store: TileStore, slide: Slide) -> bool:
        """Return whether a store records these settings and this slide as it was before a change.

        A file of the same name, maker and size in pixels counts as the same slide.
        """
        found, original = store.metadata.source, slide.original
        return (
            found.name == original.name
            and found.vendor == original.vendor
            and found.size == original.levels[0].size
            and self._same_settings(store, slide)
        )

    def _same_settings(self, store: TileStore, slide: Slide) -> bool:
        return next(self._differing(store, slide), None) is None

    def _differing(self, store: TileStore, slide: Slide) -> Iterator[Setting]:
        """Yield each setting that the store was made otherwise with, those quickly found first."""
        return (each for each in self._compared(store, slide) if each.differs)

    def _compared(self, store: TileStore, slide: Slide) -> Iterator[Setting]:
        metadata, parameters = store.metadata, store.metadata.parameters
        planes = PlaneFacts.of(self.channels, self.z, self.t)
        level_0 = Level0.of(slide.mpp, slide.rescaling)
        yield Setting("mpp", parameters.mpp, self.mpp)
        yield Setting("reader", metadata.source.reader, slide.reader)
        if parameters.mpp == self.mpp:  # else that is why
            same_mpp = metadata.level_0.mpp == level_0.mpp
            yield Setting("slide_mpp", metadata.level_0.mpp, level_0.mpp)
            yield Setting("slide_level", metadata.level_0 if same_mpp else level_0, level_0)
        yield Setting("color", metadata.color, ColorFacts.of(slide.conversion))
        yield Setting("channels, z or t", parameters.planes, planes)
        yield Setting("window", parameters.window, self._window_of(slide))
        yield Setting("tile_size", store.tile_size, self.tile.size)
        yield from compared(parameters.tiles, self.tile.parameters)
        yield Setting("cores", metadata.cores is not None, self.cores)
        yield from self._compared_labels(metadata.labels, slide)
        if parameters.planes == planes:  # else its channel may be none of the slide's
            yield from self._compared_tissue(parameters.tissue, slide)
        if not self._same_codec(metadata.chunk_codec, slide):
            yield Setting("codec", *self._codecs(metadata.chunk_codec))

    def _compared_labels(self, found: LabelFacts | None, slide: Slide) -> Iterator[Setting]:
        if found is None or self.labels is None:
            yield Setting("labels", found is not None, self.labels is not None)
            return
        stored = {
            "sha256": found.sha256,
            "unit": found.unit,
            "origin": found.origin,
            "values": found.values or (),
        }
        for each in compared(stored, self.labels.parameters(slide)):
            yield each._replace(name=_LABEL_NAMES[each.name])

    def _window_of(self, slide: Slide) -> str | None:
        """Return the window that a store of a slide records, be it mapped yet or not."""
        if slide.window is not None:
            return slide.window
        is_mapped = self.dtype is not None and slide.bits > 8
        return self.window or WINDOW if is_mapped else None

    def _compared_tissue(self, found: TissueParameters, slide: Slide) -> Iterator[Setting]:
        drawn = [] if self.annotations is None else [self.annotations.parameters(slide)]
        channel = self.tissue_channel
        looked_at = {} if channel is None else stored_channel(slide, channel)
        stored = [annotations.to_node() for annotations in found.annotations]
        yield Setting("tissue_channel", found.values.get("channel"), looked_at.get("channel"))
        for each in compared(found.values, self._tissue_parameters(slide)):
            yield each._replace(name=_TISSUE_NAMES.get(each.name, each.name))
        if not self._same_detector(found.detector):
            yield Setting("detector", found.detector, None)
        if stored and drawn:
            yield Setting("annotations", stored, drawn)
        else:
            yield Setting("annotations", bool(stored), bool(drawn))

    def _tissue_parameters(self, slide: Slide) -> dict[str, Any]:
        """Return the tissue's parameters that are known before tissue is detected."""
        options = (
            {} if self._is_drawn else {"keep_pen": self.keep_pen, **stored_lengths(self._lengths)}
        )
        return {"mpp": overview_mpp(slide, self.tissue_mpp), **options}

    def _same_detector(self, recorded: Any) -> bool:
        if self._is_drawn:
            from slidetile.annotations.tissue import DETECTOR

            return bool(recorded == DETECTOR)
        given = None if self.detector is None else (self.detector,)
        detectors = given or default_detectors(keep_pen=self.keep_pen)
        return recorded in map(describe_detector, detectors)

    def _codecs(self, found: ChunkCodec) -> tuple[Any, Any]:
        """Return what tells two codecs that differ: their names, or what they are told."""
        name = self.codec if isinstance(self.codec, str) else self.codec.name
        if name in ("auto", "native") and isinstance(found, NativeCodec):
            return f"native with check {found.check_by}", f"{name} with check {self.check}"
        if name != found.name:
            return found.name, name
        codec = make_codec(self.codec) if isinstance(self.codec, str) else self.codec
        stored = unnamed(found).parameters
        return {"name": name, **stored}, {"name": name, **codec.parameters}

    def _same_codec(self, found: ChunkCodec, slide: Slide) -> bool:
        if self.codec in ("auto", "native") and isinstance(found, NativeCodec):
            is_chosen = self.codec == "native" or found.stream in QUICK_STREAMS
            return found.check_by == self.check and is_chosen
        if fitting_codec(slide, self.codec) == "auto":
            return found.name == "zstd"
        codec = make_codec(self.codec) if isinstance(self.codec, str) else self.codec
        found = unnamed(found)
        return (codec.name, codec.parameters) == (found.name, found.parameters)


def done_before(
    path: str | os.PathLike[str] | Address,
    store_path: str | os.PathLike[str] | Address,
    recipe: Recipe | None = None,
    *,
    options: WriteOptions | None = None,
) -> TileStore | None:
    """Return the finished store that a slide and a recipe have, or None where it is to be written.

    It is to be written where there is none, where ``options`` ask for another in its place, and
    where it has unreadable tiles and ``options.retry_unreadable`` asks to try them again.

    Parameters
    ----------
    path, store_path, recipe, options
        As in `tile_slide`.

    Raises
    ------
    OutdatedStoreError
        The store was made from another slide or with other settings, cannot be read, or has lost
        files: it is not whole, so it is not done, and only ``options`` have it replaced.
    SlideError, OSError
        As in `open_slide`.
    """
    recipe, options = recipe or Recipe(), options or WriteOptions()
    where = locate(store_path)
    if options.existing == "overwrite":
        return None
    if not is_there(where):
        begins_anew = options.existing == "restart" and isinstance(where, Address)
        if not begins_anew and is_emptied_at(where):
            raise _emptied(where)
        return None
    try:
        store = open_store(where)
        is_again = options.retry_unreadable and store.unreadable > 0
    except StoreError as error:
        if isinstance(where, Address) and isinstance(error.__cause__, OSError):
            raise  # a network that fails says nothing about the store
        raise OutdatedStoreError(f"{where} exists already, but {error} {_REMEDY}") from error
    with recipe._open_as_it_is(path) as slide:  # noqa: SLF001  of this very module
        own = list(_differing_options(store, options))
        if not own and recipe.matches(store, slide):
            return None if is_again else _whole(store)
        if not own and is_again and recipe.matches_before_change(store, slide):
            return None
        source = store.metadata.source
        is_same_slide = source.fingerprint == slide.source.fingerprint
        others = in_words([*own, *recipe._differing(store, slide)])  # noqa: SLF001  as above
        from_what = "" if is_same_slide else _other_slide(source.name, slide.original.name)
    how = f"with other settings: {others}" if others else ""
    outdated = OutdatedStoreError(
        f"{where} exists already, and was made {' and '.join(filter(None, (from_what, how)))}. "
        f"{_REMEDY}"
    )
    outdated.is_same_slide = is_same_slide
    raise outdated


def _differing_options(store: TileStore, options: WriteOptions) -> Iterator[Setting]:
    """Yield what a store was written otherwise with."""
    anonymous = Setting("anonymous", store.metadata.source.is_anonymous, options.anonymous)
    if anonymous.differs:
        yield anonymous
    name = jpeg_name(store.metadata.chunk_codec)
    if name not in (None, options.codec_name):
        yield Setting("codec_name", name, options.codec_name)


def _other_slide(stored: str | None, asked: str) -> str:
    """Return words for the slide of a store that is not the one that is asked for."""
    if stored == asked:
        return f"from another slide, or from {asked} before it changed"
    return "from another slide" if stored is None else f"from another slide ({stored})"


def _whole(store: TileStore) -> TileStore:
    """Return a store that has all its files.

    Raises
    ------
    OutdatedStoreError
        It has lost some.
    """
    lost = lost_files(store.path)
    if not lost:
        return store
    more = "" if len(lost) == 1 else f", and {len(lost) - 1:,} more (slidetile verify lists all)"
    raise _lost_some(
        f"{store.path} exists already, but has lost files, so it is not done: {lost[0]}{more}. "
        f"{_REMEDY}"
    )


def _emptied(store: Location) -> OutdatedStoreError:
    """Return the error of a store of which nothing can be read."""
    error = OutdatedStoreError(
        f"{store} exists already, but its root metadata is empty or gone, as after a power "
        f"failure, so it cannot be read. {_REMEDY}"
    )
    error.is_emptied = True
    return error


def _lost_some(message: str) -> OutdatedStoreError:
    """Return the error of a store of this slide that has lost files."""
    error = OutdatedStoreError(message)
    error.is_same_slide = True
    return error


def changed_since(
    path: str | os.PathLike[str] | Address, store_path: str | os.PathLike[str] | Address
) -> bool:
    """Return whether a slide's file was written or replaced after its store was finished.

    By the clocks of their file systems or buckets; False where one of the two cannot be read.
    """
    located, store = locate(path), locate(store_path)
    try:
        if isinstance(store, Address):
            made_ns = object_state(store / ROOT).modified.timestamp() * 1e9
        else:
            made_ns = (store / ROOT).stat().st_mtime_ns
        if isinstance(located, Address):
            return object_state(located).modified.timestamp() * 1e9 > made_ns
        slide = located.stat()
    except (OSError, ValueError):
        return False
    return max(slide.st_mtime_ns, slide.st_ctime_ns) > made_ns


_TISSUE_NAMES = {"mpp": "tissue_mpp", "min_region_area_um2": "min_piece_area_um2"}
"""What options call a tissue's parameters, where a store calls them otherwise."""

_LABEL_NAMES = {
    "sha256": "labels",
    "unit": "labels_unit",
    "origin": "labels_origin",
    "values": "label_values",
}
"""The same of labels."""

_REMEDY = (
    'Choose another output, or overwrite it on purpose with --overwrite (existing="overwrite").'
)


def tile_slide(
    path: str | os.PathLike[str] | Address,
    store_path: str | os.PathLike[str] | Address,
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
        The finished store; one that was made before from the same slide with the same settings
        is returned as it is.

    Raises
    ------
    SlideError, StoreError, OSError
        As in `open_slide`, `find_tissue`, `done_before` and `write_tiles`.
    ValueError
        ``workers`` is less than 1.
    """
    workers = worker_count(workers)
    recipe = recipe or Recipe()
    options = options or WriteOptions()
    destination = locate(store_path)
    check_place(destination)
    busy = _tidied(destination)
    done = done_before(path, destination, recipe, options=options)
    if done is not None:
        return done
    if busy is not None:
        raise busy
    if options.retry_unreadable and is_there(destination):
        options = replace(options, existing="overwrite")  # which `done_before` has found right
    try:
        overwrite = options.existing == "overwrite"
        check_destination(destination, overwrite=overwrite, is_placed=True)
        with recipe.open(path) as slide:
            plan = recipe.plan(slide)
            if on_plan is not None:
                on_plan(plan)
            return write_checked(
                slide,
                plan,
                destination,
                codec=recipe.codec,
                check=recipe.check,
                workers=workers,
                options=options,
                on_progress=on_progress,
            )
    except StoreExistsError:
        # Another process may have finished the very store since it was looked for.
        done = done_before(path, destination, recipe, options=options)
        if done is None:
            raise
        return done


def _tidied(store: Location) -> StoreBusyError | None:
    """Put right what a killed run has left; return the error where a living one is at work.

    That run may just have finished the very store that is asked for.
    """
    try:
        tidy_up(store)
    except StoreBusyError as error:
        return error
    return None
