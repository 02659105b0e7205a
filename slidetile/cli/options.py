"""The options that commands share, and the values made from them.

Longer than 300 lines, because the options of a recipe are listed one by one.
"""

import csv
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from slidetile.choices import (
    ANNOTATION_ORIGIN,
    ANNOTATION_UNIT,
    ANNOTATIONS_MODE,
    CODEC,
    EDGE,
    JPEG_NAME,
    JPEG_QUALITY,
    JXL_EFFORT,
    MIN_HOLE_AREA_UM2,
    MIN_PIECE_AREA_UM2,
    MIN_TISSUE_FRACTION,
    NATIVE_CHECK,
    SEED,
    TILE_SIZE_PX,
    TISSUE_MARGIN_UM,
    TISSUE_MPP,
    WINDOW,
    AnnotationOrigin,
    AnnotationsMode,
    AnnotationUnit,
    Balance,
    CodecName,
    ColorName,
    Edge,
    JpegName,
    NativeCheck,
    SampleType,
)
from slidetile.cli.label_options import LABEL_OPTIONS, take_labels, take_least_fractions
from slidetile.cli.places import PATH, PLACE

if TYPE_CHECKING:
    from slidetile.annotations.spec import AnnotationsSpec
    from slidetile.recipe.recipe import Recipe
    from slidetile.tissue.detector import AnyDetector

Command = TypeVar("Command", bound=Callable[..., Any])

UM_AT_1X = 10.0
"""Resolution of a 1x objective in µm per pixel, by the convention that 40x is 0.25."""


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON for machines, and nothing else."
)


class Size(click.ParamType[int]):
    """A number of bytes with a unit, such as 2GB or 512MiB."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Convert the typed text to a number of bytes."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"\s*([0-9.]+)\s*([kMGT]?)(i?)B?\s*", value, re.IGNORECASE)
        if match is None or match[1].count(".") > 1:
            self.fail(f"{value!r} is not a size such as 2GB or 512MiB.", param, ctx)
        power = " kmgt".index(match[2].lower() or " ")
        return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


class Objective(click.ParamType[float]):
    """An objective power, such as 20x: another way to give an mpp, 10 µm ÷ power."""

    name = "power"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Convert the typed text to a power."""
        match = re.fullmatch(r"\s*(\d+\.?\d*)\s*[xX×]?\s*", str(value), re.ASCII)
        if match is None or not float(match[1]):
            self.fail(f"{value!r} is not a power such as 20x.", param, ctx)
        return float(match[1])


