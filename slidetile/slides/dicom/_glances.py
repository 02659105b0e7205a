"""What each file of a folder is, by its beginning; each is looked at once while it stays as it is.

pydicom is loaded only where there are DICOM files.
"""

import os
import re
import stat
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from slidetile.cloud.address import Address, Location
from slidetile.cloud.objects import in_parallel
from slidetile.cloud.ranged import listed
from slidetile.errors import SlideError, SlideReadError, one_line
from slidetile.runtime.files import as_text, read_regular
from slidetile.slides.dicom.file import WHOLE_SLIDE, class_of, is_dicom
from slidetile.slides.file_state import RemoteState, unreadable
from slidetile.slides.open_file import file_head
from slidetile.slides.reader import HEAD_BYTES

_DICOM_NAME = re.compile(r".*\.(dcm|dicom)|[0-9.]{16,}", re.IGNORECASE | re.DOTALL)
"""The suffixes, and identifiers as names. Others may be DICOM, too: their content shows it."""

_MOST_KNOWN = 1 << 16
"""Files that are remembered: some 30 MB."""

_SETTLED_NS = 2 * 10**9
"""A file that is younger may change once more without another time stamp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What a file beside a slide is."""

    series: str = ""
    """Which series it is of; empty where it does not say."""

    is_slide: bool = False
    """Whether it is of a whole slide, be it a level, a label or an overview."""

    is_level: bool = False
    """Whether its image is scanned tissue."""

    width: int = 0
    """Columns of its whole image."""

    kind: str = ""
    """What it holds, for people; empty where it is not DICOM."""

    trouble: str | None = None
    """Why nobody knows what it is, to follow its name; None where it is known."""


Glances = dict[Location, Glance]
"""The files of a folder that are DICOM or may be, by their paths, in the order of their names."""

_STRANGER = Glance()
_DAMAGED = "damaged file"


def is_named_as_dicom(name: str) -> bool:
    """Return whether a file's name says that it is DICOM."""
    return _DICOM_NAME.fullmatch(name) is not None


def glances_in(folder: Location) -> Glances:
    """Return the DICOM files of a folder, and what may be such; nothing is waited for.

    Raises
    ------
    SlideReadError
        The folder cannot be read.
    """
    if isinstance(folder, Address):
        return _remote_glances(folder)
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name[:1] != ".")
    except OSError as error:
        raise unreadable(folder, error) from error
    found: Glances = {folder / name: glance_at(folder / name) for name in names}
    return {path: glance for path, glance in found.items() if glance is not _STRANGER}


def check_known(glances: Glances) -> None:
    """Check of all files beside a slide that it is known whether they are of its series.

    Raises
    ------
    SlideReadError
        One may be the finest level, and without it the slide would be its coarser one.
    """
    slides = [path for path, glance in glances.items() if glance.is_slide]
    for path, glance in glances.items():
        trouble = glance.trouble
        if glance.is_slide and not glance.series and len(slides) > 1:
            trouble = "does not say which series it is of"
        if trouble is not None:
            raise SlideReadError(
                f"{as_text(path.name)} in its folder {trouble}, and may be the slide's finest "
                "level: copy it again, or move it to another folder"
            )


def _remote_glances(prefix: Address) -> Glances:
    """Return the DICOM objects below a prefix; those named as something else are not looked at."""
    if prefix.is_web:
        raise SlideReadError(
            "the other files of its series are not found, since a web server does not list what it "
            "has: put the series into a bucket, or onto a disk"
        )
    try:
        found_objects = listed(prefix)
    except OSError as error:
        raise unreadable(prefix, error) from error
    found = sorted(each for each in found_objects if _may_be_dicom(each.name))
    looked = in_parallel(lambda each: _known.of(each, RemoteState(found_objects[each])), found)
    pairs = zip(found, looked, strict=True)
    return {address: glance for address, glance in pairs if glance is not _STRANGER}


