"""Code that is not ours, such as a user's detector: it may not end the process, nor move it.

Knows what such code may do to its process. Does not know what it is for.
"""

import contextlib
import os
from collections.abc import Iterator


class ForeignExitError(RuntimeError):
    """Code that is not ours wanted to end the process."""


@contextlib.contextmanager
def foreign(what: str) -> Iterator[None]:
    """Run code that is not ours.

    Parameters
    ----------
    what
        What is run, as the beginning of a sentence.

    Raises
    ------
    ForeignExitError
        The code called ``sys.exit``, or raised something else that is no Exception.
    """
    with folder_kept():
        try:
            yield
        except (Exception, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise ForeignExitError(exit_sentence(what, error)) from error


def exit_sentence(what: str, error: BaseException) -> str:
    """Return what code that is not ours wanted, and what to do, in one line."""
    return (
        f"{what} wanted to end the program ({type(error).__name__}: {error}), which nothing that "
        "slidetile calls may do: let it return, or raise an error"
    )


@contextlib.contextmanager
def folder_kept() -> Iterator[None]:
    """Put the current folder back where code has changed it: relative paths stay the same."""
    try:
        folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # it was deleted, or may not be read
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if not _is_here(folder):
                os.fchdir(folder)
        os.close(folder)


def _is_here(folder: int) -> bool:
    try:
        return os.path.samestat(os.fstat(folder), os.stat("."))  # noqa: PTH116  "." is no Path
    except OSError:  # the folder it has changed to is gone
        return False
