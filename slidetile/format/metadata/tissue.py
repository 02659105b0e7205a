"""How a store's tissue mask was made: ``attributes.slidetile.parameters.tissue``."""

import copy
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self, get_args

from slidetile.choices import AnnotationOrigin, AnnotationsMode, AnnotationUnit
from slidetile.errors import StoreError
from slidetile.format.metadata.node import JsonNode, is_text
from slidetile.format.metadata.part import JsonPart
from slidetile.format.metadata.rules import Digest, Items, OneOf, Text

DEEPEST = 32
"""Deepest nesting of objects and lists that is allowed in free-form JSON."""

MOST_ANNOTATIONS = 1 << 10
MOST_CLASSES = 1 << 16

_ANNOTATIONS = "regions"
"""The key of the annotations that were used: format version 1 has this older word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationFacts(JsonPart):
    """A file of annotations, and its use."""

    mode: Annotated[AnnotationsMode, OneOf(*get_args(AnnotationsMode))]
    """How the annotations change the tissue."""

    sha256: Annotated[str, Digest()]
    """Digest of the file."""

    classes: Annotated[tuple[str, ...], Items(Text(), 0, MOST_CLASSES)]
    """The classes that are used, sorted, each once; empty if all are."""

    unit: Annotated[AnnotationUnit, OneOf(*get_args(AnnotationUnit))]
    """The unit of the file's coordinates."""

    origin: Annotated[AnnotationOrigin, OneOf(*get_args(AnnotationOrigin))]
    """Where the file's coordinates begin."""

    def check(self) -> None:
        """Check that the same classes are always recorded in the same way."""
        if list(self.classes) != sorted(set(self.classes)):
            raise ValueError("classes is not in order, but it must be, with each class once")


@dataclass(frozen=True, slots=True, kw_only=True)
class TissueParameters:
    """The parameters of a `TissueMask`: free-form JSON in which a few keys have a meaning.

    Raises
    ------
    TypeError, ValueError
        They are not valid JSON, or those of annotations are not allowed.
    """

    values: dict[str, Any]
    """All parameters, as `json.loads` returns them."""

    def __post_init__(self) -> None:
        values = json.loads(json.dumps(self.values, allow_nan=False))
        object.__setattr__(self, "values", values)
        try:
            _check_free(JsonNode(values, "tissue"), DEEPEST)
            _annotations(JsonNode(values, "tissue"))
        except StoreError as error:
            raise ValueError(str(error)) from error

    @classmethod
    def from_node(cls, node: JsonNode) -> Self:
        """Return the parameters in a JSON object.

        Raises
        ------
        StoreError
            It is not an object, is too deep, or is not JSON. The message names the key.
        """
        if not isinstance(node.value, dict):
            raise node.refusal("an object")
        _check_free(node, DEEPEST)
        _annotations(node)
        return cls(values=node.value)

    def to_node(self) -> dict[str, Any]:
        """Return a copy as a JSON object."""
        return copy.deepcopy(self.values)

    @property
    def detector(self) -> Any:
        """The name and the options of the detector, or None if they are not recorded."""
        return self.values.get("detector")

    @property
    def annotations(self) -> tuple[AnnotationFacts, ...]:
        """The annotations that were used, in their order."""
        return _annotations(JsonNode(self.values))

    def includes(self, parameters: Mapping[str, Any]) -> bool:
        """Return whether all of some parameters are among these, with the same values."""
        return parameters.items() <= self.values.items()


def _annotations(node: JsonNode) -> tuple[AnnotationFacts, ...]:
    if _ANNOTATIONS not in node.value:
        return ()
    files = node[_ANNOTATIONS].items(0, MOST_ANNOTATIONS)
    return tuple(map(AnnotationFacts.from_node, files))


def _check_free(node: JsonNode, depth: int) -> None:
    """Check that a value can be written again: bounded in depth, finite, and text as UTF-8."""
    value = node.value
    if isinstance(value, dict | list):
        if not depth:
            raise node.refusal(f"less deep: at most {DEEPEST} objects within each other")
        if isinstance(value, dict) and not all(map(is_text, value)):
            raise node.refusal("an object whose keys are text")
        for key in value if isinstance(value, dict) else range(len(value)):
            _check_free(node[key], depth - 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise node.refusal("a finite number")
    elif isinstance(value, str) and not is_text(value):
        raise node.refusal("text that UTF-8 can hold")
