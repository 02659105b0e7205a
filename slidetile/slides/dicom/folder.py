"""A folder of DICOM files as a slide: which of its files are DICOM, and of how many slides.

pydicom is loaded only where there are any.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from slidetile.counts import how_many
from slidetile.errors import SlideError
from slidetile.runtime.files import as_text, read_regular
from slidetile.slides.dicom.file import MAGIC_END, is_dicom
from slidetile.slides.file_state import unreadable
from slidetile.slides.reader import FinalRefusalError

_log = logging.getLogger(__name__)

_HEAD_BYTES = 1 << 16
"""The series' identifier stands in the first bytes, before all that is long."""

_MOST_NAMED = 5


def dicom_files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield the DICOM files of a folder, each with its first bytes; nothing else is waited for."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name[:1] != ".")
    except OSError as error:
        raise unreadable(folder, error) from error
    for name in names:
        try:
            head = read_regular(folder / name, _HEAD_BYTES)
        except OSError:
            continue  # a folder, a pipe, or what may not be read
        if is_dicom(head):
            yield folder / name, head


def series_of(path: Path) -> str | None:
    """Return the identifier of the series that a file is of; None where it is of none.

    Neither damaged files nor others than DICOM are.
    """
    if not path.is_file():  # opening a pipe would wait for its writer
        return None
    try:
        if not is_dicom(read_regular(path, MAGIC_END)):
            return None
    except OSError:
        return None
    from slidetile.slides.dicom._instance import Instance

    try:
        return Instance.glance(path).series or None
    except SlideError:
        return None


def slide_in(folder: Path) -> Path | None:
    """Return a file of the only slide in a folder; None if there are no DICOM files.

    Raises
    ------
    FinalRefusalError
        There are several slides, or none among the DICOM files.
    """
    from slidetile.slides.dicom._instance import Instance, counted

    series: dict[str, list[Instance]] = {}
    for path, _ in dicom_files(folder):
        try:
            instance = Instance.glance(path)
        except SlideError as error:
            _log.warning("%s is left out: %s.", as_text(path.name), error)
            continue
        series.setdefault(instance.series or str(path), []).append(instance)
    slides = [found for found in series.values() if any(each.is_level for each in found)]
    if len(slides) == 1:
        return next(each.path for each in slides[0] if each.is_level)
    everything = [each for found in series.values() for each in found]
    if not everything:
        return None
    if not slides:
        raise FinalRefusalError(
            f"{folder} holds no whole slide: its DICOM files are {counted(everything)}."
        )
    named = [f"{as_text(found[0].path.name)} ({how_many(len(found), 'files')})" for found in slides]
    more = ", …" if len(named) > _MOST_NAMED else ""
    raise FinalRefusalError(
        f"{folder} holds {len(slides)} DICOM slides, not one: their series begin with "
        f"{', '.join(named[:_MOST_NAMED])}{more}. Name a file of the one you mean, or tile all "
        "with the command batch."
    )
