"""The pictures of a report: in the page itself, or beside it where they would make it too large.

Knows files and their names, on a disk or in a bucket. Does not know what the pictures show.
"""

import base64
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from slidetile.cloud.address import Location
from slidetile.cloud.objects import in_parallel
from slidetile.cohort.files import make_folder, remove_files, sizes_in, write_file

_NAME = re.compile(r"slide-[0-9a-f]{32}\.jpg")
"""Pictures are named by their content: an older report keeps its own until it is replaced."""

BASE64_GROWTH = 4 / 3


class PictureShelf:
    """The pictures of a report's slides, of which it never holds more than the page may.

    Parameters
    ----------
    folder
        Where pictures go that do not fit into the page.
    most_bytes
        Bytes that all of them may take in the page.

    Raises
    ------
    FileExistsError
        The folder's place is taken by something else.
    """

    def __init__(self, folder: Location, most_bytes: int) -> None:
        self.folder = folder
        self._most_bytes = most_bytes
        self._held: dict[str, bytes] = {}
        self._names: dict[str, str] = {}
        self._bytes = 0
        self._there: dict[str, int] = {}
        """The lengths of the pictures in the folder, once they are known."""
        self.is_beside = False
        self._check()

    def put(self, key: str, picture: bytes) -> None:
        """Take a slide's picture."""
        self._names[key] = f"slide-{hashlib.sha256(picture).hexdigest()[:32]}.jpg"
        if self.is_beside:
            self._write(key, picture)
            return
        self._held[key] = picture
        self._bytes += len(picture)
        if self._bytes * BASE64_GROWTH > self._most_bytes:
            self._move_out()

    def settle(self, page_bytes: int) -> None:
        """Move the pictures out of the page where they do not fit beside all else in it.

        Parameters
        ----------
        page_bytes
            Bytes of all else.
        """
        if not self.is_beside and self._bytes * BASE64_GROWTH + page_bytes > self._most_bytes:
            self._move_out()

    def address(self, key: str) -> str | None:
        """Return where a slide's picture is, from the page; None where it is in it, or none is."""
        if not self.is_beside or key not in self._names:
            return None
        return f"{self.folder.name}/{self._names[key]}"

    def in_page(self, key: str) -> bool:
        """Return whether a slide's picture is in the page."""
        return key in self._held

    def inlined(self) -> Iterator[tuple[str, bytes]]:
        """Yield each slide's picture that is in the page, as base64."""
        for key, picture in self._held.items():
            yield key, base64.b64encode(picture)

    def clear(self) -> None:
        """Remove pictures of earlier reports, and the folder where nothing else is in it."""
        kept = set(self._names.values()) if self.is_beside else set()
        names = [name for name in sizes_in(self.folder) if _NAME.fullmatch(name)]
        remove_files(self.folder, [name for name in names if name not in kept])

    def _move_out(self) -> None:
        self.is_beside = True
        make_folder(self.folder)
        self._there = sizes_in(self.folder)
        held = list(self._held.items())
        if isinstance(self.folder, Path):
            for each in held:
                self._write(*each)
        else:
            in_parallel(lambda each: self._write(*each), held)
        self._held.clear()

    def _write(self, key: str, picture: bytes) -> None:
        name = self._names[key]
        if self._there.get(name) != len(picture):
            write_file(self.folder / name, [picture])
            self._there[name] = len(picture)

    def _check(self) -> None:
        if not isinstance(self.folder, Path):
            return
        if os.path.lexists(self.folder) and (self.folder.is_symlink() or not self.folder.is_dir()):
            raise FileExistsError(
                f"{self.folder} is no folder, but the report's pictures belong there where they do "
                "not fit into the page: move it away, or choose another output."
            )
