"""Which files of a folder are slides.

Knows paths, and what files are by their first bytes. Does not open slides.
"""

import logging
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from slidetile.cloud.address import Address
from slidetile.cohort.inputs.folder_kind import FolderRole, folder_role, is_one_slide
from slidetile.cohort.layout import (
    LOGS_NAME,
    PAGE_NAME,
    PAGES_NAME,
    SUMMARY_NAME,
    TABLE_NAME,
    CohortFolder,
)
from slidetile.errors import SlideError, explain
from slidetile.format.names import OWNER_SUFFIX
from slidetile.runtime.files import TEMPORARY_SUFFIX, read_regular
from slidetile.slides.container import Container, container_of
from slidetile.slides.dicom.folder import is_finer, series_of
from slidetile.slides.reader import HEAD_BYTES

_log = logging.getLogger(__name__)

_TIFF_SUFFIXES = {".svs", ".svslide", ".avs", ".scn", ".bif", ".qptiff", ".vsi"}
_PLAIN_TIFF_SUFFIXES = {".tif", ".tiff", ".btf", ".tf2", ".tf8"}
_OTHER_SUFFIXES = {".ndpi", ".vms", ".vmu", ".mrxs", ".dcm", ".czi", ".isyntax", ".i2syntax"}
_UNREAD_SUFFIXES = {".kfb", ".sdpc", ".tmap", ".mds", ".mdsx"}
SUFFIXES = frozenset(_TIFF_SUFFIXES | _PLAIN_TIFF_SUFFIXES | _OTHER_SUFFIXES | _UNREAD_SUFFIXES)
"""Suffixes that stand for a slide when a folder is searched, whatever the file's content, so that
what is wrong with it is said; a file given by name is always tried."""

_SLIDES = ("slide", "unread slide")
"""What a file is by its content, for which it gets a row; slides that no reader reads, too."""

_MOST_KINDS = 30
"""Kinds of files that are named where they are left out; those of others are counted together."""

MOST_NAMED = 5
"""Files of a kind that are named where they are left out; the others are counted."""


