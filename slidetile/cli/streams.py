"""The standard streams of a command: there, whatever a service began it with, and to the end.

Knows the streams of the process. Does not know what is written to them.
"""

import contextlib
import io
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO, cast

import click

from slidetile.cli.plain import printable_lines
from slidetile.runtime.streams import fill_standard_streams

_DOCUMENTS = "slidetile.documents"


def prepare_streams() -> None:
    """Make the standard streams fit for a command.

    Closed ones lead nowhere. A reader of the error stream that has gone does not end the command:
    what is said there is for people, the work is not.
    """
    fill_standard_streams()
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  to the end
            setattr(sys, name, nowhere)
    if (errors := sys.__stderr__) is not None and sys.stderr is errors:  # not a test's
        stream = io.BufferedWriter(cast("io.FileIO", _Unheard()))
        sys.stderr = io.TextIOWrapper(stream, errors.encoding, line_buffering=True)
        sys.excepthook = _show_bug
    for output in (sys.stdout, sys.stderr):  # terminals cannot show all file names
        cast("io.TextIOWrapper", output).reconfigure(errors="backslashreplace")


def _show_bug(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Print the traceback of an error that nobody foresaw; its message may hold a file's text."""
    lines = traceback.format_exception(kind, error, trace)
    click.echo(printable_lines("".join(lines)).rstrip("\n"), err=True)


class _Unheard(io.RawIOBase):
    """The standard error stream, which takes everything, even where nobody reads it."""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 2

    def isatty(self) -> bool:
        return os.isatty(2)

    def write(self, data: "bytes | memoryview") -> int:  # type: ignore[override]
        try:
            return os.write(2, data)
        except OSError:  # a pipe without a reader, a terminal that is gone, a full disk
            return len(data)


@contextlib.contextmanager
def documents_only(context: click.Context) -> Iterator[None]:
    """Keep the standard output for the document: what else is printed goes to the error stream.

    A detector may print, and so may a library, in this process and in those it begins.
    """
    output = sys.__stdout__
    if output is None or sys.stdout is not output or output.fileno() != 1:
        yield
        return
    output.flush()
    documents = open(os.dup(1), "w", encoding="utf-8")  # noqa: PTH123, SIM115  closed below
    context.meta[_DOCUMENTS] = documents
    os.dup2(2, 1)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # said before: click has flushed each document
            output.flush()
            os.dup2(documents.fileno(), 1)
            documents.close()


def document_stream() -> TextIO:
    """Return where a command's document goes."""
    context = click.get_current_context(silent=True)
    documents = None if context is None else context.meta.get(_DOCUMENTS)
    return documents or sys.stdout
