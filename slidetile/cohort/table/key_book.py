"""What each slide of a folder is called: noted before it is tiled, so that no two runs differ.

Knows keys and the file they are noted in. Does not know how a key is made.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from slidetile.cloud.address import Address
from slidetile.cloud.errors import ObjectChangedError
from slidetile.cloud.objects import ObjectState, read_object, read_range, write_object
from slidetile.cohort.files import claim_in_turn_at, make_folder, read_file
from slidetile.cohort.layout import CohortFolder
from slidetile.errors import CohortError, StoreBusyError, explain

MOST_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedKey:
    """What one slide is called."""

    key: str
    """What it is called."""

    slide: str
    """Its absolute path, as a cohort's table has it."""

    is_id: bool
    """Whether a manifest asked for it."""

    def to_json(self) -> str:
        """Return it as a line."""
        return json.dumps({"key": self.key, "slide": self.slide, "is_id": self.is_id})


@dataclass(slots=True)
class KeyBook:
    """The keys of a folder's slides, as `opened_book` has read them."""

    folder: CohortFolder
    noted: dict[str, NotedKey] = field(default_factory=dict)
    """By the keys, where case does not count."""

    _read_there: tuple[bytes, ObjectState] | None = None
    """What was read in a bucket, of which object; None where nothing was there."""

    @classmethod
    def of(cls, folder: CohortFolder) -> Self:
        """Read the keys that are noted; there are none where nothing was.

        Raises
        ------
        CohortError
            They cannot be read.
        """
        book = cls(folder)
        try:
            data = book._read()
        except FileNotFoundError:
            return book
        except OSError as error:
            raise CohortError(f"{folder.keys} cannot be read: {explain(error)}.") from error
        book._read_lines(data)
        return book

    def _read(self) -> bytes:
        if not isinstance(self.folder.keys, Address):
            return read_file(self.folder.keys, MOST_BYTES)
        self._read_there = read_range(self.folder.keys, 0, MOST_BYTES)
        return self._read_there[0]

    def _read_lines(self, data: bytes) -> None:
        for line in data.rpartition(b"\n")[0].split(b"\n"):
            with contextlib.suppress(ValueError, TypeError, AttributeError):
                noted = NotedKey(**json.loads(line))
                self.noted[noted.key.casefold()] = noted  # the last: a slide may have moved

    def check_id(self, key: str, slide: str, has_moved: Callable[[NotedKey], bool]) -> None:
        """Check that an id is not what another slide is called, which no manifest asked for.

        ``has_moved`` says whether it is the very slide that was called so, where it lay before.

        Raises
        ------
        CohortError
            It is.
        """
        found = self.noted.get(key.casefold())
        if found is None or found.is_id or found.slide == slide:
            return
        if not has_moved(found):
            raise CohortError(
                f"the id {key} of {slide} is what {found.slide} is called in {self.folder.path} "
                "already: give another id, or choose another output folder."
            )

    def _with_id(self, each: NotedKey) -> NotedKey:
        """Return what is noted of a slide: what a manifest has asked for once stays an id."""
        found = self.noted.get(each.key.casefold())
        return each if found is None or not found.is_id else replace(each, is_id=True)

    def _is_new(self, each: NotedKey) -> bool:
        found = self.noted.get(each.key.casefold())
        return found is None or found.slide != each.slide

    def note(self, keys: Iterable[NotedKey]) -> None:
        """Append the keys that are not noted yet, and those of slides that lie elsewhere now.

        Raises
        ------
        OSError
            They cannot be written.
        """
        new = [each for each in map(self._with_id, keys) if self._is_new(each)]
        if not new:
            return
        data = "".join(f"{each.to_json()}\n" for each in new).encode()
        if isinstance(self.folder.keys, Address):
            self._replace(self.folder.keys, data)
        else:
            _append(self.folder.keys, data)
        self.noted |= {each.key.casefold(): each for each in new}

    def _replace(self, keys: Address, data: bytes) -> None:
        """Write the keys that are noted, and more, if nobody has noted others meanwhile."""
        before, state = self._read_there or (b"", None)
        whole = before + data
        try:
            write_object(keys, [whole], replaces=state, is_new=state is None)
        except ObjectChangedError as error:
            # A request that was tried twice may have been answered the first time already.
            if read_object(keys, len(whole) + 1) != whole:
                raise StoreBusyError(
                    f"{keys} was written by another run at the same moment: run this one again."
                ) from error


def _append(keys: Path, data: bytes) -> None:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    with os.fdopen(os.open(keys, flags, 0o666), "r+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            if file.read(1) != b"\n":  # a run was killed in a line
                data = b"\n" + data
        while data:
            data = data[file.write(data) :]


@contextlib.contextmanager
def opened_book(folder: CohortFolder) -> Iterator[KeyBook]:
    """Yield the keys of a folder, which no other run changes meanwhile.

    Raises
    ------
    StoreBusyError
        Another run has held them for minutes.
    CohortError, OSError
        They cannot be read or written.
    """
    make_folder(folder.logs)
    claim = claim_in_turn_at(folder.keys.with_suffix(".owner"))
    try:
        yield KeyBook.of(folder)
    finally:
        claim.release()
