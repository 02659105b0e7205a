"""The values of a JSON file one after another: a long file, and never more than one of them."""

import json
from collections.abc import Iterator
from typing import Any, NoReturn, TextIO

from slidetile.errors import AnnotationError

LARGEST_VALUE = 32 << 20
"""Characters of one value; its Python objects take ten times that memory."""

_CHUNK = 1 << 20


class JsonStream:
    """A JSON document, walked from its beginning to its end.

    What is walked into, with `members` or `elements`, is never held as a whole.

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
        """Return the next character that is no space; nothing at the end.

        Raises
        ------
        AnnotationError
            The file is no UTF-8 text.
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
            It is no JSON, too long, or nested too deeply.
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
            if end < len(self._text) or not self._more():  # a number may go on
                self._at = end
                return value

    def members(self) -> Iterator[str]:
        """Yield the keys of the object that comes next; take each one's value before the next."""
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
        """Yield the elements of the array that comes next."""
        self._take("[")
        if self.peek() == "]":
            self._at += 1
            return
        yield self.value()
        while self._take(",]") == ",":
            yield self.value()

    def end(self) -> None:
        """Make sure that nothing follows."""
        if self.peek():
            raise AnnotationError(f"something follows its JSON: {self._text[self._at :]!r:.40}")

    def _take(self, expected: str) -> str:
        found = self.peek()
        if not found or found not in expected:
            what = repr(found) if found else "its end"
            raise AnnotationError(
                f"its JSON has {what} at character {self._position} where {expected[0]!r} is due"
            )
        self._at += 1
        return found

    @property
    def _position(self) -> int:
        return self._read - len(self._text) + self._at

    def _more(self) -> bool:
        """Read on, the more the more is waiting; return whether there was anything."""
        waiting = self._text[self._at :]
        if len(waiting) > LARGEST_VALUE:
            raise AnnotationError(
                f"one JSON value at character {self._position} is longer than "
                f"{LARGEST_VALUE >> 20} Mi characters: split or simplify that outline"
            )
        try:
            chunk = self._file.read(max(_CHUNK, 3 * len(waiting)))
        except UnicodeDecodeError as error:
            raise AnnotationError(f"it is no UTF-8 text ({error.reason})") from error
        self._read += len(chunk)
        self._text, self._at = waiting + chunk, 0
        return bool(chunk)

    def _fail(self, error: ValueError) -> NoReturn:
        message = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        offset = error.pos - self._at if isinstance(error, json.JSONDecodeError) else 0
        raise AnnotationError(
            f"it is no JSON at character {self._position + offset}: {message}"
        ) from error


def _refuse_constant(name: str) -> NoReturn:
    raise AnnotationError(f"it holds {name}, which is no number of JSON")
