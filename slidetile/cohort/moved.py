"""Slides that lie elsewhere than when they were given their keys: known again by what they are.

Knows paths, the bytes of files and what stores record. Does not open slides.
"""

import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from slidetile.cloud.address import Location, address_of
from slidetile.cohort.inputs.keys import as_known
from slidetile.cohort.layout import CohortFolder
from slidetile.errors import SlideError, SlidetileError
from slidetile.slides.file_slide import read_source
from slidetile.store.recorded import recorded_metadata
from slidetile.writing.begun import begun_fingerprint
from slidetile.writing.destination import lies_at

_log = logging.getLogger(__name__)

MOST_NAMED = 5
"""Keys that are named in a line; the others are counted."""


def moved_keys(
    slides: Sequence[Path], known: Mapping[str, str], folder: CohortFolder
) -> dict[str, str]:
    """Return the keys that slides had where they lay before, by the paths that they have now.

    A slide has moved where a file of its name is gone from where it was, or a link there leads to
    it, and the store of that file's key was made, or begun, of the very bytes. What had no store
    yet has moved with the others: where the same folders lie above it, before and now. No key goes
    to two slides.

    Parameters
    ----------
    slides
        The absolute paths of slides that no key is known of.
    known
        The keys by the paths that the slides had, as a cohort's table has paths.
    folder
        The cohort's folder.
    """
    new = {as_known(str(slide)): slide for slide in slides}
    named = defaultdict(list)
    for slide in new.values():
        named[slide.name].append(slide)
    gone = _gone_by_name(known, named)
    found: dict[str, str] = {}
    """The paths of before, by those of now."""
    left: dict[str, list[str]] = {}
    for path, slide in new.items():
        before = _nearest(path, gone.get(slide.name, ()))
        same = (old for old in before if old not in found.values())
        was = next((old for old in same if is_of_store(slide, folder.store(known[old]))), None)
        if was is not None:
            found[path] = was
        elif before:
            left[path] = before
    moves = {_move(was, path) for path, was in found.items()}
    for path, before in left.items():
        along = [old for old in before if _move(old, path) in moves and old not in found.values()]
        if along and (new[path].is_dir() or _fingerprint(folder.store(known[along[0]])) is None):
            found[path] = along[0]
    _tell_moved(found)
    return {path: known[was] for path, was in found.items()}


def has_moved(before: str, slide: Path, store: Location) -> bool:
    """Return whether a slide lay elsewhere when its store was made."""
    is_named = Path(before).name == slide.name
    return is_named and (_is_gone(before) or _leads_to(before, slide)) and is_of_store(slide, store)


def is_of_store(slide: Path, store: Location) -> bool:
    """Return whether a store was made of the bytes that a slide's file has now."""
    fingerprint = _fingerprint(store)
    try:
        return fingerprint is not None and read_source(slide).fingerprint == fingerprint
    except (SlideError, OSError, ValueError):
        return False


def tell_left_behind(keys: Sequence[str], folder: CohortFolder) -> None:
    """Tell of stores that slides had under other keys, if there are any."""
    left = [key for key in keys if lies_at(folder.store(key))]
    if left:
        _log.warning(
            "stores that slides of this run have under other keys than now: %d (%s%s). They stay, "
            "and so do their rows: move away the stores that nothing needs.",
            *(len(left), ", ".join(left[:MOST_NAMED]), ", …" if len(left) > MOST_NAMED else ""),
        )


def _tell_moved(found: Mapping[str, str]) -> None:
    if found:
        path, was = next(iter(found.items()))
        _log.warning(
            "slides that lie elsewhere than before, and keep their keys: %d, such as %s, which was "
            "%s.",
            *(len(found), path, was),
        )


def _gone_by_name(
    known: Iterable[str], slides: Mapping[str, Sequence[Path]]
) -> dict[str, list[str]]:
    """Return the paths where nothing is any more, by their last parts, of which only some count.

    Where a link leads to one of the slides, nothing is there, either.
    """
    gone = defaultdict(list)
    for path in known:
        name = Path(path).name
        if name in slides and _has_left(path, slides[name]):
            gone[name].append(path)
    return gone


def _has_left(path: str, slides: Iterable[Path]) -> bool:
    """Return whether nothing is at a path any more, or only a link to one of the slides."""
    return _is_gone(path) or any(_leads_to(path, slide) for slide in slides)


def _leads_to(path: str, slide: Path) -> bool:
    """Return whether another path leads to a slide's own, by a symbolic link."""
    if _is_address(path) or "\\udc" in path:
        return False
    try:
        return os.path.realpath(path, strict=True) == os.path.realpath(slide) != path
    except (OSError, ValueError):
        return False


def _is_gone(path: str) -> bool:
    """Return whether it is certain that nothing is at a path."""
    if _is_address(path):
        return False  # whether an object is gone, nobody asks here
    if "\\udc" in path:  # bytes that are no text are escaped: what was there is not to be found
        return False
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def _is_address(path: str) -> bool:
    try:
        return address_of(path) is not None
    except ValueError:
        return False


def _nearest(path: str, others: Iterable[str]) -> list[str]:
    """Return paths, first those that share the most last parts with a path."""
    return sorted(others, key=lambda other: len(_move(other, path)[0]))


def _move(before: str, now: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what two paths have before the last parts that they share."""
    old, new = Path(before).parts, Path(now).parts
    while old and new and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    return old, new


def _fingerprint(store: Location) -> str | None:
    """Return the fingerprint of the slide of a store, finished or not; None where there is none.

    Its slide need not be there, as that of a store without pixels is not.
    """
    try:
        return recorded_metadata(store).source.fingerprint
    except (SlidetileError, OSError, ValueError):
        return begun_fingerprint(store)