class ReaderName(click.ParamType[str]):
    """The name of a reader, looked up only when one is given, since that loads numpy."""

    name = "reader"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Check that a reader has this name."""
        from slidetile.slides.readers import named_reader

        try:
            return named_reader(value).name
        except ValueError as error:
            self.fail(str(error), param, ctx)


class DetectorName(click.ParamType["AnyDetector"]):
    """A detector, by its short name or as MODULE:OBJECT."""

    name = "module:object"

    def convert(self, value: Any, param: Any, ctx: Any) -> "AnyDetector":
        """Convert the typed text to a detector; its module is imported, which runs it."""
        from slidetile.cli.search_path import current_folder_searched
        from slidetile.tissue.named import load_detector

        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # converted before
        try:
            with current_folder_searched():
                detector = load_detector(value)
        except (ValueError, TypeError) as error:
            self.fail(str(error), param, ctx)
        # Until the command ends, since the detector may import more, and a batch's processes too.
        ctx.with_resource(current_folder_searched())
        return detector


class DetectorNames(click.ParamType["dict[str, AnyDetector | None]"]):
    """Several detectors, separated by commas; "default" is the one that the overview chooses."""

    name = "names"

    def convert(self, value: Any, param: Any, ctx: Any) -> "dict[str, AnyDetector | None]":
        """Convert the typed text to detectors by their names, each once."""
        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # converted before
        names = [name.strip() for name in value.split(",")]
        if not all(names):
            self.fail(f"{value!r} names no detector beside a comma: give NAME,NAME.", param, ctx)
        if len(names) > MOST_COMPARED:
            self.fail(f"{len(names)} are more than {MOST_COMPARED}: give fewer.", param, ctx)
        one = DetectorName()
        return {
            name: None if name == DEFAULT_DETECTOR else one.convert(name, param, ctx)
            for name in names
        }


MOST_COMPARED = 15
"""So many detectors fit into a picture beside the one that is chosen."""

DEFAULT_DETECTOR = "default"
"""What the detector that is chosen by the overview is called where several are compared."""

reader_option = click.option(
    "--reader",
    type=ReaderName(),
    help="Use only this reader: tiff, dicom, ome-zarr, czi, isyntax, picture or openslide.",
)

isolate_option = click.option(
    "--isolate/--no-isolate",
    help="Read slides in a process of their own: a library that crashes on one ends not the "
    "command, but that slide.",
)

referred_option = click.option(
    "--slide",
    type=PLACE,
    help="Where the slide of a reference store is, if it is not where the store says.",
)

_CHECK_OPTION = click.option(
    "--check",
    type=click.Choice(get_args(NativeCheck)),
    default=NATIVE_CHECK,
    show_default=True,
    help="How tiles that are copied are checked: scan looks at their markers, decode decodes "
    "all of them, which finds more and takes longer.",
)

_TILE_OPTIONS = [
    click.option(
        "--mpp",
        type=float,
        help="µm per pixel of the store's level 0.  [default: the slide's own]",
    ),
    click.option(
        "--objective",
        type=Objective(),
        help="Give --mpp as an objective power: 40x is 0.25, 20x is 0.5, 10x is 1.0.",
    ),
    click.option(
        "--color",
        type=click.Choice(get_args(ColorName)),
        help="Store colours as sRGB, converted by the slide's ICC profile, for which tiles are "
        "decoded.  [default: the slide's own colours, and the profile beside them]",
    ),
    click.option(
        "--tile-size",
        default=TILE_SIZE_PX,
        show_default=True,
        help="Width and height of a tile, in pixels.",
    ),
    click.option(
        "--min-tissue-fraction",
        default=MIN_TISSUE_FRACTION,
        show_default=True,
        help="Leave out tiles with a smaller tissue fraction; 0 keeps all.",
    ),
    click.option(
        "--edge",
        type=click.Choice(get_args(Edge)),
        default=EDGE,
        show_default=True,
        help="Keep tiles that reach over the slide's edge, drop them, or shift them inside.",
    ),
    click.option(
        "--max-tiles",
        type=click.IntRange(min=1),
        help="Keep only this many tiles, those with the most tissue.",
    ),
    click.option(
        "--sample",
        type=click.IntRange(min=1),
        help="Keep only this many tiles, drawn at random.",
    ),
    click.option("--seed", default=SEED, show_default=True, help="Seed of the random --sample."),
    click.option(
        "--balance",
        type=click.Choice(get_args(Balance)),
        help="Draw as many tiles of each class for --sample; a class with fewer gives all it has.",
    ),
    *LABEL_OPTIONS,
    click.option(
        "--codec",
        type=click.Choice(get_args(CodecName)),
        default=CODEC,
        show_default=True,
        help="How pixels are stored; auto is native (a copy of the slide's tiles) where they are "
        "JPEG or WebP that can be copied, else zstd; reference leaves them in the slide, which "
        "must stay where it is.",
    ),
    _CHECK_OPTION,
    click.option(
        "--jpeg-quality",
        type=click.IntRange(1, 100),
        help=f"Quality of the codec jpeg.  [default: {JPEG_QUALITY}]",
    ),
    click.option(
        "--effort",
        type=click.IntRange(1, 9),
        help="Effort of the codec jxl; above 3 it takes seconds for a megapixel.  "
        f"[default: {JXL_EFFORT}]",
    ),
    click.option(
        "--cores/--no-cores",
        help="Name tiles by the core of a tissue microarray that they lie in: A-1, A-2, …",
    ),
]

_TISSUE_OPTIONS = [
    click.option(
        "--tissue-mpp",
        type=float,
        help="Detect tissue at this resolution, in µm per pixel.  "
        f"[default: {TISSUE_MPP:g}, coarser on large slides]",
    ),
    click.option(
        "--detector",
        type=DetectorName(),
        help="Tissue detector: otsu, dark, density, or your own as MODULE:OBJECT, which may be in "
        "the current folder.  [default: chosen by the slide's overview]",
    ),
    click.option(
        "--keep-pen/--no-keep-pen",
        help="Count pen strokes as tissue where they look like tissue.",
    ),
    click.option(
        "--min-piece-area-um2",
        default=MIN_PIECE_AREA_UM2,
        show_default=True,
        help="Drop pieces of tissue smaller than this, in µm²; 0 keeps all.",
    ),
    click.option(
        "--min-hole-area-um2",
        default=MIN_HOLE_AREA_UM2,
        show_default=True,
        help="Fill holes in tissue smaller than this, in µm².",
    ),
    click.option(
        "--tissue-margin-um",
        default=TISSUE_MARGIN_UM,
        show_default=True,
        help="Widen tissue by this much on all sides, in µm.",
    ),
    click.option(
        "--slide-mpp",
        type=float,
        help="µm per pixel of the slide's level 0, where the file's value is missing or wrong.",
    ),
    reader_option,
    click.option(
        "--channels",
        metavar="NAMES",
        help="Store only these channels, by name or number from 0, in this order: DAPI,CD3.",
    ),
    click.option("--z", type=int, help="Store this depth (focal plane), from 0, of several."),
    click.option("--t", type=int, help="Store this time, from 0, of several."),
    click.option(
        "--dtype",
        type=click.Choice(get_args(SampleType)),
        help="Map slides of more than 8 bits onto 8 while they are read.  [default: as they are]",
    ),
    click.option(
        "--window",
        help="Which values become 0 to 255 with --dtype: percentile:LOW,HIGH of each channel, two "
        f"values LOW,HIGH, or full.  [default: {WINDOW}]",
    ),
    click.option(
        "--tissue-channel",
        help="Look for tissue in this channel only, by name or number.  [default: in all]",
    ),
    click.option(
        "--annotations",
        type=PATH,
        help="Annotations: a GeoJSON or ImageScope XML file or a mask; or a folder of files with "
        "the names of the slides.",
    ),
    click.option(
        "--annotations-mode",
        type=click.Choice(get_args(AnnotationsMode)),
        default=ANNOTATIONS_MODE,
        show_default=True,
        help="Replace detected tissue by the annotations, or keep only tissue inside (intersect) "
        "or outside (exclude) them.",
    ),
    click.option(
        "--annotations-class",
        "annotations_classes",
        multiple=True,
        help="Use only annotations of this class; repeatable.",
    ),
    click.option(
        "--annotations-unit",
        type=click.Choice(get_args(AnnotationUnit)),
        default=ANNOTATION_UNIT,
        show_default=True,
        help="Unit of the annotations' coordinates; auto is the file's own, else level-0 pixels.",
    ),
    click.option(
        "--annotations-origin",
        type=click.Choice(get_args(AnnotationOrigin)),
        default=ANNOTATION_ORIGIN,
        show_default=True,
        help="Origin of the annotations' coordinates; auto is the file's own, else QuPath's.",
    ),
]

_RECIPE_OPTIONS = [*_TILE_OPTIONS, *_TISSUE_OPTIONS]

_WRITING_OPTIONS = [
    click.option("--workers", type=click.IntRange(min=1), help="Threads; one per core."),
    click.option("--overwrite/--no-overwrite", help="Replace a finished store."),
    click.option("--restart/--no-restart", help="Delete an unfinished store and begin anew."),
    click.option(
        "--retry-unreadable/--no-retry-unreadable",
        help="Tile again slides whose finished stores have tiles that could not be read.",
    ),
    click.option(
        "--durable/--no-durable",
        help="Sync all files to disk before a store gets its name: it survives power failures.",
    ),
    click.option(
        "--anonymous/--no-anonymous", help="Leave the file name and free text out of the store."
    ),
    click.option(
        "--codec-name",
        type=click.Choice(get_args(JpegName)),
        default=JPEG_NAME,
        show_default=True,
        help="What the store calls the Zarr codec of JPEG chunks; jpeg is experimental, that of a "
        "draft.",
    ),
    click.option(
        "--memory",
        type=Size(),
        help="Use at most this much memory, such as 2GB.  [default: what is available]",
    ),
]


def recipe_options(command: Command) -> Command:
    """Add the options that make a `Recipe`, with its names and defaults."""
    return _with_options(command, _RECIPE_OPTIONS)


def tissue_options(command: Command) -> Command:
    """Add the options of a `Recipe` that say where tissue is."""
    return _with_options(command, _TISSUE_OPTIONS)


def writing_options(command: Command) -> Command:
    """Add the options that make `WriteOptions`, and the number of workers."""
    return _with_options(command, _WRITING_OPTIONS)


def _with_options(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


_SPEC_OPTIONS = ("min_tissue_fraction", "edge", "max_tiles", "sample", "seed", "balance")


def make_recipe(
    *,
    tile_size: int,
    codec: str,
    jpeg_quality: int | None,
    effort: int | None,
    mpp: float | None,
    objective: float | None,
    channels: str | None,
    **others: Any,
) -> "Recipe":
    """Make a `Recipe` from the values of its options."""
    from slidetile.planning.tile_spec import TileSpec
    from slidetile.recipe.recipe import Recipe

    if mpp is not None and objective is not None:
        raise click.UsageError("--mpp and --objective both set the resolution: give one of them.")
    if objective is not None:
        mpp = UM_AT_1X / objective
    chosen = _choose_codec(codec, jpeg_quality=jpeg_quality, effort=effort)
    if chosen == "reference" and others["check"] != NATIVE_CHECK:
        raise click.UsageError(
            f"--check {others['check']} is of tiles that are copied, and --codec reference copies "
            "none: slidetile verify --deep decodes them."
        )
    annotations, labels = _take_annotations(others), take_labels(others)
    with usage_errors():
        choices = {name: others.pop(name) for name in _SPEC_OPTIONS}
        least = take_least_fractions(others)
        spec = TileSpec(size=tile_size, min_class_fractions=least, **choices)
        others |= {"annotations": annotations, "channels": _channel_names(channels)}
        others |= {"labels": labels}
        return Recipe(mpp=mpp, tile=spec, codec=chosen, **others)


def make_tissue_recipe(*, channels: str | None, **others: Any) -> "Recipe":
    """Make a `Recipe` from the values of the options that say where tissue is."""
    from slidetile.recipe.recipe import Recipe

    annotations = _take_annotations(others)
    with usage_errors():
        return Recipe(annotations=annotations, channels=_channel_names(channels), **others)


def compared_recipes(
    recipe: "Recipe", others: "dict[str, AnyDetector | None]"
) -> "dict[str, Recipe]":
    """Return a recipe, and the same with other detectors, by the names of the detectors."""
    from slidetile.tissue.detector import describe_detector

    spec = recipe.annotations
    if others and spec is not None and spec.mode == "replace":
        raise click.UsageError(
            "--compare is of detectors, but the annotations replace them: give --annotations-mode "
            "intersect or exclude, or leave --annotations out."
        )
    own = DEFAULT_DETECTOR
    if recipe.detector is not None:
        own = describe_detector(recipe.detector)["name"]
    elif spec is not None and spec.mode == "replace":
        own = "annotations"
    recipes = {own: recipe}
    for name, detector in others.items():
        keep_pen = recipe.keep_pen and detector is None
        recipes.setdefault(name, replace(recipe, detector=detector, keep_pen=keep_pen))
    return recipes


def _channel_names(text: str | None) -> tuple[str, ...]:
    """Return the names of channels that are separated by commas; those in quotes may hold some."""
    if text is None:
        return ()
    try:
        names = tuple(next(csv.reader([text], skipinitialspace=True, strict=True), ()))
    except csv.Error as error:
        raise click.UsageError(f"--channels is {text}: a quotation mark is left open.") from error
    if not any(names):
        raise click.UsageError("--channels names none: leave it out to store all channels.")
    return names


def _choose_codec(codec: str, *, jpeg_quality: int | None, effort: int | None) -> Any:
    """Return the codec's name, or the codec where an option of its own is given."""
    if jpeg_quality is not None and codec != "jpeg":
        raise click.UsageError(f"--jpeg-quality needs --codec jpeg, but the codec is {codec}.")
    if effort is not None and codec != "jxl":
        raise click.UsageError(f"--effort needs --codec jxl, but the codec is {codec}.")
    if jpeg_quality is not None:
        from slidetile.format.codecs.jpeg import JpegCodec

        return JpegCodec(quality=jpeg_quality)
    if effort is not None:
        from slidetile.format.codecs.jxl import JxlCodec

        return JxlCodec(effort=effort)
    return codec


