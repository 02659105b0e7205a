"""The allowed values in a store's JSON: their types, ranges and typed values."""

import base64
import binascii
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from slidetile.format.metadata.node import JsonNode, is_number, is_text, shown
from slidetile.raster.region import Region

T = TypeVar("T")

LARGEST_LENGTH_PX = (1 << 31) - 1
"""More than any side of a slide."""

_NAME = re.compile("[a-z0-9-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEX_COLOUR = re.compile(r"[0-9A-F]{6}")


class Rule(ABC, Generic[T]):
    """The allowed values of one key. A field of a `JsonPart` names its rule in its annotation."""

    __slots__ = ()

    is_optional = False
    """Whether the key may be absent; the field is None then."""

    @abstractmethod
    def read(self, node: JsonNode) -> T:
        """Return the typed value.

        Raises
        ------
        StoreError
            The node's value is not allowed. The message names the path, the value and what is
            allowed.
        """

    def write(self, value: T) -> Any:
        """Return the value as it is written in JSON."""
        return value

    def check(self, value: T, key: str) -> None:
        """Check that a typed value is allowed.

        Raises
        ------
        StoreError
            It is not. The message names the key, the value and what is allowed.
        """
        self.read(JsonNode(self.write(value), key))


class _Plain(Rule[T]):
    """A rule whose values are the same in JSON."""

    __slots__ = ()

    @property
    @abstractmethod
    def allowed(self) -> str:
        """The allowed values, in an error's words."""

    @abstractmethod
    def allows(self, value: Any) -> bool:
        """Return whether a value is allowed."""

    def read(self, node: JsonNode) -> T:
        """Return the value."""
        if not self.allows(node.value):
            raise node.refusal(self.allowed)
        value: T = node.value
        return value


@dataclass(frozen=True, slots=True)
class Whole(_Plain[int]):
    """A whole number."""

    least: int
    most: int
    step: int = 1

    @property
    def allowed(self) -> str:
        """The range."""
        steps = "" if self.step == 1 else f" in steps of {self.step}"
        return f"a whole number from {self.least} to {self.most}{steps}"

    def allows(self, value: Any) -> bool:
        """Return whether it is an integer in the range."""
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        return self.least <= value <= self.most and not (value - self.least) % self.step


@dataclass(frozen=True, slots=True)
class Number(_Plain[float]):
    """A number, whole or not: 20 stays 20 and 20.0 stays 20.0."""

    least: float
    most: float

    @property
    def allowed(self) -> str:
        """The range."""
        return f"a number from {self.least:g} to {self.most:g}"

    def allows(self, value: Any) -> bool:
        """Return whether it is a finite number in the range."""
        return is_number(value) and self.least <= value <= self.most


class OneOf(_Plain[Any]):
    """One of a few values.

    Parameters
    ----------
    choices
        The values.
    """

    __slots__ = ("_choices",)

    def __init__(self, *choices: Any) -> None:
        self._choices = choices

    @property
    def allowed(self) -> str:
        """The choices."""
        return " or ".join(map(shown, self._choices))

    def allows(self, value: Any) -> bool:
        """Return whether it is a choice, and of the same type: 1 is neither true nor 1.0."""
        return any(type(value) is type(choice) and value == choice for choice in self._choices)


@dataclass(frozen=True, slots=True)
class Text(_Plain[str]):
    """Text that UTF-8 can hold."""

    least: int = 0
    most: int = 1 << 16

    @property
    def allowed(self) -> str:
        """The lengths."""
        return f"text of {self.least} to {self.most} characters"

    def allows(self, value: Any) -> bool:
        """Return whether it is text of an allowed length."""
        return is_text(value) and self.least <= len(value) <= self.most


class Name(_Plain[str]):
    """A short name without spaces."""

    __slots__ = ()

    allowed = "a name: 1 to 64 lower-case letters, digits and hyphens"

    def allows(self, value: Any) -> bool:
        """Return whether it is one."""
        return isinstance(value, str) and _NAME.fullmatch(value) is not None


class Digest(_Plain[str]):
    """A SHA-256 in hex."""

    __slots__ = ()

    allowed = "a SHA-256: 64 hexadecimal digits in lower case"

    def allows(self, value: Any) -> bool:
        """Return whether it is one."""
        return isinstance(value, str) and _SHA256.fullmatch(value) is not None


class Base64(Rule[bytes]):
    """Bytes as base64 text."""

    __slots__ = ()

    def read(self, node: JsonNode) -> bytes:
        """Return the bytes; text that is not the base64 of any bytes is refused."""
        try:
            data = base64.b64decode(Text(most=1 << 24).read(node), validate=True)
        except (binascii.Error, ValueError) as error:
            raise node.refusal("base64") from error
        if self.write(data) != node.value:
            raise node.refusal("base64")
        return data

    def write(self, value: bytes) -> str:
        """Return the text."""
        return base64.b64encode(value).decode()


@dataclass(frozen=True, slots=True)
class Items(Rule[tuple[Any, ...]]):
    """A list of values under the same rule."""

    rule: Rule[Any]
    least: int
    most: int

    def read(self, node: JsonNode) -> tuple[Any, ...]:
        """Return the items; the length is checked before any of them is read."""
        return tuple(self.rule.read(item) for item in node.items(self.least, self.most))

    def write(self, value: tuple[Any, ...]) -> list[Any]:
        """Return the list."""
        return [self.rule.write(item) for item in value]


@dataclass(frozen=True, slots=True)
class Pairs(Rule[tuple[Any, Any]]):
    """A list of two values, each under a rule of its own."""

    first: Rule[Any]
    second: Rule[Any]

    def read(self, node: JsonNode) -> tuple[Any, Any]:
        """Return both."""
        first, second = node.items(2, 2)
        return self.first.read(first), self.second.read(second)

    def write(self, value: tuple[Any, Any]) -> list[Any]:
        """Return the list."""
        return [self.first.write(value[0]), self.second.write(value[1])]


def pair(least: float, most: float) -> Items:
    """Return the rule of two numbers, [x, y]."""
    return Items(Number(least, most), 2, 2)


@dataclass(frozen=True, slots=True)
class Nullable(Rule[Any]):
    """A value, or null for None."""

    rule: Rule[Any]

    def read(self, node: JsonNode) -> Any:
        """Return the value, or None."""
        return None if node.value is None else self.rule.read(node)

    def write(self, value: Any) -> Any:
        """Return the value, or None."""
        return None if value is None else self.rule.write(value)


@dataclass(frozen=True, slots=True)
class Absent(Rule[Any]):
    """A value; the key is absent for None."""

    rule: Rule[Any]

    is_optional = True

    def read(self, node: JsonNode) -> Any:
        """Return the value."""
        return self.rule.read(node)

    def write(self, value: Any) -> Any:
        """Return the value."""
        return self.rule.write(value)


class Box(Rule[Region]):
    """A rectangle as [x, y, width, height]."""

    __slots__ = ()

    _corner = Whole(-LARGEST_LENGTH_PX, LARGEST_LENGTH_PX)
    _side = Whole(1, LARGEST_LENGTH_PX)

    def read(self, node: JsonNode) -> Region:
        """Return the rectangle."""
        x, y, width, height = node.items(4, 4)
        return Region(
            x=self._corner.read(x),
            y=self._corner.read(y),
            width=self._side.read(width),
            height=self._side.read(height),
        )

    def write(self, value: Region) -> list[int]:
        """Return the list."""
        return [value.x, value.y, value.width, value.height]


class HexColour(Rule[tuple[int, int, int]]):
    """A colour as six hexadecimal digits: red, green, blue."""

    __slots__ = ()

    def read(self, node: JsonNode) -> tuple[int, int, int]:
        """Return (red, green, blue), 0–255."""
        if not isinstance(node.value, str) or not _HEX_COLOUR.fullmatch(node.value):
            raise node.refusal("six hexadecimal digits")
        red, green, blue = bytes.fromhex(node.value)
        return red, green, blue

    def write(self, value: tuple[int, int, int]) -> str:
        """Return the digits."""
        return bytes(value).hex().upper()
