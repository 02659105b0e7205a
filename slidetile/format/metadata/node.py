"""JSON in one canonical form, and JSON values that know their path in the document."""

import json
import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from slidetile.counts import how_many
from slidetile.errors import StoreError

LARGEST_JSON_BYTES = 1 << 24
"""Most bytes of a ``zarr.json``; real metadata stay far below, even with a colour profile."""

MOST_JSON_MARKS = 1 << 18
"""Most commas, colons and opening brackets of a ``zarr.json``, in its texts as well: each makes a
value of some 60 bytes in memory. A real one has a few hundred, or one for each class of the
annotations."""

_LONGEST_SHOWN = 60
_MOST_SHOWN = 4


def to_json(node: dict[str, Any]) -> bytes:
    """Return an object as JSON: UTF-8, indented by two spaces, a line feed at the end.

    Raises
    ------
    TypeError, ValueError
        A value is not valid in JSON, or the document is larger than readers accept.
    """
    text = json.dumps(node, indent=2, ensure_ascii=False, allow_nan=False)
    data = text.encode() + b"\n"
    if len(data) > LARGEST_JSON_BYTES:
        raise ValueError(
            f"A store's JSON has at most {LARGEST_JSON_BYTES} bytes, but this one {len(data)}: "
            "are its parameters that large?"
        )
    if (marks := _marks(data)) > MOST_JSON_MARKS:
        raise ValueError(
            f"A store's JSON has at most {MOST_JSON_MARKS} commas, colons and brackets, but this "
            f"one {marks}: has it so many parameters?"
        )
    return data


@dataclass(frozen=True, slots=True)
class JsonNode:
    """A value of a JSON document and its path, so that an error can name both."""

    value: Any
    """The value, of a type that `json.loads` returns."""

    path: str = ""
    """Keys and indexes that lead to the value, such as ``attributes.ome.multiscales[0]``."""

    def __getitem__(self, key: str | int) -> "JsonNode":
        """Return a member of an object by its key, or an item of a list by its index.

        Raises
        ------
        StoreError
            The value does not have this member.
        """
        is_key, value = isinstance(key, str), self.value
        kind: type[Any] = dict if is_key else list
        if not isinstance(value, kind):
            raise self.refusal("an object" if is_key else "a list")
        path = self._inner(key)
        if key not in (value if is_key else range(len(value))):
            raise StoreError(f"{path} is missing")
        return JsonNode(value[key], path)

    def members(
        self, required: Collection[str], optional: Collection[str] = ()
    ) -> dict[str, "JsonNode"]:
        """Return the members of an object that has all required keys and no unknown one.

        Raises
        ------
        StoreError
            The value is not an object, or a key is missing or unknown.
        """
        if not isinstance(self.value, dict):
            raise self.refusal("an object")
        for key in self.value:
            if key not in required and key not in optional:
                name = key if key.isidentifier() and len(key) < _LONGEST_SHOWN else shown(key)
                raise StoreError(f"{self._inner(name)} is unknown: a store does not have this key")
        for key in required:
            if key not in self.value:
                raise StoreError(f"{self._inner(key)} is missing")
        return {key: JsonNode(value, self._inner(key)) for key, value in self.value.items()}

    def items(self, least: int, most: int) -> list["JsonNode"]:
        """Return the items of a list of a bounded length.

        Raises
        ------
        StoreError
            The value is not a list, or is of another length.
        """
        if not isinstance(self.value, list) or not least <= len(self.value) <= most:
            count = f"{least}" if least == most else f"{least} to {most}"
            raise self.refusal(f"a list of {count}")
        return [JsonNode(item, self._inner(n)) for n, item in enumerate(self.value)]

    def expect(self, expected: Any) -> None:
        """Check that the value is the expected one; a float may differ by its rounding.

        Raises
        ------
        StoreError
            It is not. The message names the first key whose value differs.
        """
        if isinstance(expected, dict):
            for key, member in self.members(expected.keys()).items():
                member.expect(expected[key])
        elif isinstance(expected, list):
            items = self.items(len(expected), len(expected))
            for item, value in zip(items, expected, strict=True):
                item.expect(value)
        elif not _is_same(expected, self.value):
            raise self.refusal(shown(expected))

    def refusal(self, allowed: str) -> StoreError:
        """Return the error that names the path, the value and what is allowed."""
        return StoreError(f"{self.path or 'it'} is {shown(self.value)}, but it must be {allowed}")

    def _inner(self, key: str | int) -> str:
        if isinstance(key, int):
            return f"{self.path}[{key}]"
        return f"{self.path}.{key}" if self.path else key


def parse_json(data: bytes) -> JsonNode:
    """Return the JSON object that a file holds.

    Raises
    ------
    StoreError
        It is larger than 16 MiB, has more than 2¹⁸ values, is not a JSON object, or has a key
        twice.
    """
    if len(data) > LARGEST_JSON_BYTES:
        raise StoreError(f"it is larger than {LARGEST_JSON_BYTES} bytes")
    if (marks := _marks(data)) > MOST_JSON_MARKS:
        raise StoreError(f"it has {marks} commas, colons and brackets, more than {MOST_JSON_MARKS}")
    try:
        value = json.loads(data.decode(), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:  # as json documents
        raise StoreError(f"it could not be read as JSON: {error}") from error
    node = JsonNode(value)
    if not isinstance(value, dict):
        raise node.refusal("an object")
    return node


def _marks(data: bytes) -> int:
    """Return how many values a document can have, without parsing it."""
    return sum(map(data.count, (b",", b":", b"[", b"{")))


def shown(value: Any) -> str:
    """Return any value as text of bounded length."""
    if isinstance(value, dict):
        return f"an object of {how_many(len(value), 'keys')}"
    if isinstance(value, list):
        if len(value) > _MOST_SHOWN or any(isinstance(item, list | dict) for item in value):
            return f"a list of {len(value)}"
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int) and value.bit_length() > 2 * _LONGEST_SHOWN:
        return f"a number of {value.bit_length()} bits"
    return _shortened(repr(value[: 2 * _LONGEST_SHOWN] if isinstance(value, str) else value))


def is_text(value: Any) -> bool:
    """Return whether a value is text that UTF-8 can hold: JSON can escape half a character."""
    if not isinstance(value, str):
        return False
    return value.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in value)


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number; JSON's true and false are not numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)


def _is_finite(value: float) -> bool:
    return isinstance(value, int) or math.isfinite(value)


def _is_same(expected: Any, found: Any) -> bool:
    if isinstance(expected, float) and is_number(found) and abs(found) < 1 << 64:
        return math.isclose(expected, found, abs_tol=1e-9)
    return type(expected) is type(found) and bool(expected == found)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    node: dict[str, Any] = {}
    for key, value in pairs:
        if key in node:
            raise ValueError(f"an object gives the key {shown(key)} twice")
        node[key] = value
    return node


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"
