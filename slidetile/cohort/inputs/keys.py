"""What slides are called in the folder of their stores: never alike, and the same in every run.

Knows paths and names. Does not know what is in a folder.
"""

import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from slidetile.cloud.address import Address, Location, absolute
from slidetile.cohort.inputs.entry import Entry
from slidetile.format.names import STORE_SUFFIX
from slidetile.runtime.files import as_text

LONGEST_KEY_BYTES = 200
"""File systems take names of 255 bytes, and those of a store and of what is beside it go on."""

_HASH_CHARACTERS = 8


def with_keys(
    entries: Sequence[Entry], known: Mapping[str, str], others: Iterable[str] = ()
) -> list[Entry]:
    """Return entries with their keys, all different even where case does not count.

    A key is the id that the manifest gives; or what the slide was called before; or its name, with
    the names of as many folders above as tell it from the others of the cohort. Where another slide
    has that key already, a part of the hash of the slide's path follows it; also where it is too
    long, of which the first part stays. So no slide that is added changes the key of another.

    Parameters
    ----------
    entries
        The slides; no two have one id.
    known
        The keys that slides have in the folder of their stores, by the slides' absolute paths.
    others
        More keys that are taken there: a slide may have had several.
    """
    given = [entry.id for entry in entries]
    asked_for = {identity.casefold() for identity in given if identity is not None}
    paths = [absolute(entry.slide) for entry in entries]
    before = [known.get(as_known(path)) for path in paths]
    rest = [
        n is None and (k is None or k.casefold() in asked_for)
        for n, k in zip(given, before, strict=True)
    ]
    # What slides are called beside all others is asked only where one needs a name.
    names = plain_keys([each.slide for each in entries]) if any(rest) else [""] * len(entries)
    taken = {*asked_for, *map(str.casefold, known.values()), *map(str.casefold, others)}
    keys: list[str] = []
    for identity, former, name, path in zip(given, before, names, paths, strict=True):
        if identity is not None:
            keys.append(identity)
        elif former is not None and former.casefold() not in asked_for:
            keys.append(former)
        else:
            keys.append(_free(name, path, taken))
            taken.add(keys[-1].casefold())
    return [replace(entry, key=key) for entry, key in zip(entries, keys, strict=True)]


def as_known(path: str) -> str:
    """Return a path as a cohort's table has it: bytes that are no text are escaped there."""
    return path.encode(errors="backslashreplace").decode()


def _free(name: str, path: str, taken: Collection[str]) -> str:
    """Return a name that no other slide has: the slide's own, or that and a part of a hash."""
    if name.casefold() not in taken and len(name.encode()) <= LONGEST_KEY_BYTES:
        return name
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()
    hashes = (digest[:n] for n in range(_HASH_CHARACTERS, len(digest) + 1))
    candidates = (f"{_cut(name, LONGEST_KEY_BYTES - len(each) - 1)}-{each}" for each in hashes)
    return next(key for key in candidates if key.casefold() not in taken)


def _cut(name: str, most_bytes: int) -> str:
    return name.encode()[:most_bytes].decode(errors="ignore")


def store_name(slide: Location) -> str:
    """Return a file name for the store of a slide that is tiled by itself."""
    (name,) = plain_keys([slide])
    return f"{_free(name, absolute(slide), ())}{STORE_SUFFIX}"


def plain_keys(slides: Sequence[Location]) -> list[str]:
    """Return a name for each of several slides, all different even where case does not count.

    It is the slide's name without its suffix; with the suffix, where a folder holds both a.svs
    and a.tiff. The name of a folder, which a DICOM series fills, has no suffix, but `.zarr` and
    `.ome.zarr` are. Where slides in different folders share a name, it begins with the names of as
    many folders above as are needed to tell the slides apart.
    """
    paths = [_as_path(slide) for slide in slides]
    bare = [
        path.with_suffix("") if isinstance(slide, Address) else _without_suffix(path)
        for path, slide in zip(paths, slides, strict=True)
    ]
    same_folder = Counter(map(_folded, bare))
    parts = [
        (path if same_folder[_folded(stem)] > 1 else stem).parts[1:]
        for path, stem in zip(paths, bare, strict=True)
    ]
    depths = [1] * len(slides)
    while True:
        names = ["_".join(p[-depth:]) for p, depth in zip(parts, depths, strict=True)]
        counts = Counter(map(_folded, names))
        clashing = [i for i, name in enumerate(names) if counts[_folded(name)] > 1]
        deeper = [i for i in clashing if depths[i] < len(parts[i])]
        if not deeper:
            return _numbered(names)
        for i in deeper:
            depths[i] += 1


def _as_path(slide: Location) -> Path:
    """Return the absolute path of a slide; of one in a bucket, what would be its path there."""
    if isinstance(slide, Address):
        return Path("/", slide.bucket, slide.key)
    return Path(as_text(absolute(slide)))


def _without_suffix(path: Path) -> Path:
    """Return a slide's path without its suffix: a folder's is that of OME-Zarr, or none."""
    bare = path.with_suffix("")
    if path.suffix == STORE_SUFFIX:
        return bare.with_suffix("") if bare.suffix == ".ome" else bare
    return path if path.is_dir() else bare


def _folded(name: str | Path) -> str:
    return str(name).casefold()


def _numbered(names: Iterable[str]) -> list[str]:
    """Number the names that are still equal, as those of paths that differ by case only."""
    unique: dict[str, str] = {}
    for name in names:
        candidates = (name if n == 1 else f"{name}-{n}" for n in itertools.count(1))
        free = next(name for name in candidates if _folded(name) not in unique)
        unique[_folded(free)] = free
    return list(unique.values())
