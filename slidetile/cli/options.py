"""The options that commands share: how they are declared, and the values made of them."""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from slidetile.choices import (
    ANNOTATION_ORIGIN,
    ANNOTATION_UNIT,
    ANNOTATIONS_MODE,
    CODEC,
    EDGE,
    JPEG_QUALITY,
    MIN_HOLE_AREA_UM2,
    MIN_PIECE_AREA_UM2,
    MIN_TISSUE_FRACTION,
    SEED,
    TILE_SIZE_PX,
    TISSUE_MARGIN_UM,
    TISSUE_MPP,
    AnnotationOrigin,
    AnnotationsMode,
    AnnotationUnit,
    CodecName,
    Edge,
)

if TYPE_CHECKING:
    from slidetile.annotations.spec import AnnotationsSpec
    from slidetile.recipe import Recipe
    from slidetile.tissue.detector import AnyDetector

Command = TypeVar("Command", bound=Callable[..., Any])

UM_AT_1X = 10.0
"""What 1x stands for, by the convention that 40x is 0.25 µm per pixel."""

PATH = click.Path(path_type=Path, readable=False)  # what cannot be read is for a slide's row

json_option = click.option(
    "--json", "as_json", is_flag=True, help="For machines: JSON, nothing else."
)


class Size(click.ParamType[int]):
    """A number of bytes with a unit, such as 2GB or 512MiB."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Turn what was typed into a number of bytes."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"\s*([0-9.]+)\s*([kMGT]?)(i?)B?\s*", value, re.IGNORECASE)
        if match is None or match[1].count(".") > 1:
            self.fail(f"{value!r} is no size such as 2GB or 512MiB.", param, ctx)
        power = " kmgt".index(match[2].lower() or " ")
        return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


class Objective(click.ParamType[float]):
    """The power of an objective, such as 20x: an alias for an mpp, 10 µm divided by it."""

    name = "power"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Turn what was typed into a power."""
        match = re.fullmatch(r"\s*(\d+\.?\d*)\s*[xX×]?\s*", str(value), re.ASCII)
        if match is None or not float(match[1]):
            self.fail(f"{value!r} is no power such as 20x.", param, ctx)
        return float(match[1])


