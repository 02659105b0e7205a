"""A cohort's own files, on a disk or in a bucket: small ones, each read and written as a whole.

Knows where they may lie. Does not know what is in them.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from slidetile.cloud.address import Address, Location
from slidetile.cloud.claim_file import claim_file_at, claim_times
from slidetile.cloud.objects import (
    entries_in,
    objects_in,
    read_object,
    remove_objects,
    write_object,
)
from slidetile.cloud.options import StorageOptions
from slidetile.errors import CohortError, explain
from slidetile.runtime.claim import Claim, refuse_if_claimed
from slidetile.runtime.files import read_regular, write_whole
from slidetile.runtime.turn import claim_in_turn

_HURRY = {"max_retries": "1", "retry_timeout": "10", "timeout": "10s"}


def hurried(address: Address) -> Address:
    """Return an address of which requests are given up after seconds, not minutes."""
    return replace(address, options=StorageOptions({**address.options, **_HURRY}))


def make_folder(place: Location) -> None:
    """Make a folder and those above it; in a bucket there are none to make."""
    if isinstance(place, Path):
        place.mkdir(parents=True, exist_ok=True)


def read_file(place: Location, most_bytes: int) -> bytes:
    """Return the content of a file, or its first bytes where it has more.

    Raises
    ------
    FileNotFoundError
        There is none.
    OSError
        It cannot be read.
    """
    if isinstance(place, Path):
        try:
            return read_regular(place, most_bytes)
        except NotADirectoryError as error:
            raise FileNotFoundError(*error.args) from error
    return read_object(place, most_bytes)


def write_file(
    place: Location, parts: Iterable[bytes], *, before: Callable[[], None] | None = None
) -> None:
    """Write a file, whole or not at all; ``before`` is called just before it takes its place.

    Raises
    ------
    OSError
        It cannot be written.
    """
    if isinstance(place, Path):
        write_whole(place, parts, before_rename=before)
        return
    data = b"".join(parts)
    if before is not None:
        before()
    write_object(place, [data])


def files_in(folder: Location, suffix: str) -> list[Location]:
    """Return the files directly in a folder whose names end so; none where there is no folder.

    Raises
    ------
    CohortError
        The bucket does not list them.
    """
    if isinstance(folder, Path):
        return sorted(folder.glob(f"*{suffix}"))
    try:
        _, objects = entries_in(folder)
    except OSError as error:
        raise unlisted(folder, error) from error
    return [each for each in objects if each.name.endswith(suffix)]


def sizes_in(folder: Location) -> dict[str, int]:
    """Return the length of each file directly in a folder, by name; none where there is no folder.

    Raises
    ------
    OSError
        They cannot be listed.
    """
    if not isinstance(folder, Path):
        return {each.name: state.size for each, state in objects_in(folder).items()}
    if not folder.is_dir():
        return {}
    with os.scandir(folder) as entries:
        return {
            entry.name: entry.stat().st_size
            for entry in entries
            if entry.is_file(follow_symlinks=False)
        }


def remove_files(folder: Location, names: Iterable[str]) -> None:
    """Remove files of a folder, and the folder if nothing else is in it; raises OSError."""
    if not isinstance(folder, Path):
        remove_objects(folder / name for name in names)
        return
    for name in names:
        (folder / name).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def unlisted(folder: Location, error: OSError) -> CohortError:
    """Return the error of a folder in a bucket whose objects cannot be listed."""
    return CohortError(
        f"{folder} cannot be listed: {explain(error)}. A batch finds the rows of earlier runs in a "
        "bucket by listing it, so it needs the right to list (s3:ListBucket, or its like), as well "
        "as those to read, write and delete objects."
    )


def claim_at(place: Location) -> Claim:
    """Claim what a file stands for; raises StoreBusyError and OSError as `Claim` does."""
    return Claim(claim_file_at(place), claim_times(place))


def refuse_if_claimed_at(place: Location) -> None:
    """Check that no living process holds a claim; raises StoreBusyError and OSError."""
    refuse_if_claimed(claim_file_at(place), claim_times(place))


def claim_in_turn_at(place: Location, *, patience_s: float | None = None) -> Claim:
    """Claim what is held for a moment only; see `slidetile.runtime.turn.claim_in_turn`."""
    file, times = claim_file_at(place), claim_times(place)
    return claim_in_turn(file, times=times, patience_s=patience_s)
