"""The values of a JSON file one after another, so that memory never holds more than one.

Knows JSON. Does not know what the values mean.
"""

import json
from collections.abc import Iterator
from typing import Any, NoReturn, TextIO

from slidetile.errors import AnnotationError

LARGEST_VALUE = 32 << 20
"""Most characters of one value; its Python objects take ten times that memory."""

_CHUNK = 1 << 20


class JsonStream:
    """A JSON document, read from its beginning to its end.

    An object or array that is read by `members` or `elements` is never in memory as a whole.

    Parameters
    ----------
    file
        The document, at its beginning.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._decoder = json.JSONDecoder(parse_constant=_refuse_constant)
        self._text = ""
        self._at = 0
        self._read = 0

    def peek(self) -> str:
        """Return the next character that is not white space, or "" at the end.

        Raises
        ------
        AnnotationError
            The file is not UTF-8 text.
        """
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in " \t\n\r":
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def value(self) -> Any:
        """Return the next value, whatever it is.

        Raises
        ------
        AnnotationError
            The value is not JSON, is too long, or is nested too deeply.
        """
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except RecursionError as error:
                raise AnnotationError("its JSON is nested too deeply") from error
            except ValueError as error:
                if not self._more():
                    self._fail(error)
                continue
            if end < len(self._text) or not self._more():  # a number may continue
                self._at = end
                return value

    def members(self) -> Iterator[str]:
        """Yield the keys of the next object; read each key's value before the next key."""
        self._take("{")
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            key = self.value()
            if not isinstance(key, str):
                raise AnnotationError(f"its JSON has {key!r:.40} for a key")
            self._take(":")
            yield key
            if self._take(",}") == "}":
                return

    def elements(self) -> Iterator[Any]:
        """Yield the elements of the next array."""
        self._take("[")
        if self.peek() == "]":
            self._at += 1
            return
        yield self.value()
        while self._take(",]") == ",":
            yield self.value()

    def end(self) -> None:
        """Check that nothing follows."""
        if self.peek():
            raise AnnotationError(f"something follows its JSON: {self._text[self._at :]!r:.40}")

    def _take(self, expected: str) -> str:
        character = self.peek()
        if not character or character not in expected:
            what = repr(character) if character else "its end"
            raise AnnotationError(
                f"its JSON has {what} at character {self._position}, but {expected[0]!r} belongs "
                "there"
            )
        self._at += 1
        return character

    @property
    def _position(self) -> int:
        return self._read - len(self._text) + self._at

    def _more(self) -> bool:
        """Read more text, in proportion to what is unread, and return whether there was any."""
        unread = self._text[self._at :]
        if len(unread) > LARGEST_VALUE:
            raise AnnotationError(
                f"one JSON value at character {self._position} is longer than "
                f"{LARGEST_VALUE >> 20} Mi characters: split or simplify that outline"
            )
        try:
            chunk = self._file.read(max(_CHUNK, 3 * len(unread)))
        except UnicodeDecodeError as error:
            raise AnnotationError(f"it is not UTF-8 text ({error.reason})") from error
        self._read += len(chunk)
        self._text, self._at = unread + chunk, 0
        return bool(chunk)

    def _fail(self, error: ValueError) -> NoReturn:
        message = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        offset = error.pos - self._at if isinstance(error, json.JSONDecodeError) else 0
        raise AnnotationError(
            f"it is not JSON at character {self._position + offset}: {message}"
        ) from error


def _refuse_constant(name: str) -> NoReturn:
    raise AnnotationError(f"it holds {name}, which is not a number in JSON")