class ReaderName(click.ParamType[str]):
    """The name of a reader, looked up when one is given: numpy loads with it."""

    name = "reader"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Make sure there is such a reader."""
        from slidetile.slides.readers import named_reader

        try:
            return named_reader(value).name
        except ValueError as error:
            self.fail(str(error), param, ctx)


class DetectorName(click.ParamType["AnyDetector"]):
    """A detector by its short name, or by where Python finds it."""

    name = "module:object"

    def convert(self, value: Any, param: Any, ctx: Any) -> "AnyDetector":
        """Turn what was typed into a detector; the module is imported, which runs it."""
        from slidetile.cli.detectors import load_detector
        from slidetile.cli.search_path import current_folder_searched

        if not isinstance(value, str):
            return value  # type: ignore[no-any-return]  # converted before
        try:
            detector = load_detector(value)
        except (ValueError, TypeError) as error:
            self.fail(str(error), param, ctx)
        # Until the command ends: the detector may import more, and so do the processes of a batch.
        ctx.with_resource(current_folder_searched())
        return detector


reader_option = click.option(
    "--reader", type=ReaderName(), help="Insist on a reader: tiff or openslide."
)

_RECIPE_OPTIONS = [
    click.option(
        "--mpp",
        type=float,
        help="µm per pixel of the store's level 0; the slide's own unless given.",
    ),
    click.option(
        "--objective",
        type=Objective(),
        help="The same as a power: 40x is --mpp 0.25, 20x 0.5, 10x 1.0.",
    ),
    click.option("--tile-size", default=TILE_SIZE_PX, show_default=True, help="Side in pixels."),
    click.option(
        "--min-tissue-fraction",
        default=MIN_TISSUE_FRACTION,
        show_default=True,
        help="Leave out tiles with a smaller share of tissue; 0 keeps all.",
    ),
    click.option(
        "--edge",
        type=click.Choice(get_args(Edge)),
        default=EDGE,
        show_default=True,
        help="Tiles that reach over the slide: keep them, drop them, or shift them inside.",
    ),
    click.option("--max-tiles", type=click.IntRange(min=1), help="Only those with most tissue."),
    click.option("--sample", type=click.IntRange(min=1), help="Only so many, drawn at random."),
    click.option("--seed", default=SEED, show_default=True, help="Which --sample is drawn."),
    click.option(
        "--codec",
        type=click.Choice(get_args(CodecName)),
        default=CODEC,
        show_default=True,
        help="auto copies the slide's own tiles where it can, else zstd.",
    ),
    click.option(
        "--jpeg-quality",
        type=click.IntRange(1, 100),
        help=f"Of the codec jpeg.  [default: {JPEG_QUALITY}]",
    ),
    click.option(
        "--tissue-mpp",
        type=float,
        help="Look for tissue at this resolution, in µm per pixel.  "
        f"[default: {TISSUE_MPP:g}, coarser on large slides]",
    ),
    click.option(
        "--detector",
        type=DetectorName(),
        help="What finds the tissue: otsu, dark, density, or MODULE:OBJECT of your own, which may "
        "lie in the current folder.  [default: chosen by the slide]",
    ),
    click.option(
        "--keep-pen", is_flag=True, help="Let pen strokes count as tissue where they look like it."
    ),
    click.option(
        "--min-piece-area-um2",
        default=MIN_PIECE_AREA_UM2,
        show_default=True,
        help="Drop smaller pieces of tissue, in µm².",
    ),
    click.option(
        "--min-hole-area-um2",
        default=MIN_HOLE_AREA_UM2,
        show_default=True,
        help="Fill smaller holes in tissue, in µm².",
    ),
    click.option(
        "--tissue-margin-um",
        default=TISSUE_MARGIN_UM,
        show_default=True,
        help="Widen tissue by so many µm on all sides.",
    ),
    click.option(
        "--slide-mpp",
        type=float,
        help="µm per pixel of the slide, where its own value is missing or wrong.",
    ),
    reader_option,
    click.option(
        "--annotations",
        type=PATH,
        help="Annotations: GeoJSON, ImageScope XML or a mask; or a folder of them, named as "
        "the slides.",
    ),
    click.option(
        "--annotations-mode",
        type=click.Choice(get_args(AnnotationsMode)),
        default=ANNOTATIONS_MODE,
        show_default=True,
        help="Take them for the tissue, or only the tissue inside or outside them.",
    ),
    click.option(
        "--annotations-class",
        "annotations_classes",
        multiple=True,
        help="Only this class; repeatable.",
    ),
    click.option(
        "--annotations-unit",
        type=click.Choice(get_args(AnnotationUnit)),
        default=ANNOTATION_UNIT,
        show_default=True,
        help="Of their coordinates; auto is what the file says, else level-0 pixels.",
    ),
    click.option(
        "--annotations-origin",
        type=click.Choice(get_args(AnnotationOrigin)),
        default=ANNOTATION_ORIGIN,
        show_default=True,
        help="Where their coordinates begin; auto is what the file says, else as in QuPath.",
    ),
]

_WRITING_OPTIONS = [
    click.option("--workers", type=click.IntRange(min=1), help="Threads; one per core."),
    click.option("--overwrite", is_flag=True, help="Replace a finished store."),
    click.option("--restart", is_flag=True, help="Throw away an unfinished store."),
    click.option(
        "--durable",
        is_flag=True,
        help="Sync all to the disk before a store gets its name: safe from power failures.",
    ),
    click.option(
        "--anonymous", is_flag=True, help="Leave the file name and free text out of the store."
    ),
    click.option(
        "--memory",
        type=Size(),
        help="Hold at most this much, such as 2GB; what is really free unless given.",
    ),
]


def recipe_options(command: Command) -> Command:
    """Add the options that make a `Recipe`, with its names and defaults."""
    return _with_options(command, _RECIPE_OPTIONS)


def writing_options(command: Command) -> Command:
    """Add the options that make `WriteOptions`, and the number of workers."""
    return _with_options(command, _WRITING_OPTIONS)


def _with_options(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


_SPEC_OPTIONS = ("min_tissue_fraction", "edge", "max_tiles", "sample", "seed")


def make_recipe(
    *,
    tile_size: int,
    codec: str,
    jpeg_quality: int | None,
    mpp: float | None,
    objective: float | None,
    **others: Any,
) -> "Recipe":
    """Make a `Recipe` of the values of its options."""
    from slidetile.format.codecs.jpeg import JpegCodec
    from slidetile.planning.tile_spec import TileSpec
    from slidetile.recipe import Recipe

    if jpeg_quality is not None and codec != "jpeg":
        raise click.UsageError(f"--jpeg-quality is of --codec jpeg, but the codec is {codec}.")
    if mpp is not None and objective is not None:
        raise click.UsageError("--mpp and --objective say the same in two ways: give one of them.")
    if objective is not None:
        mpp = UM_AT_1X / objective
    annotations = _take_annotations(others)
    with usage_errors():
        chosen_by = {name: others.pop(name) for name in _SPEC_OPTIONS}
        spec = TileSpec(size=tile_size, **chosen_by)
        chosen: Any = codec if jpeg_quality is None else JpegCodec(quality=jpeg_quality)
        return Recipe(mpp=mpp, tile=spec, codec=chosen, annotations=annotations, **others)


_ANNOTATIONS_DEFAULTS = {
    "mode": ANNOTATIONS_MODE,
    "unit": ANNOTATION_UNIT,
    "origin": ANNOTATION_ORIGIN,
}


def _take_annotations(options: dict[str, Any]) -> "AnnotationsSpec | None":
    """Take the options about annotations out of the others, and make their value."""
    from slidetile.annotations.spec import AnnotationsSpec

    path, classes = options.pop("annotations"), options.pop("annotations_classes")
    choices = {name: options.pop(f"annotations_{name}") for name in ("mode", "unit", "origin")}
    if path is None:
        if classes or choices != _ANNOTATIONS_DEFAULTS:
            raise click.UsageError(
                "--annotations-… say how to use --annotations FILE, which is not given."
            )
        return None
    return AnnotationsSpec(path=path, classes=classes, **choices)


def take_writing_options(options: dict[str, Any]) -> dict[str, Any]:
    """Take out of a command's options those about writing, and return them as keywords."""
    from slidetile.writing.options import WriteOptions

    overwrite, restart = options.pop("overwrite"), options.pop("restart")
    if overwrite and restart:
        raise click.UsageError(
            "--overwrite replaces a finished store, --restart throws away an unfinished one: "
            "give the one you mean."
        )
    with usage_errors():
        write_options = WriteOptions(
            existing="overwrite" if overwrite else "restart" if restart else "continue",
            anonymous=options.pop("anonymous"),
            memory_bytes=options.pop("memory"),
            durable=options.pop("durable"),
        )
    return {"workers": options.pop("workers"), "options": write_options}


@contextmanager
def usage_errors() -> Iterator[None]:
    """Report a value out of its range as wrong usage."""
    try:
        yield
    except ValueError as error:
        logging.getLogger(__name__).debug("usage error", exc_info=True)
        raise click.UsageError(str(error)) from error
