"""JSON files of a folder that nobody should trust: bounded before they are parsed."""

import json
from pathlib import Path
from typing import Any

from slidetile.errors import SlideReadError
from slidetile.runtime.files import open_regular, read_opened
from slidetile.slides.file_state import unreadable

LARGEST_BYTES = 1 << 22
"""Most bytes of a metadata file: as many as a TIFF's description may have."""

_MOST_MARKS = 1 << 18
"""Most commas, colons and opening brackets: each makes a value of some 60 bytes in memory."""

_LONGEST_SHOWN = 60
_MOST_SHOWN = 8


def read_object(path: Path) -> dict[str, Any] | None:
    """Return the JSON object that a file holds; None where there is no such file.

    Raises
    ------
    SlideReadError
        It cannot be read, is a symbolic link or too large, or is no JSON object.
    """
    try:
        data = read_opened(open_regular(path, follows_links=False), LARGEST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unreadable(path, error) from error
    return _parsed(data, path)


def _parsed(data: bytes, path: Path) -> dict[str, Any]:
    if len(data) > LARGEST_BYTES:
        raise SlideReadError(f"{path} is larger than the {LARGEST_BYTES} bytes of any metadata.")
    marks = sum(map(data.count, (b",", b":", b"[", b"{")))
    if marks > _MOST_MARKS:
        raise SlideReadError(
            f"{path} has {marks} commas, colons and brackets, more than the {_MOST_MARKS} of any "
            "metadata."
        )
    try:
        value = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise SlideReadError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(value, dict):
        raise SlideReadError(f"{path} holds no JSON object, as metadata are.")
    return value


def member(node: Any, *keys: str) -> Any:
    """Return what lies under the keys of nested objects; None where one is missing."""
    for key in keys:
        if not isinstance(node, dict):
            return None
        node = node.get(key)
    return node


def items(node: Any, key: str) -> list[Any]:
    """Return a list that an object has under a key; an empty one where there is none."""
    found = member(node, key)
    return found if isinstance(found, list) else []


def shown(value: Any) -> str:
    """Return any value as text of bounded length."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list) and not _is_short(value):
        return f"a list of {len(value)}"
    text = "none" if value is None else str(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"


def _is_short(value: list[Any]) -> bool:
    return len(value) <= _MOST_SHOWN and not any(isinstance(item, list | dict) for item in value)
