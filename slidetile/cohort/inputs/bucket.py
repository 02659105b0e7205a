"""The slides below a prefix of a bucket, by the names of objects, and by the content of others.

Knows what slides are called, and how they begin. Does not open slides.
"""

import itertools
import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from slidetile.cloud.address import Address
from slidetile.cloud.objects import ObjectState, in_parallel, objects_below, read_object
from slidetile.cloud.ranged import sharing_objects
from slidetile.cohort.inputs.folder import SUFFIXES, is_slide_kind
from slidetile.cohort.layout import LOGS_NAME, SUMMARY_NAME, TABLE_NAME
from slidetile.errors import SlideReadError
from slidetile.format.names import OWNER_SUFFIX, STORE_SUFFIX
from slidetile.slides.container import container_of
from slidetile.slides.dicom.file import is_dicom
from slidetile.slides.dicom.folder import is_finer, series_of
from slidetile.slides.file_state import unreadable
from slidetile.slides.open_file import file_head
from slidetile.slides.reader import HEAD_BYTES

_log = logging.getLogger(__name__)

GLOB = frozenset("*?[")
"""What makes a pattern of a name."""

MOST_LOOKED = 1000
"""Objects whose names say nothing are looked at as far as this, each by one request."""

_NO_SLIDES = frozenset(
    {".csv", ".geojson", ".html", ".jpeg", ".jpg", ".json", ".log", ".md", ".parquet", ".pdf"}
    | {".png", ".py", ".tsv", ".txt", ".xlsx", ".xml", ".yaml", ".yml", ".zip"}
)
"""Suffixes of what lies beside slides, which is not looked at."""

_KEYS = f"/{LOGS_NAME}/keys.jsonl"
"""It tells where a cohort's tables and logs lie, in which nothing is looked for."""

_DICOM = ".dcm"
_MOST_KINDS = 10
_ZARR = re.compile(rf"[^/]+{re.escape(STORE_SUFFIX)}(\.[a-z]+)?/")


def slides_at(address: Address) -> list[Address]:
    """Return the slides that an address stands for: an object, or all below a prefix.

    Objects are known by their names, and those whose names say nothing by their first bytes, which
    takes a request for each; so `MOST_LOOKED` of them are looked at. Of the files of a DICOM series
    only that of its level 0 is returned, whatever they are called. What is no slide is counted in a
    warning, and so is what was not looked at; give it by its name, or in a manifest, to try it all
    the same.

    Raises
    ------
    SlideReadError
        The objects cannot be listed, or the bucket does not answer.
    """
    if address.is_web or address.suffix.lower() in SUFFIXES:
        return [address]
    try:
        found = dict(sorted(objects_below(address), key=lambda each: each[0]))
    except OSError as error:
        raise unreadable(address, error) from error
    if not found:  # an object by its name, or nothing, which is told where it is opened
        return [address]
    search = _Search(address, found)
    with sharing_objects():
        slides = search.slides()
    search.warn()
    return slides


