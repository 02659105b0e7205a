"""The options about the classes of tiles, and the labels made from them."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from slidetile.choices import ANNOTATION_ORIGIN, ANNOTATION_UNIT, AnnotationOrigin, AnnotationUnit
from slidetile.cli.places import PATH

if TYPE_CHECKING:
    from slidetile.annotations.labels_spec import LabelsSpec


class _AsTyped(click.ParamType[str]):
    """Text that is checked when it is typed, and kept as it was: for settings and messages."""

    def __init__(self, name: str, parse: Callable[[str], object], words: str) -> None:
        self.name, self._parse, self._words = name, parse, words

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Check the typed text."""
        try:
            self._parse(value)
        except ValueError:
            self.fail(f"{value!r} is not {self._words}.", param, ctx)
        return str(value)


def class_share(text: str) -> tuple[str, float]:
    """Return the class and the share of a text; raises ValueError where it is none."""
    name, _, share = text.rpartition("=")
    return _some(name), float(share)


def class_numbers(text: str) -> tuple[str, tuple[int, ...]]:
    """Return the class and the numbers of a text; raises ValueError where it is none."""
    name, _, numbers = text.rpartition("=")
    return _some(name), tuple(map(int, numbers.split(",")))


def _some(name: str) -> str:
    """Return the name of a class without the blanks around it."""
    if not name.strip():
        raise ValueError(name)
    return name.strip()


CLASS_SHARE = _AsTyped("class=share", class_share, "a class and a share such as tumor=0.5")

CLASS_NUMBERS = _AsTyped(
    "class=numbers", class_numbers, "a class and its numbers such as tumor=1,2"
)

LABEL_OPTIONS = [
    click.option(
        "--labels",
        type=PATH,
        help="What class each tile belongs to: annotations with classes, or a mask; or a folder of "
        "files with the names of the slides.",
    ),
    click.option(
        "--label-values",
        type=CLASS_NUMBERS,
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
        type=CLASS_SHARE,
        multiple=True,
        help="Keep only tiles of which a class covers at least this share: Tumor=0.5, spelt as in "
        "the labels, case included; of several, one is enough. An area of which no tile holds so "
        "much keeps the tile with most of it, and a point its tile.",
    ),
]


def take_labels(options: dict[str, Any]) -> "LabelsSpec | None":
    """Remove the options about labels from the others, and make a `LabelsSpec`."""
    path, given = options.pop("labels"), take_label_choices(options)
    if path is None:
        refuse_label_choices(given)
        return None
    from slidetile.annotations.labels_spec import LabelsSpec

    try:
        return LabelsSpec(path=path, **given)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def take_least_fractions(options: dict[str, Any]) -> dict[str, float]:
    """Remove the least shares of classes from the options; return them."""
    return _each_once("--min-class-fraction", map(class_share, options.pop("min_class_fraction")))


NO_LABEL_CHOICES: dict[str, Any] = {
    "label_values": (),
    "labels_unit": ANNOTATION_UNIT,
    "labels_origin": ANNOTATION_ORIGIN,
}
"""The options about labels as they are where none is given."""


def take_label_choices(options: dict[str, Any]) -> dict[str, Any]:
    """Remove the options about labels but their path; return them as those of a `LabelsSpec`."""
    values = _each_once("--label-values", map(class_numbers, options.pop("label_values")))
    unit, origin = options.pop("labels_unit"), options.pop("labels_origin")
    return {"values": values, "unit": unit, "origin": origin}


def refuse_label_choices(choices: dict[str, Any]) -> None:
    """Refuse options about labels that are given where there are none."""
    if choices != {"values": {}, "unit": ANNOTATION_UNIT, "origin": ANNOTATION_ORIGIN}:
        raise click.UsageError(
            "--label-values, --labels-unit and --labels-origin need --labels FILE, which is not "
            "given."
        )


Value = TypeVar("Value")


def _each_once(option: str, pairs: Iterable[tuple[str, Value]]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for name, value in pairs:
        if name in found:
            raise click.UsageError(f"{option} names the class {name!r} twice: give it once.")
        found[name] = value
    return found
