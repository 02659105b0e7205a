"""Which files of a folder are slides, and what their stores are called.

Knows paths and suffixes. Does not open slides.
"""

import itertools
import logging
import os
import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from slidetile.cohort.summary import SUMMARY_NAME
from slidetile.errors import SlideError, explain
from slidetile.format.names import OWNER_SUFFIX, PARTIAL_SUFFIX, STORE_SUFFIX
from slidetile.runtime.files import TEMPORARY_SUFFIX, as_text
from slidetile.slides.omezarr.folder import is_slide_folder
from slidetile.store.marks import ROOT

_log = logging.getLogger(__name__)

_TIFF_SUFFIXES = {".svs", ".svslide", ".avs", ".scn", ".bif"}
_PLAIN_TIFF_SUFFIXES = {".tif", ".tiff", ".btf", ".tf2", ".tf8"}
_OTHER_SUFFIXES = {".ndpi", ".vms", ".vmu", ".mrxs", ".dcm", ".czi"}
SUFFIXES = frozenset(_TIFF_SUFFIXES | _PLAIN_TIFF_SUFFIXES | _OTHER_SUFFIXES)
"""Suffixes of slides when a folder is searched; a file given by name is always tried."""

_DICOM_HEAD_BYTES = 1 << 16
_DICOM_START = 132
_SERIES_UID, _ITEM, _DELIMITERS = 0x0020000E, 0xFFFEE000, (0xFFFEE00D, 0xFFFEE0DD)
_UNDEFINED_LENGTH = 0xFFFFFFFF
_LONG_TYPES = (
    *(b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ"),
    *(b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"),
)
"""Types of elements whose length has four bytes."""

MOST_NAMED = 5
"""Files of a kind that are named where they are left out; the others are counted."""


def find_slides(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Return the slides among ``paths`` and in the folders among them, each once.

    Folders are searched with all their subfolders, by suffix, in alphabetical order, and then the
    folders that they link to, each once; an OME-Zarr folder is a slide, and neither that nor a
    store is entered. The files of a DICOM series open as one slide, so only its first file is
    returned. Files with other suffixes, hidden files and folders that cannot be read are left out
    with a warning. Files given by name are returned unchanged, whether they exist or not, so that
    each gets a row in the summary.

    Raises
    ------
    SlideError
        A folder is the root of the file system.
    """
    search = _Search()
    slides: dict[str, Path] = {}
    for path in map(Path, paths):
        for slide in search.folder(path) if path.is_dir() else [path]:
            slides.setdefault(os.path.abspath(slide), slide)  # noqa: PTH100  links stay
    search.warn()
    return list(slides.values())


def nothing_found(paths: Sequence[str | os.PathLike[str]]) -> str:
    """Return why `find_slides` finds nothing in folders, in one line for people."""
    search = _Search()
    for path in map(Path, paths):
        search.folder(path)
    found = []
    if search.hidden:
        found.append(f"hidden files with a slide's suffix: {len(search.hidden)}")
    if search.others:
        found.append(f"files with other suffixes: {search.told_others()}")
    if search.stores:
        found.append(f"stores, which are made already: {search.stores}")
    remedy = ". Give a file by its name to try it all the same" if found else ""
    where = ", ".join(map(str, paths))
    return f"no slides found in {where}{': ' if found else ''}{'; '.join(found)}{remedy}"


class _Search:
    """A search for slides, and what it leaves out."""

    def __init__(self) -> None:
        self.hidden: list[Path] = []
        self.others: Counter[str] = Counter()
        """Files that are left out by their suffix; neither hidden ones, nor what belongs to a slide
        or was written by slidetile."""
        self.stores = 0
        self._seen: set[tuple[int, int]] = set()

    def folder(self, top: Path) -> list[Path]:
        """Return the slides in a folder, and then those in the folders it links to.

        Raises
        ------
        SlideError
            It is the root of the file system.
        """
        if os.path.realpath(top) == os.sep:
            raise SlideError(
                f"{top} is the whole file system, which is not searched: name the folder of the "
                "slides."
            )
        if is_slide_folder(top):
            return [top]
        slides: dict[tuple[Path, bytes] | Path, Path] = {}
        links = self._walk(top, slides)
        for link in links:  # which grows
            if self._is_to_follow(link, top):
                links += self._walk(link, slides)
        return list(slides.values())

    def told_others(self) -> str:
        """Return how many files have other suffixes, and the most frequent of these."""
        found = sorted(self.others.items(), key=lambda item: (-item[1], item[0]))
        named = ", ".join(f"{suffix} {count:,}" for suffix, count in found[:MOST_NAMED])
        return f"{self.others.total():,} ({named}{', …' if len(found) > MOST_NAMED else ''})"

    def warn(self) -> None:
        """Tell what was left out, and how to get it."""
        if self.others:
            _log.warning(
                "files left out by their suffix: %s; a file given by its name is tried all the "
                "same.",
                self.told_others(),
            )
        if self.hidden:
            count, names = len(self.hidden), ", ".join(map(str, self.hidden[:MOST_NAMED]))
            _log.warning(
                "hidden files with a slide's suffix, left out: %d (%s%s); a file given by its name "
                "is tiled.",
                *(count, names, ", …" if count > MOST_NAMED else ""),
            )

    def _walk(self, top: Path, slides: dict[tuple[Path, bytes] | Path, Path]) -> list[Path]:
        """Collect the slides of a folder; return the folders that it links to."""
        links: list[Path] = []
        for parent, folders, files in os.walk(top, onerror=_warn_of_folder):
            if not self._is_new(parent):
                folders.clear()
                continue
            self._take_folders(parent, folders, slides)
            stores = [name for name in folders if _seems_store(f"{parent}/{name}")]
            self.stores += sum(not name.endswith(PARTIAL_SUFFIX) for name in stores)
            inner = [Path(parent, name) for name in sorted(set(folders) - set(stores))]
            links += [path for path in inner if path.is_symlink()]
            folders[:] = [path.name for path in inner if not path.is_symlink()]
            for path in (Path(parent, name) for name in sorted(files)):
                self._collect(path, slides)
        return links

    def _take_folders(
        self, parent: str, folders: list[str], slides: dict[tuple[Path, bytes] | Path, Path]
    ) -> None:
        """Collect the folders that are slides themselves, and take them from those to search."""
        own = [name for name in sorted(folders) if is_slide_folder(Path(parent, name))]
        folders[:] = [name for name in folders if name not in own]
        for path in (Path(parent, name) for name in own):
            if self._is_new(str(path)):
                slides.setdefault(path, path)

    def _collect(self, path: Path, slides: dict[tuple[Path, bytes] | Path, Path]) -> None:
        is_hidden = path.name.startswith(".")
        if path.suffix.lower() not in SUFFIXES:
            if not (is_hidden or _is_known_stranger(path)):
                self.others[path.suffix.lower() or "no suffix"] += 1
        elif is_hidden:
            self.hidden.append(path)
        else:
            series = _dicom_series(path)
            slides.setdefault(path if series is None else (path.parent, series), path)

    def _is_new(self, folder: str) -> bool:
        """Return whether a folder has not been searched, under this or another name."""
        try:
            status = os.stat(folder)  # noqa: PTH116  os.walk yields text
        except OSError as error:
            _warn_of_folder(error)
            return False
        key = status.st_dev, status.st_ino
        is_new = key not in self._seen
        self._seen.add(key)
        if not is_new:
            _log.info("%s is searched once, under another name.", folder)
        return is_new

    def _is_to_follow(self, link: Path, top: Path) -> bool:
        """Return whether a linked folder is searched: not a store's, and not one above."""
        target = Path(os.path.realpath(link))
        if _seems_store(target):
            self.stores += 1
            return False
        if target in Path(os.path.realpath(top)).parents:
            _log.warning("%s links to %s, a folder above, and is not searched.", link, target)
            return False
        return True


def _seems_store(folder: str | Path) -> bool:
    """Return whether a folder is a store by its name, finished or not, or by its files."""
    name = os.fspath(folder)
    return name.endswith((STORE_SUFFIX, PARTIAL_SUFFIX)) or os.path.isfile(f"{name}/{ROOT}")  # noqa: PTH113  never raises


def _is_known_stranger(path: Path) -> bool:
    """Return whether a file with another suffix is part of a MIRAX slide, or slidetile's own."""
    is_ours = path.name == SUMMARY_NAME or path.suffix in (OWNER_SUFFIX, TEMPORARY_SUFFIX)
    return is_ours or os.path.isfile(f"{path.parent}.mrxs")  # noqa: PTH113  never raises


def _warn_of_folder(error: OSError) -> None:
    _log.warning("a folder could not be searched, so its slides are left out: %s", explain(error))


def store_name(slide: Path) -> str:
    """Return a file name for the store of a slide that is tiled by itself."""
    return store_names([slide])[0]


def store_names(slides: Sequence[Path]) -> list[str]:
    """Return a file name for each slide's store, all different even where case does not count.

    It is the slide's name without its suffix (`.ome.zarr` is one, too); with the suffix, where a
    folder holds both a.svs and a.tiff. Where slides in different folders share a name, it begins
    with the names of as many folders above as are needed to tell the slides apart.
    """
    absolute = [Path(as_text(os.path.abspath(slide))) for slide in slides]  # noqa: PTH100  links stay
    bare = [_without_suffix(path) for path in absolute]
    same_folder = Counter(map(_folded, bare))
    parts = [
        (path if same_folder[_folded(stem)] > 1 else stem).parts[1:]
        for path, stem in zip(absolute, bare, strict=True)
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


def _without_suffix(path: Path) -> Path:
    """Return a slide's path without its suffix, which OME-Zarr's folders may have two of."""
    bare = path.with_suffix("")
    if path.suffix == STORE_SUFFIX and bare.suffix == ".ome":
        return bare.with_suffix("")
    return bare


def _dicom_series(path: Path) -> bytes | None:
    """Return the SeriesInstanceUID of a DICOM file, or None where there is none.

    Whole-slide files are explicit little-endian (DICOM PS3.5): each element has its tag, its type
    and its length before it. Series that the file refers to, within sequences, do not count.
    """
    if not path.is_file():  # opening a pipe would wait for its writer
        return None
    try:
        with path.open("rb") as file:
            head = file.read(_DICOM_HEAD_BYTES)
    except OSError:
        return None
    if head[128:132] != b"DICM":
        return None
    at, depth = _DICOM_START, 0
    while at + 8 <= len(head):
        tag, body, length = _element(head, at)
        if tag == _SERIES_UID and not depth:
            return head[body : body + length]
        if tag > _SERIES_UID and not depth:
            return None  # the elements are in ascending order
        is_open = length == _UNDEFINED_LENGTH
        depth += is_open - (tag in _DELIMITERS)
        is_entered = is_open or tag == _ITEM
        at = body if is_entered or tag in _DELIMITERS else body + length
    return None


def _element(head: bytes, at: int) -> tuple[int, int, int]:
    """Return an element's tag, and where its value begins and how long it is."""
    group, element = struct.unpack_from("<2H", head, at)
    tag = group << 16 | element
    if tag in _DELIMITERS or tag == _ITEM:  # these have no type
        return tag, at + 8, struct.unpack_from("<I", head, at + 4)[0]
    if head[at + 4 : at + 6] not in _LONG_TYPES:
        return tag, at + 8, struct.unpack_from("<H", head, at + 6)[0]
    if at + 12 > len(head):
        return tag, at + 12, 0
    return tag, at + 12, struct.unpack_from("<I", head, at + 8)[0]


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