def _may_be_dicom(name: str) -> bool:
    """Return whether an object may be DICOM, by a name that is not that of anything else."""
    if name[:1] == "." or is_named_as_dicom(name):
        return name[:1] != "."
    return re.fullmatch(r"\.[A-Za-z][A-Za-z0-9_-]{0,9}", PurePosixPath(name).suffix) is None


def glance_at(path: Location) -> Glance:
    """Return what a file is; what is no regular file, such as a folder or a pipe, is a stranger."""
    if isinstance(path, Address):
        try:
            return _known.of(path, RemoteState.of(path))
        except OSError as error:
            return Glance(trouble=f"cannot be read ({error.strerror or error})")
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return _STRANGER
        return _known.get(path, status)
    except OSError as error:
        return Glance(trouble=f"cannot be read ({error.strerror or error})")


class _Known:
    """Files that were looked at, for all threads; the longest unused are forgotten."""

    def __init__(self) -> None:
        self._files: OrderedDict[Location, tuple[_Mark, Glance]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, path: Path, status: os.stat_result) -> Glance:
        """Return what a file of this state is; raises OSError."""
        times = status.st_mtime_ns, status.st_ctime_ns
        state = status.st_dev, status.st_ino, status.st_size, *times
        with self._lock:
            if path in self._files and self._files[path][0] == state:
                self._files.move_to_end(path)
                return self._files[path][1]
        looked_ns = time.time_ns()
        glance = _look(path)
        if 0 <= status.st_mtime_ns < looked_ns - _SETTLED_NS:
            self._put(path, state, glance)
        return glance

    def of(self, address: Address, state: RemoteState) -> Glance:
        """Return what an object of this state is; trouble is not remembered, it may pass."""
        mark = state.size, state.mark
        with self._lock:
            if address in self._files and self._files[address][0] == mark:
                self._files.move_to_end(address)
                return self._files[address][1]
        try:
            glance = _look(address, state)
        except OSError as error:
            return Glance(trouble=f"cannot be read ({one_line(error).rstrip('.')})")
        if glance.trouble is None:
            self._put(address, mark, glance)
        return glance

    def _put(self, path: Location, state: "_Mark", glance: Glance) -> None:
        with self._lock:
            self._files[path] = state, glance
            self._files.move_to_end(path)
            while len(self._files) > _MOST_KNOWN:
                self._files.popitem(last=False)


_known = _Known()

_Mark = tuple[int | str, ...]
"""What tells a file from another of its name."""


def _look(path: Location, state: RemoteState | None = None) -> Glance:
    if isinstance(path, Path):
        head = read_regular(path, HEAD_BYTES)
    else:
        head = file_head(path, HEAD_BYTES, state=state)
    if not is_dicom(head):
        return Glance(trouble=_damage(head)) if is_named_as_dicom(path.name) else _STRANGER
    from slidetile.slides.dicom.names import class_name

    stated = class_of(head)
    if stated is not None and stated != WHOLE_SLIDE:
        return Glance(kind=f"{class_name(stated)} file")
    return _look_into(path, stated, state)


def _damage(head: bytes) -> str:
    if not head:
        return "is empty (0 bytes)"
    return "is not DICOM" if head.strip(b"\0") else "begins with zeros instead of a header"


def _look_into(path: Location, stated: str | None, state: RemoteState | None) -> Glance:
    """Parse so much of a header as says what it is; its beginning may have stated its class."""
    from slidetile.slides.dicom._instance import Instance

    try:
        instance = Instance.glance(path, state)
    except SlideError as error:
        return Glance(kind=_DAMAGED, trouble=f"cannot be read ({str(error).rstrip('.')})")
    if not instance.sop_class or instance.sop_class != (stated or instance.sop_class):
        return Glance(kind=_DAMAGED, trouble="does not say what it holds")
    return Glance(
        series=instance.series,
        is_slide=instance.is_slide,
        is_level=instance.is_level,
        width=instance.size[0],
        kind=instance.kind,
    )
