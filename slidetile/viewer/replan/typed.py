"""What is typed to get a recipe: an expression in Python, and options of the command line.

Knows recipes and the names of options. Only what is not as usual is typed.
"""

import dataclasses
import shlex
from collections.abc import Mapping
from typing import Any

from slidetile.annotations.labels_spec import LabelsSpec
from slidetile.annotations.spec import AnnotationsSpec
from slidetile.recipe.recipe import Recipe
from slidetile.tissue.optical_density import OpticalDensityDetector
from slidetile.tissue.plain import DarkBackgroundDetector, OtsuDetector

_OF_WRITING = ("codec", "check")  # no plan depends on them

_FLAGS = {"size": "--tile-size", "annotations": "--annotations"}
"""Options that are not called as the field is."""

_DETECTORS = {
    OtsuDetector: "otsu",
    DarkBackgroundDetector: "dark",
    OpticalDensityDetector: "density",
}
"""Detectors that both can name."""


def typed(recipe: Recipe) -> dict[str, str]:
    """Return what is typed to get the plan of a recipe: "python" and "options".

    What the command line cannot say, such as thresholds of a detector, is left to Python; what
    neither can, such as a detector of one's own, is left out.
    """
    given = {n: v for n, v in _given(recipe).items() if n not in _OF_WRITING}
    if isinstance(recipe.detector, OpticalDensityDetector) and not _given(recipe.detector):
        del given["detector"]  # the one that is chosen for a stained slide
    terms = [f"{name}={term}" for name, value in given.items() if (term := _term(value))]
    options = [word for name, value in given.items() for word in _options(name, value)]
    return {"python": f"st.Recipe({', '.join(terms)})", "options": shlex.join(options)}


def number(value: float) -> str:
    """Return a number as people type it."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _given(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that are not as usual."""
    given = {}
    for field in dataclasses.fields(value):
        usual = field.default
        if field.default_factory is not dataclasses.MISSING:
            usual = field.default_factory()
        own = getattr(value, field.name)
        if own != usual:
            given[field.name] = own
    return given


def _term(value: Any) -> str:
    """Return a value in Python; nothing of one that cannot be typed."""
    if isinstance(value, bool | str | tuple):
        return repr(value)
    if isinstance(value, int | float):
        return number(value)
    if hasattr(value, "__fspath__"):
        return repr(str(value))
    if not dataclasses.is_dataclass(value) or not type(value).__module__.startswith("slidetile."):
        return ""
    terms = [f"{name}={_term(own)}" for name, own in _given(value).items()]
    return f"st.{type(value).__name__}({', '.join(terms)})"


def _options(name: str, value: Any) -> list[str]:
    """Return the options that give a field of a recipe, as words."""
    flag = _FLAGS.get(name, f"--{name.replace('_', '-')}")
    if isinstance(value, AnnotationsSpec | LabelsSpec) or name == "min_class_fractions":
        return _drawn_options(flag, value)
    if name == "tile":
        return [word for own in _given(value).items() for word in _options(*own)]
    if name == "detector":
        known = _DETECTORS.get(type(value))
        return [] if known is None else [flag, known]
    if isinstance(value, bool):
        return [flag] if value else []
    if isinstance(value, int | float | str):
        return [flag, value if isinstance(value, str) else number(value)]
    return [flag, ",".join(map(str, value))] if name == "channels" else []


def _drawn_options(flag: str, value: Any) -> list[str]:
    """Return the options of annotations, of labels, or of shares of classes."""
    if isinstance(value, AnnotationsSpec):
        return _annotation_options(flag, _given(value))
    if isinstance(value, LabelsSpec):
        return _label_options(flag, _given(value))
    pairs = (f"{each}={number(share)}" for each, share in value)
    return [word for pair in pairs for word in ("--min-class-fraction", pair)]


def _annotation_options(flag: str, given: Mapping[str, Any]) -> list[str]:
    classes = [word for each in given.get("classes", ()) for word in (f"{flag}-class", each)]
    others = [
        word
        for name in ("mode", "unit", "origin")
        if name in given
        for word in (f"{flag}-{name}", given[name])
    ]
    return [flag, str(given["path"]), *others, *classes]


def _label_options(flag: str, given: Mapping[str, Any]) -> list[str]:
    others = [
        word
        for name in ("unit", "origin")
        if name in given
        for word in (f"{flag}-{name}", given[name])
    ]
    values = (f"{name}={','.join(map(str, numbers))}" for name, numbers in given.get("values", ()))
    classes = [word for each in values for word in ("--label-values", each)]
    return [flag, str(given["path"]), *others, *classes]
