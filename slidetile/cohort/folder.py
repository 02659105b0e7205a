"""Which slides a folder holds, and what their stores are called.

Knows paths and suffixes. Does not open slides.
"""

import itertools
import os
import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from slidetile.format.names import PARTIAL_SUFFIX, STORE_SUFFIX

_TIFF_SUFFIXES = {".svs", ".svslide", ".tif", ".tiff", ".btf", ".tf2", ".tf8", ".scn", ".bif"}
_OTHER_SUFFIXES = {".ndpi", ".vms", ".vmu", ".mrxs", ".dcm", ".czi"}
SUFFIXES = frozenset(_TIFF_SUFFIXES | _OTHER_SUFFIXES)
"""Suffixes of slides when a folder is searched; a file given by name is always tried."""

_DICOM_HEAD_BYTES = 1 << 16
_SERIES_UID_TAG = b"\x20\x00\x0e\x00UI"


def find_slides(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Return the slides among ``paths`` and in the folders among them, each once.

    Folders are searched with all their subfolders, by suffix, in alphabetical order; stores are
    not entered. The files of a DICOM series open as one slide, so only its first file is returned.
    Files given by name are returned unchanged, whether they exist or not, so that each gets a row
    in the summary.
    """
    slides: dict[str, Path] = {}
    for path in map(Path, paths):
        for slide in _search(path) if path.is_dir() else [path]:
            slides.setdefault(os.path.abspath(slide), slide)  # noqa: PTH100  links stay
    return list(slides.values())


def store_name(slide: Path) -> str:
    """Return a file name for the store of a slide that is tiled by itself."""
    return store_names([slide])[0]


def store_names(slides: Sequence[Path]) -> list[str]:
    """Return a file name for each slide's store, all different even where case does not count.

    It is the slide's name without its suffix; with the suffix, where a folder holds both a.svs
    and a.tiff. Where slides in different folders share a name, it begins with the names of as
    many folders above as are needed to tell the slides apart.
    """
    absolute = [Path(_as_text(os.path.abspath(slide))) for slide in slides]  # noqa: PTH100  links stay
    same_folder = Counter(_folded(path.with_suffix("")) for path in absolute)
    parts = [
        (path if same_folder[_folded(path.with_suffix(""))] > 1 else path.with_suffix("")).parts[1:]
        for path in absolute
    ]
    depths = [1] * len(slides)
    while True:
        names = ["_".join(p[-depth:]) for p, depth in zip(parts, depths, strict=True)]
        counts = Counter(map(_folded, names))
        clashing = [i for i, name in enumerate(names) if counts[_folded(name)] > 1]
        deeper = [i for i in clashing if depths[i] < len(parts[i])]
        if not deeper:
            return [f"{name}{STORE_SUFFIX}" for name in _numbered(names)]
        for i in deeper:
            depths[i] += 1


def _search(folder: Path) -> list[Path]:
    slides: dict[tuple[Path, bytes] | Path, Path] = {}
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.endswith((STORE_SUFFIX, PARTIAL_SUFFIX)))
        for name in sorted(files):
            path = Path(parent, name)
            if path.suffix.lower() in SUFFIXES and not name.startswith("."):
                series = _dicom_series(path)
                slides.setdefault(path if series is None else (path.parent, series), path)
    return list(slides.values())


def _dicom_series(path: Path) -> bytes | None:
    """Return the SeriesInstanceUID of a DICOM file, or None where there is none.

    Whole-slide files are explicit little-endian (DICOM PS3.5), so in the file the element
    (0020,000E) begins with its tag, its type and a 16-bit length.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_DICOM_HEAD_BYTES)
    except OSError:
        return None
    at = head.find(_SERIES_UID_TAG) + len(_SERIES_UID_TAG)
    if head[128:132] != b"DICM" or at < len(_SERIES_UID_TAG) or at + 2 > len(head):
        return None
    (length,) = struct.unpack_from("<H", head, at)
    return head[at + 2 : at + 2 + length]


def _as_text(path: str) -> str:
    """Return a path as valid text, for all libraries: on Linux, a name may hold any bytes."""
    return os.fsencode(path).decode(errors="replace")


def _folded(name: str | Path) -> str:
    return str(name).casefold()


def _numbered(names: list[str]) -> list[str]:
    """Number the names that are still equal, as those of paths that differ by case only."""
    unique: dict[str, str] = {}
    for name in names:
        candidates = (name if n == 1 else f"{name}-{n}" for n in itertools.count(1))
        free = next(name for name in candidates if _folded(name) not in unique)
        unique[_folded(free)] = free
    return list(unique.values())
