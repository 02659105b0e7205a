"""The options about the classes of tiles, and the labels made from them."""

from typing import TYPE_CHECKING, Any, get_args

import click

from slidetile.choices import ANNOTATION_ORIGIN, ANNOTATION_UNIT, AnnotationOrigin, AnnotationUnit
from slidetile.cli.places import PATH

if TYPE_CHECKING:
    from slidetile.annotations.labels_spec import LabelsSpec


class ClassShare(click.ParamType[tuple[str, float]]):
    """A class and a share, such as tumor=0.5."""

    name = "class=share"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, float]:
        """Convert the typed text to the class and the share."""
        if not isinstance(value, str):
            return tuple(value)  # converted before
        name, _, share = value.rpartition("=")
        try:
            return self._named(name), float(share)
        except ValueError:
            self.fail(f"{value!r} is not a class and a share such as tumor=0.5.", param, ctx)

    @staticmethod
    def _named(name: str) -> str:
        if not name:
            raise ValueError(name)
        return name


class ClassNumbers(click.ParamType[tuple[str, tuple[int, ...]]]):
    """A class and the numbers of a mask that are it, such as tumor=1,2."""

    name = "class=numbers"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, tuple[int, ...]]:
        """Convert the typed text to the class and the numbers."""
        if not isinstance(value, str):
            return tuple(value)  # converted before
        name, _, numbers = value.rpartition("=")
        parts = numbers.split(",")
        if not name or not all(part.strip().isdecimal() for part in parts):
            self.fail(f"{value!r} is not a class and its numbers such as tumor=1,2.", param, ctx)
        return name, tuple(map(int, parts))


LABEL_OPTIONS = [
    click.option(
        "--labels",
        type=PATH,
        help="What class each tile belongs to: annotations with classes, or a mask; or a folder of "
        "files with the names of the slides.",
    ),
    click.option(
        "--label-values",
        type=ClassNumbers(),
        multiple=True,
        help="The numbers of a mask that are a class: tumor=1,2; repeatable.  [default: each "
        "number is one]",
    ),
    click.option(
        "--labels-unit",
        type=click.Choice(get_args(AnnotationUnit)),
        default=ANNOTATION_UNIT,
        show_default=True,
        help="Unit of the labels' coordinates, as --annotations-unit.",
    ),
    click.option(
        "--labels-origin",
        type=click.Choice(get_args(AnnotationOrigin)),
        default=ANNOTATION_ORIGIN,
        show_default=True,
        help="Origin of the labels' coordinates, as --annotations-origin.",
    ),
    click.option(
        "--min-class-fraction",
        type=ClassShare(),
        multiple=True,
        help="Keep only tiles of which a class covers at least this share: tumor=0.5; of several, "
        "one is enough. Small areas and points of it keep their tiles in any case.",
    ),
]


def take_labels(options: dict[str, Any]) -> "LabelsSpec | None":
    """Remove the options about labels from the others, and make a `LabelsSpec`."""
    path, given = options.pop("labels"), take_label_choices(options)
    if path is None:
        refuse_label_choices(given)
        if options["min_class_fraction"] or options["balance"] is not None:
            raise click.UsageError(
                "--min-class-fraction and --balance choose tiles by their classes, which --labels "
                "FILE tells: give it, too."
            )
        return None
    from slidetile.annotations.labels_spec import LabelsSpec

    try:
        return LabelsSpec(path=path, **given)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


NO_LABEL_CHOICES: dict[str, Any] = {
    "label_values": (),
    "labels_unit": ANNOTATION_UNIT,
    "labels_origin": ANNOTATION_ORIGIN,
}
"""The options about labels as they are where none is given."""


def take_label_choices(options: dict[str, Any]) -> dict[str, Any]:
    """Remove the options about labels but their path; return them as those of a `LabelsSpec`."""
    values = options.pop("label_values")
    if len(dict(values)) < len(values):
        raise click.UsageError("--label-values names a class twice: give all its numbers at once.")
    unit, origin = options.pop("labels_unit"), options.pop("labels_origin")
    return {"values": dict(values), "unit": unit, "origin": origin}


def refuse_label_choices(choices: dict[str, Any]) -> None:
    """Refuse options about labels that are given where there are none."""
    if choices != {"values": {}, "unit": ANNOTATION_UNIT, "origin": ANNOTATION_ORIGIN}:
        raise click.UsageError(
            "--label-values, --labels-unit and --labels-origin need --labels FILE, which is not "
            "given."
        )
