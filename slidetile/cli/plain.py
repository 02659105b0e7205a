"""Text from files and file names, made so that a terminal shows it and does not obey it.

Knows which characters command a terminal. Does not know where text comes from.
"""

import logging
import re
import sys

# C0 and C1 control characters, line and paragraph separators, and what turns the direction of
# text. Tags and annotations, which no terminal shows, are escaped too; letters of all scripts stay.
_COMMANDS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    r"""Return text on one line, in which each character that commands a terminal is escaped.

    Examples
    --------
    >>> printable("red\x1b[31m.svs")
    'red\\x1b[31m.svs'
    """
    return _COMMANDS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def printable_lines(text: str) -> str:
    """Return text whose lines stay lines, each made `printable`."""
    return "\n".join(map(printable, text.split("\n")))


class PrintableFormatter(logging.Formatter):
    """A log record as a line that begins with its level, and its traceback in lines below."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        lines = [f"{record.levelname}: {printable(record.getMessage())}"]
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            lines.append(printable_lines(record.exc_text))
        return "\n".join(lines)


class ErrorStreamHandler(logging.Handler):
    """Writes log records where the standard error stream leads now: past a progress bar, too."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(PrintableFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        sys.stderr.write(f"{self.format(record)}\n")
