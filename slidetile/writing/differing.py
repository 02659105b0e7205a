"""Words for the settings that a finished store was made with, where others are asked for now.

Knows names and values. Does not know slides or stores.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

_MOST_CHARACTERS = 60

_ABSENT = object()


class Setting(NamedTuple):
    """A setting as a store records it, and as it is asked for."""

    name: str
    """What it is called."""

    stored: Any
    """What the store was made with."""

    asked: Any
    """What is asked for now."""

    @property
    def differs(self) -> bool:
        """Whether the two are not the same."""
        return bool(self.stored != self.asked)

    def __str__(self) -> str:
        stored, asked = _told(self.stored), _told(self.asked)
        if stored is None or asked is None or stored == asked:
            return self.name
        return f"{self.name} is {stored} there, and {asked} is asked for"


def in_words(settings: Iterable[Setting]) -> str:
    """Return the settings that differ, in words."""
    return "; ".join(map(str, settings))


def compared(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterator[Setting]:
    """Yield each setting that is asked for, with what is stored of it."""
    return (Setting(name, stored.get(name, _ABSENT), value) for name, value in asked.items())


def _told(value: Any) -> str | None:
    """Return a value in words; None where it is nothing that can be read."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        value = tuple(value.items())
    if isinstance(value, int | str):
        text = str(value)
    elif isinstance(value, tuple | list):
        parts = [f"{part[0]} {_told(part[1])}" if _is_pair(part) else _told(part) for part in value]
        text = ", ".join(part for part in parts if part is not None)
    else:
        return None
    return text if text and len(text) <= _MOST_CHARACTERS else None


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)
