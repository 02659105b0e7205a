"""A folder of DICOM files as a slide: of how many slides its files are.

pydicom is loaded only where there are any.
"""

from slidetile.cloud.address import Location
from slidetile.counts import how_many
from slidetile.errors import SlideReadError
from slidetile.runtime.files import as_text
from slidetile.slides.dicom._glances import (
    Glances,
    check_known,
    glance_at,
    glances_in,
    is_named_as_dicom,
)
from slidetile.slides.reader import FinalRefusalError, refusal

_MOST_NAMED = 5


def series_of(path: Location) -> str | None:
    """Return the identifier of the series that a slide's file is of; None where it is of none.

    Neither damaged files nor others than DICOM are.
    """
    return glance_at(path).series or None


def is_finer(path: Location, other: Location) -> bool:
    """Return whether a file of a series holds a finer level than another of them."""
    mine, its = glance_at(path), glance_at(other)
    return (mine.is_level, mine.width) > (its.is_level, its.width)


def slide_in(folder: Location) -> Location | None:
    """Return the file of level 0 of the only slide in a folder; None if there are no DICOM files.

    Raises
    ------
    FinalRefusalError
        There are several slides, or none among the DICOM files.
    SlideReadError
        A file cannot be read: it may be the slide's finest level.
    """
    glances = glances_in(folder)
    if not any(glance.kind or is_named_as_dicom(path.name) for path, glance in glances.items()):
        return None
    try:
        check_known(glances)
    except SlideReadError as error:
        raise refusal(error, folder) from error
    return _only_slide(glances, folder)


def _only_slide(glances: Glances, folder: Location) -> Location:
    series: dict[str, list[Location]] = {}
    for path, glance in glances.items():
        if glance.is_slide:
            series.setdefault(glance.series, []).append(path)
    slides = [found for found in series.values() if any(glances[each].is_level for each in found)]
    if len(slides) == 1:
        return max(slides[0], key=lambda each: (glances[each].is_level, glances[each].width))
    if not slides:
        raise FinalRefusalError(
            f"{folder} holds no whole slide: its DICOM files are "
            f"{_counted([glance.kind for glance in glances.values()])}."
        )
    named = [f"{as_text(found[0].name)} ({how_many(len(found), 'files')})" for found in slides]
    more = ", …" if len(named) > _MOST_NAMED else ""
    raise FinalRefusalError(
        f"{folder} holds {len(slides)} DICOM slides, not one: their series begin with "
        f"{', '.join(named[:_MOST_NAMED])}{more}. Name a file of the one you mean, or tile all "
        "with the command batch."
    )


def _counted(kinds: list[str]) -> str:
    from slidetile.slides.dicom._instance import counted

    return counted(kinds)