def find_slides(
    paths: Iterable[str | os.PathLike[str]], *, tells_stores: bool = True
) -> list[Path]:
    """Return the slides among ``paths`` and in the folders among them, each once.

    Folders are searched with all their subfolders, by content, in alphabetical order, and then the
    folders that they link to, each once; an OME-Zarr folder is a slide, also where its metadata
    cannot be read, and no Zarr folder is entered. A file whose suffix is a slide's is returned
    whatever it holds, so that each gets a row in the summary; so are slides of makers whose formats
    no reader reads. The files of a DICOM series open as one slide, so only that of its level 0
    is returned. All other files are counted by their kind in a warning, and so are other Zarr
    folders, stores (unless the caller tells of them), hidden slides, parts of slides, and folders
    that cannot be read. Files given by name are returned unchanged, whether they exist or not.

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
    search.warn(tells_stores=tells_stores)
    return list(slides.values())


def nothing_found(paths: Sequence[str | os.PathLike[str] | Address]) -> str:
    """Return why `find_slides` finds nothing in folders, in one line for people."""
    search = _Search()
    for path in paths:
        if not isinstance(path, Address):  # a warning has told what lies there
            search.folder(Path(path))
    found = []
    if search.hidden:
        found.append(f"hidden files with a slide's suffix: {len(search.hidden)}")
    if search.others:
        found.append(f"files that are no slides: {search.told_others()}")
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
        """Files that are left out, by their kind; neither hidden ones, nor what belongs to a MIRAX
        slide or was written by slidetile."""
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
        if is_one_slide(top):
            return [top]
        slides: dict[tuple[Path, str] | Path, Path] = {}
        links = self._walk(top, slides)
        for link in links:  # which grows
            if self._is_to_follow(link, top, slides):
                links += self._walk(link, slides)
        return list(slides.values())

    def told_others(self) -> str:
        """Return how many files are no slides, and of which kinds; the rarest of many together."""
        found = sorted(self.others.items(), key=lambda item: (-item[1], item[0]))
        named = [f"{kind} {count:,}" for kind, count in found[:_MOST_KINDS]]
        if rest := found[_MOST_KINDS:]:
            named.append(f"{len(rest):,} more kinds {sum(count for _, count in rest):,}")
        return f"{self.others.total():,} ({', '.join(named)})"

    def warn(self, *, tells_stores: bool) -> None:
        """Tell what was left out, and how to get it; stores only where the caller does not."""
        if self.others:
            _log.warning(
                "files left out, since they are no slides: %s; a file given by its name is tried "
                "all the same.",
                self.told_others(),
            )
        if self.hidden:
            count, names = len(self.hidden), ", ".join(map(str, self.hidden[:MOST_NAMED]))
            _log.warning(
                "hidden files with a slide's suffix, left out: %d (%s%s); a file given by its name "
                "is tiled.",
                *(count, names, ", …" if count > MOST_NAMED else ""),
            )
        if self.stores and tells_stores:
            _log.warning("stores passed over, since they are made already: %d.", self.stores)

    def _walk(self, top: Path, slides: dict[tuple[Path, str] | Path, Path]) -> list[Path]:
        """Collect the slides of a folder; return the folders that it links to."""
        links: list[Path] = []
        for parent, folders, files in os.walk(top, onerror=_warn_of_folder):
            if not self._is_new(parent):
                folders.clear()
                continue
            parts = [name for name in folders if _is_of_vsi(Path(parent, name), files)]
            if parts:
                self.others["folder of an Olympus VSI"] += len(parts)
            inner = [Path(parent, name) for name in sorted({*folders} - {*parts} - _ours(parent))]
            inner = [path for path in inner if self._is_plain(path, slides)]
            links += [path for path in inner if path.is_symlink()]
            folders[:] = [path.name for path in inner if not path.is_symlink()]
            for path in (Path(parent, name) for name in sorted(files)):
                self._collect(path, slides)
        return links

    def _is_plain(self, folder: Path, slides: dict[tuple[Path, str] | Path, Path]) -> bool:
        """Return whether a folder is searched; collect or count what is a whole itself."""
        role, kind = folder_role(folder)
        if role == "plain" or (folder.is_symlink() and role != "slide"):
            return True  # what it links to is looked at last
        self._take(folder, role, kind, slides)
        return False

    def _take(
        self, folder: Path, role: FolderRole, kind: str, slides: dict[tuple[Path, str] | Path, Path]
    ) -> None:
        """Collect or count a folder that is a whole itself, once."""
        if not self._is_new(str(folder)):
            return
        if role == "slide":
            slides.setdefault(folder, folder)
        elif role == "store":
            self.stores += 1
        elif role == "other":
            self.others[kind] += 1

    def _collect(self, path: Path, slides: dict[tuple[Path, str] | Path, Path]) -> None:
        is_named = path.suffix.lower() in SUFFIXES
        if path.name.startswith("."):
            if is_named:
                self.hidden.append(path)
            return
        if not is_named and _is_known_stranger(path):
            return
        container = _container(path)
        if not is_slide_kind(container, is_named=is_named):
            self.others[container.kind if container else path.suffix.lower() or "no suffix"] += 1
            return
        series = series_of(path)
        key = path if series is None else (path.parent, series)
        known = slides.setdefault(key, path)
        if series is not None and is_finer(path, known):
            slides[key] = path

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

    def _is_to_follow(
        self, link: Path, top: Path, slides: dict[tuple[Path, str] | Path, Path]
    ) -> bool:
        """Return whether a linked folder is searched: not a store's, and not one above."""
        target = Path(os.path.realpath(link))
        role, kind = folder_role(target)
        if role != "plain":
            self._take(target, role, kind, slides)
            return False
        if target in Path(os.path.realpath(top)).parents:
            _log.warning("%s links to %s, a folder above, and is not searched.", link, target)
            return False
        return True


_OTHER_DICOM = "DICOM file of the class"
"""Segmentations and annotations lie beside slides, with their suffix."""


def is_slide_kind(container: Container | None, *, is_named: bool) -> bool:
    """Return whether a file gets a row by its content, or by a name that is a slide's."""
    if container is None:
        return is_named
    is_slide = container.role in _SLIDES or is_named
    return is_slide and not container.kind.startswith(_OTHER_DICOM)


def _container(path: Path) -> Container | None:
    """Return what a file is; None where its content does not tell."""
    try:
        head = read_regular(path, HEAD_BYTES) if path.is_file() else b""
    except OSError:
        return None
    return container_of(head, path) if head else None


def _is_of_vsi(folder: Path, files: Sequence[str]) -> bool:
    """Return whether a folder holds the pixels of an Olympus VSI beside it."""
    name = folder.name
    stem = name[1:-1] if name.startswith("_") and name.endswith("_") else ""
    return bool(stem) and any(file.lower() == f"{stem}.vsi".lower() for file in files)


def _ours(parent: str) -> set[str]:
    """Return which folders in one are a cohort's tables and logs, and its pages."""
    is_cohort = Path(str(CohortFolder(Path(parent)).keys)).is_file()
    return {PAGES_NAME, TABLE_NAME, LOGS_NAME} if is_cohort else {PAGES_NAME}


def _is_known_stranger(path: Path) -> bool:
    """Return whether a file with another suffix is part of a MIRAX slide, or slidetile's own."""
    is_ours = path.name == SUMMARY_NAME or path.suffix in (OWNER_SUFFIX, TEMPORARY_SUFFIX)
    if path.name == PAGE_NAME:
        is_ours = (path.parent / PAGES_NAME).is_dir()
    return is_ours or os.path.isfile(f"{path.parent}.mrxs")  # noqa: PTH113  never raises


def _warn_of_folder(error: OSError) -> None:
    _log.warning("a folder could not be searched, so its slides are left out: %s", explain(error))
