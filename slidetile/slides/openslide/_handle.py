"""A file that OpenSlide has open, opened anew where it has failed: a failed handle stays failed.

Knows handles and threads. Does not know pixels.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import openslide

from slidetile.errors import SlideReadError, UnsupportedSlideError, one_line
from slidetile.slides.file_state import is_of_the_system

_CACHE_BYTES = 32 << 20
"""Cache of decoded blocks, which neighbouring regions share; it has OpenSlide's default size."""


_T = TypeVar("_T")


def open_handle(path: Path) -> openslide.OpenSlide:
    """Open a file with OpenSlide.

    Raises
    ------
    UnsupportedSlideError
        OpenSlide does not open it.
    SlideReadError
        The system does not read it.
    """
    try:
        handle = openslide.OpenSlide(path)
        handle.set_cache(openslide.OpenSlideCache(_CACHE_BYTES))
    except MemoryError:
        raise
    except Exception as error:  # whatever the library raises on damaged input
        if is_of_the_system(str(error)):
            raise SlideReadError(
                f"{path} cannot be read: OpenSlide says “{one_line(error)}”."
            ) from error
        raise UnsupportedSlideError(
            f"{path.name} cannot be opened: OpenSlide says “{one_line(error)}”."
        ) from error
    return handle


class SharedHandle:
    """The handle that all threads read with, while it is sound.

    A read that fails is tried once more with a handle that no other thread uses. So every damaged
    block costs one opening, whatever was damaged before it.

    Parameters
    ----------
    path
        The slide's file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._handle: openslide.OpenSlide | None = open_handle(path)
        self._process = os.getpid()
        self._is_closed = False

    def read(self, read: Callable[[openslide.OpenSlide], _T]) -> _T:
        """Return what ``read`` reads.

        Raises
        ------
        openslide.OpenSlideError
            It fails with a fresh handle, too.
        UnsupportedSlideError
            The file does not open again.
        """
        shared = self._current()
        if shared is not None:
            try:
                return read(shared)
            except openslide.OpenSlideError:
                self._drop(shared)
        fresh = open_handle(self._path)
        try:
            found = read(fresh)
        except openslide.OpenSlideError:
            fresh.close()
            raise
        self._share(fresh)
        return found

    def close(self) -> None:
        """Release the file. Closing twice is allowed."""
        with self._lock:
            self._is_closed = True
            if self._handle is not None:
                self._handle.close()
                self._handle = None

    def _current(self) -> openslide.OpenSlide | None:
        """Return the handle, or None where it has failed, or belongs to the process forked from."""
        with self._lock:
            if self._process != os.getpid():
                self._handle, self._process = None, os.getpid()
            return self._handle

    def _drop(self, failed: openslide.OpenSlide) -> None:
        """Share a failed handle no longer; it closes itself when the last thread has finished."""
        with self._lock:
            if self._handle is failed:
                self._handle = None

    def _share(self, fresh: openslide.OpenSlide) -> None:
        with self._lock:
            if self._handle is None and not self._is_closed:
                self._handle = fresh