class _Search:
    """A search through the objects below a prefix, and what it leaves out."""

    def __init__(self, prefix: Address, found: Mapping[Address, ObjectState]) -> None:
        self._prefix = prefix
        self._found = found
        self._others = Counter[str]()
        """Objects that are left out, by their kind."""
        self._unseen = 0
        """Those that were not looked at, since they are too many."""
        below = {each: each.key[len(prefix.key) :].lstrip("/") for each in found}
        plain = [each for each in found if not _ZARR.search(f"{below[each]}/")]
        self._named = [each for each in plain if each.suffix.lower() in SUFFIXES]
        named = set(self._named)
        self._rest = self._strangers(each for each in plain if each not in named)

    def slides(self) -> list[Address]:
        """Return the slides, by name."""
        bare = [each for each in self._rest if self._may_be_one(each)]
        self._unseen = max(0, len(bare) - MOST_LOOKED)
        looked = bare[:MOST_LOOKED]
        dicom = [each for each in self._named if each.suffix.lower() == _DICOM]
        heads = dict(zip(looked, in_parallel(_head, looked), strict=True))
        heads |= zip(dicom, in_parallel(_shared_head, dicom), strict=True)
        slides = [each for each in self._named if each not in heads]
        for each, head in heads.items():
            container = container_of(head, each) if head else None
            kind = _suffix(each) if container is None else container.kind
            is_named = each.suffix.lower() in SUFFIXES
            if is_slide_kind(container, is_named=is_named):
                slides.append(each)
            else:
                self._others[kind] += 1
        looked_into = {*dicom, *(each for each in looked if is_dicom(heads[each]))}
        return _one_a_series(sorted(slides), looked_into)

    def warn(self) -> None:
        """Tell what was left out, and how to get it."""
        if self._others:
            told = ", ".join(f"{kind} {n:,}" for kind, n in self._others.most_common(_MOST_KINDS))
            more = ", …" if len(self._others) > _MOST_KINDS else ""
            _log.warning(
                "%s: objects left out, since they are no slides: %s (%s%s). Give one by its name "
                "to try it all the same.",
                *(self._prefix, f"{self._others.total():,}", told, more),
            )
        if self._unseen:
            _log.warning(
                "%s: of the objects whose names do not say what they are, the first %s were looked "
                "at, and %s were not: name a prefix below it, a glob, or a manifest.",
                *(self._prefix, f"{MOST_LOOKED:,}", f"{self._unseen:,}"),
            )

    def _may_be_one(self, stranger: Address) -> bool:
        """Return whether an object is worth a look; count what is none by its name."""
        suffix = stranger.suffix.lower()
        if suffix not in _NO_SLIDES and self._found[stranger].size:
            return True
        self._others[_suffix(stranger)] += 1
        return False

    def _strangers(self, others: Iterable[Address]) -> list[Address]:
        """Return objects without a slide's name, but for hidden ones and those that are known.

        Those are the data of a MIRAX slide, and what slidetile has written.
        """
        mirax = {each.with_suffix("").key for each in self._named if each.suffix.lower() == ".mrxs"}
        paths = {each: f"/{each.key}" for each in self._found}
        homes = [path.removesuffix(_KEYS) for path in paths.values() if path.endswith(_KEYS)]
        ours = tuple(f"{home}/{name}/" for home in homes for name in (TABLE_NAME, LOGS_NAME))
        return [
            each
            for each in others
            if each.parent.key not in mirax
            and not each.name.startswith(".")
            and not paths[each].startswith(ours)
            and each.name != SUMMARY_NAME
            and each.suffix != OWNER_SUFFIX
        ]


def _suffix(address: Address) -> str:
    return PurePosixPath(address.name).suffix.lower() or "no suffix"


def _head(address: Address) -> bytes:
    """Return the first bytes of an object; nothing where it may not be read, or is gone by now."""
    try:
        return read_object(address, HEAD_BYTES)
    except (PermissionError, FileNotFoundError):
        return b""
    except OSError as error:
        raise unreadable(address, error) from error


def _shared_head(address: Address) -> bytes:
    """Return the first bytes of an object that is looked into; nothing where it cannot be read."""
    try:
        return file_head(address, HEAD_BYTES)
    except SlideReadError:
        return b""  # it gets a row, which says why


def matching(address: Address) -> list[Address]:
    """Return the objects that an address with ``*``, ``?``, ``[…]`` or ``**`` matches, by name.

    As of files, a step that begins with a dot is matched by none that does not, and ``**`` stands
    for any number of steps. What is in stores is not looked at.

    Raises
    ------
    SlideReadError
        The objects cannot be listed.
    """
    steps = address.key.split("/")
    plain = list(itertools.takewhile(GLOB.isdisjoint, steps))
    above = replace(address, key="/".join(plain))
    try:
        found = sorted(each for each, _ in objects_below(above))
    except OSError as error:
        raise unreadable(above, error) from error
    begin = len(above.key) + 1 if above.key else 0
    names = ((each, each.key[begin:]) for each in found)
    wanted = steps[len(plain) :]
    return [
        each for each, name in names if not _ZARR.search(name) and _fits(name.split("/"), wanted)
    ]


def _fits(steps: Sequence[str], wanted: Sequence[str]) -> bool:
    if not steps or not wanted:
        return not steps and not wanted
    is_hidden = steps[0].startswith(".") and not wanted[0].startswith(".")
    if wanted[0] == "**":
        return _fits(steps, wanted[1:]) or (not is_hidden and _fits(steps[1:], wanted))
    return not is_hidden and fnmatchcase(steps[0], wanted[0]) and _fits(steps[1:], wanted[1:])


def _one_a_series(found: Sequence[Address], looked_into: set[Address]) -> list[Address]:
    """Return slides, of the files of each DICOM series only that of level 0."""
    dicom = [each for each in found if each in looked_into]
    series = dict(zip(dicom, in_parallel(_series, dicom), strict=True))
    slides: dict[object, Address] = {}
    for each in found:
        own = series.get(each)
        key = each if own is None else (each.parent, own)
        known = slides.setdefault(key, each)
        if own is not None and is_finer(each, known):
            slides[key] = each
    return list(slides.values())


def _series(address: Address) -> str | None:
    try:
        return series_of(address)
    except SlideReadError:
        return None  # it gets a row, which says why
