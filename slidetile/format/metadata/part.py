"""Objects of a store's JSON as frozen dataclasses whose fields are their keys."""

from dataclasses import dataclass, fields
from functools import cache
from typing import Any, NamedTuple, Protocol, Self, TypeVar, get_type_hints

from slidetile.errors import StoreError
from slidetile.format.metadata.node import JsonNode
from slidetile.format.metadata.rules import Rule


class JsonPart:
    """An object of a store's JSON.

    Each field is annotated ``Annotated[type, rule]``; its key is its name, or what follows the
    rule. Fields without a rule are elsewhere in the JSON. Values are checked on construction.

    Raises
    ------
    ValueError
        The rule does not allow a value. The message names the key, the value and what is allowed.
    """

    __slots__ = ()

    def __post_init__(self) -> None:
        for field, key, rule in self._members():
            value = getattr(self, field)
            if value is None and rule.is_optional:
                continue
            try:
                rule.check(value, key)
            except StoreError as error:
                raise ValueError(str(error)) from error
        self.check()

    def check(self) -> None:
        """Check that the fields agree with each other.

        Raises
        ------
        ValueError
            They do not. The message begins with a key.
        """

    @classmethod
    def from_node(cls, node: JsonNode) -> Self:
        """Return the part that a JSON object describes.

        Raises
        ------
        StoreError
            A key is missing or unknown, or a value is not allowed. The message names the key.
        """
        return cls.born(node, cls.values_in(node))

    @classmethod
    def values_in(cls, node: JsonNode) -> dict[str, Any]:
        """Return the typed values of an object's keys, by field.

        Raises
        ------
        StoreError
            As in `from_node`.
        """
        members = cls._members()
        there = node.members(
            [key for _, key, rule in members if not rule.is_optional],
            [key for _, key, rule in members if rule.is_optional],
        )
        return {field: rule.read(there[key]) for field, key, rule in members if key in there}

    @classmethod
    def born(cls, node: JsonNode, values: dict[str, Any]) -> Self:
        """Return the part with these values, read from a node.

        Raises
        ------
        StoreError
            They do not agree with each other.
        """
        try:
            return cls(**values)
        except ValueError as error:
            raise StoreError(f"{node.path}.{error}") from error

    @classmethod
    def _members(cls) -> "tuple[_Member, ...]":
        kind: Any = cls  # for mypy, which doubts that a dataclass can be a key
        return _members_of(kind)

    def to_node(self) -> dict[str, Any]:
        """Return the JSON object, with its keys in the order of the fields."""
        node = {}
        for field, key, rule in self._members():
            value = getattr(self, field)
            if value is not None or not rule.is_optional:
                node[key] = rule.write(value)
        return node


class _Member(NamedTuple):
    """How a field is written in JSON."""

    field: str
    key: str
    rule: Rule[Any]


@cache
def _members_of(kind: type[Any]) -> tuple[_Member, ...]:
    hints = get_type_hints(kind, include_extras=True)
    found = []
    for field in fields(kind):
        rule, *key = getattr(hints[field.name], "__metadata__", (None,))
        if rule is not None:
            found.append(_Member(field.name, key[0] if key else field.name, rule))
    return tuple(found)


class _InJson(Protocol):
    """A value that is read from a JSON object and written as one."""

    @classmethod
    def from_node(cls, node: JsonNode) -> Self:
        """Return the value that a JSON object describes."""
        ...

    def to_node(self) -> dict[str, Any]:
        """Return the JSON object."""
        ...


P = TypeVar("P", bound=_InJson)


@dataclass(frozen=True, slots=True)
class Part(Rule[P]):
    """An object within another."""

    kind: type[P]

    def read(self, node: JsonNode) -> P:
        """Return the value that the object describes."""
        return self.kind.from_node(node)

    def write(self, value: P) -> dict[str, Any]:
        """Return the JSON object."""
        return value.to_node()

    def check(self, value: P, key: str) -> None:
        """Check the type; the values were checked on construction."""
        if not isinstance(value, self.kind):
            raise TypeError(f"{key} is {value!r:.60}, but it must be {self.kind.__name__}")
