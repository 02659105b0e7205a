"""The slides below a prefix of a bucket, by the names of objects, and by the content of DICOM.

Knows what slides are called. Does not open other objects than DICOM.
"""

import itertools
import logging
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from slidetile.cloud.address import Address
from slidetile.cloud.objects import in_parallel, objects_below
from slidetile.cloud.ranged import sharing_objects
from slidetile.cohort.inputs.folder import SUFFIXES
from slidetile.errors import SlideReadError
from slidetile.format.names import STORE_SUFFIX
from slidetile.slides.dicom.folder import is_finer, series_of
from slidetile.slides.file_state import unreadable

_log = logging.getLogger(__name__)

GLOB = frozenset("*?[")
"""What makes a pattern of a name."""

_DICOM = ".dcm"
_MOST_KINDS = 10
_ZARR = re.compile(rf"[^/]+{re.escape(STORE_SUFFIX)}(\.[a-z]+)?/")


def slides_at(address: Address) -> list[Address]:
    """Return the slides that an address stands for: an object, or all below a prefix.

    Objects are known by their names, since to look into each would take a request. Of the files of
    a DICOM series only that of its level 0 is returned. What has no slide's name is counted in a
    warning; give it by its name, or in a manifest, to try it all the same.

    Raises
    ------
    SlideReadError
        The objects cannot be listed.
    """
    if address.is_web or address.suffix.lower() in SUFFIXES:
        return [address]
    try:
        found = sorted(each for each, _ in objects_below(address))
    except OSError as error:
        raise unreadable(address, error) from error
    if not found:  # an object by its name, or nothing, which is told where it is opened
        return [address]
    below = {each: each.key[len(address.key) :].lstrip("/") for each in found}
    plain = [each for each in found if not _ZARR.search(f"{below[each]}/")]
    named = [each for each in plain if each.suffix.lower() in SUFFIXES]
    _warn_of_others(address, (each for each in plain if each not in set(named)), set(named))
    return _one_a_series(named)


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


def _one_a_series(found: list[Address]) -> list[Address]:
    """Return slides, of the files of each DICOM series only that of level 0."""
    dicom = [each for each in found if each.suffix.lower() == _DICOM]
    with sharing_objects():
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


def _warn_of_others(address: Address, others: Iterable[Address], slides: set[Address]) -> None:
    """Tell what has no slide's name, but for the data of a MIRAX slide."""
    mirax = {each.with_suffix("").key for each in slides if each.suffix.lower() == ".mrxs"}
    left = [each for each in others if each.parent.key not in mirax]
    if not left:
        return
    kinds = Counter(PurePosixPath(each.name).suffix.lower() or "no suffix" for each in left)
    told = ", ".join(f"{kind} {count:,}" for kind, count in kinds.most_common(_MOST_KINDS))
    more = ", …" if len(kinds) > _MOST_KINDS else ""
    _log.warning(
        "%s: objects that have no slide's name are left out: %s (%s%s). Give one by its name to "
        "try it all the same.",
        *(address, f"{len(left):,}", told, more),
    )
