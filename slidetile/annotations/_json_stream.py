"""The values of a JSON file one after another, so that memory never holds more than one.

Knows JSON. Does not know what the values mean.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn, Protocol

from slidetile.errors import AnnotationError

LARGEST_VALUE = 4 << 20
"""Most characters of one value; its Python objects take up to 26 times that memory."""

_CHUNK = 1 << 20
_BEGIN = re.compile(r"\[[ \t\n\r]*(\S)[ \t\n\r]*(\S)")
_ROWS_END = re.compile(r"\][ \t\n\r]*\]")


class Text(Protocol):
    """A text to read."""

    def read(self, size: int, /) -> str:
        """Return about as many of the next characters, none at the end."""
        ...


class JsonError(AnnotationError):
    """The text is not JSON, or a value exceeds a limit."""


class JsonStream:
    """A JSON document, read from its beginning to its end.

    An object or array that is read by `members`, `places`, `elements` or `rows` is never in memory
    as a whole.

    Parameters
    ----------
    file
        The document, at its beginning.
    """

    def __init__(self, file: Text) -> None:
        self._file = file
        self._decoder = json.JSONDecoder(parse_constant=_refuse_constant)
        self._text = ""
        self._at = 0
        self._read = 0

    def peek(self) -> str:
        """Return the next character that is not white space, or "" at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in " \t\n\r":
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def begins_rows(self) -> bool:
        """Return whether an array of arrays follows that hold no arrays, as far as can be seen."""
        if self.peek() != "[":
            return False
        while (begin := _BEGIN.match(self._text, self._at)) is None:
            if not self._more():
                return False
        return begin[1] == "[" and begin[2] not in "[]"

    def value(self) -> Any:
        """Return the next value, whatever it is.

        Raises
        ------
        JsonError
            The value is not JSON, is too long, or is nested too deeply.
        """
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except RecursionError as error:
                raise JsonError("its JSON is nested too deeply") from error
            except ValueError as error:
                if not self._more():
                    self._fail(error)
                continue
            length = end - self._at
            # A number may continue, also behind a point, an "e" or an "e-" at the text's end.
            if end + 2 < len(self._text) or not self._more():
                self._at += length
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
                raise JsonError(f"its JSON has {key!r:.40} for a key")
            self._take(":")
            yield key
            if self._take(",}") == "}":
                return

    def places(self) -> Iterator[None]:
        """Stop at each element of the next array; read it before the next."""
        self._take("[")
        if self.peek() == "]":
            self._at += 1
            return
        yield None
        while self._take(",]") == ",":
            yield None

    def elements(self) -> Iterator[Any]:
        """Yield the elements of the next array."""
        for _ in self.places():
            yield self.value()

    def rows(self) -> Iterator[list[Any]]:
        """Yield the elements of the next array, some thousands at a time.

        The array holds arrays that hold no other arrays and no text: whatever else it holds is
        an error, or ends it too early, which makes what follows an error.
        """
        self._take("[")
        while True:
            end = _ROWS_END.search(self._text, self._at)
            last = end.start() if end else self._text.rfind("]", self._at)
            if last >= 0:
                yield self._parsed(last + 1)
            elif not self._more():
                self._at = len(self._text)
                self._take(",]")
            if end or (last >= 0 and self._take(",]") == "]"):
                self._at = end.end() if end else self._at
                return

    def _parsed(self, end: int) -> list[Any]:
        """Return the elements up to a place in the text, and step behind them."""
        try:
            rows, length = self._decoder.raw_decode(f"[{self._text[self._at : end]}]")
        except RecursionError as error:
            raise JsonError("its JSON is nested too deeply") from error
        except ValueError as error:
            self._fail(error, before=1)
        if length != end - self._at + 2:
            raise JsonError(f"its JSON has an array at character {self._position} that ends early")
        self._at = end
        return list(rows)

    def end(self) -> None:
        """Check that nothing follows."""
        if self.peek():
            raise JsonError(f"something follows its JSON: {self._text[self._at :]!r:.40}")

    def _take(self, expected: str) -> str:
        character = self.peek()
        if not character or character not in expected:
            what = repr(character) if character else "its end"
            raise JsonError(
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
            raise JsonError(
                f"one JSON value at character {self._position} is longer than "
                f"{LARGEST_VALUE >> 20} Mi characters"
            )
        within = LARGEST_VALUE - len(unread)
        chunk = self._file.read(max(_CHUNK, min(3 * len(unread), within)))
        self._read += len(chunk)
        self._text, self._at = unread + chunk, 0
        return bool(chunk)

    def _fail(self, error: ValueError, *, before: int = 0) -> NoReturn:
        """Say what is wrong and where; ``before`` characters are not of the file."""
        if not isinstance(error, json.JSONDecodeError):  # such as a number of 5,000 digits
            raise JsonError(f"it is not JSON at character {self._position}: {error}") from error
        offset = error.pos - (before or self._at)
        raise JsonError(
            f"it is not JSON at character {self._position + offset}: {error.msg}"
        ) from error


def _refuse_constant(name: str) -> NoReturn:
    raise JsonError(f"it holds {name}, which is not a number in JSON")