_ANNOTATIONS_DEFAULTS = {
    "mode": ANNOTATIONS_MODE,
    "unit": ANNOTATION_UNIT,
    "origin": ANNOTATION_ORIGIN,
}

NO_ANNOTATION_CHOICES: dict[str, Any] = {
    **{f"annotations_{name}": value for name, value in _ANNOTATIONS_DEFAULTS.items()},
    "annotations_classes": (),
}
"""The options about annotations as they are where none is given."""


def _take_annotations(options: dict[str, Any]) -> "AnnotationsSpec | None":
    """Remove the options about annotations from the others, and make an `AnnotationsSpec`."""
    path = options.pop("annotations")
    choices = take_annotation_choices(options)
    if path is None:
        refuse_annotation_choices(choices)
        return None
    from slidetile.annotations.spec import AnnotationsSpec

    return AnnotationsSpec(path=path, **choices)


def refuse_annotation_choices(choices: dict[str, Any]) -> None:
    """Refuse options about annotations that are given where there are none."""
    if choices != {**_ANNOTATIONS_DEFAULTS, "classes": ()}:
        raise click.UsageError(
            "The options --annotations-… need --annotations FILE, which is not given."
        )


def take_annotation_choices(options: dict[str, Any]) -> dict[str, Any]:
    """Remove the options about annotations but their path; return them as keywords.

    They are those of an `AnnotationsSpec`.
    """
    choices = {name: options.pop(f"annotations_{name}") for name in _ANNOTATIONS_DEFAULTS}
    choices["classes"] = options.pop("annotations_classes")
    return choices


def take_writing_options(options: dict[str, Any]) -> dict[str, Any]:
    """Remove the options about writing from a command's options; return them as keywords."""
    from slidetile.writing.options import WriteOptions

    overwrite, restart = options.pop("overwrite"), options.pop("restart")
    if overwrite and restart:
        raise click.UsageError(
            "--overwrite replaces a finished store, --restart deletes an unfinished one: "
            "give the one you mean."
        )
    with usage_errors():
        write_options = WriteOptions(
            existing="overwrite" if overwrite else "restart" if restart else "continue",
            retry_unreadable=options.pop("retry_unreadable"),
            anonymous=options.pop("anonymous"),
            memory_bytes=options.pop("memory"),
            durable=options.pop("durable"),
            codec_name=options.pop("codec_name"),
        )
    return {"workers": options.pop("workers"), "options": write_options}


@contextmanager
def usage_errors(kind: type[ValueError] = ValueError) -> Iterator[None]:
    """Report a value out of its range as wrong usage.

    Around a whole run ``kind`` is `UnfitChoiceError`: there, another ValueError is a bug.
    """
    try:
        yield
    except kind as error:
        logging.getLogger(__name__).debug("usage error", exc_info=True)
        raise click.UsageError(str(error)) from error
