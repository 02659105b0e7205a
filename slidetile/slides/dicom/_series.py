"""The files of a folder that make one slide: those of a series, levels and parts of levels.

Knows headers. Does not know how frames are stored.
"""

import functools
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from slidetile.cloud.address import Location
from slidetile.errors import SlideError, SlideReadError, UnsupportedSlideError
from slidetile.runtime.files import as_text
from slidetile.slides.dicom import _header as dicom
from slidetile.slides.dicom._glances import check_known, glances_in
from slidetile.slides.dicom._instance import Instance, counted
from slidetile.slides.dicom.file import WHOLE_SLIDE, class_of
from slidetile.slides.dicom.names import class_name
from slidetile.slides.limits import check_size
from slidetile.slides.open_file import file_head
from slidetile.slides.reader import HEAD_BYTES, FinalRefusalError

_log = logging.getLogger(__name__)

_MOST_FILES = 4096
"""Most files of a series; a level of 100 GB in parts of 100 MB has a thousand."""

_ASPECT = 0.01


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LevelParts:
    """An image of a series: one file, or several of which each has some of the frames."""

    parts: tuple[Instance, ...]
    """The files, in the order of their frames."""

    @property
    def first(self) -> Instance:
        """The file that has the first frame."""
        return self.parts[0]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the image."""
        return self.first.size

    @property
    def area(self) -> int:
        """Pixels of the image."""
        return self.size[0] * self.size[1]

    @property
    def frames(self) -> int:
        """Frames of all parts."""
        return sum(part.frames for part in self.parts)

    def check(self) -> None:
        """Check that the parts are all there and of one kind, and each can be read."""
        expected = 0
        for part in self.parts:
            part.check()
            if part.first_frame != expected:
                raise SlideReadError(
                    f"frames {expected} to {part.first_frame - 1} of its {self.size[0]}×"
                    f"{self.size[1]} image are in a file that is not here: it was cut into several "
                    "(a concatenation), so copy all of them into one folder"
                )
            expected += part.frames
            if _layout(part) != _layout(self.first):
                raise SlideReadError(
                    f"the parts of its {self.size[0]}×{self.size[1]} image do not fit together: "
                    "copy them again"
                )
        count = self.first.header.number(dicom.PART_COUNT, len(self.parts))
        if len(self.parts) < count:
            raise SlideReadError(
                f"its {self.size[0]}×{self.size[1]} image was cut into {count} files (a "
                f"concatenation), of which {len(self.parts)} are here: copy all into one folder"
            )


def read_levels(path: Location) -> tuple[LevelParts, ...]:
    """Return the levels of the slide that a file belongs to, finest first.

    Raises
    ------
    FinalRefusalError
        It is of no whole slide, or something of it would be lost.
    UnsupportedSlideError
        It is stored in an unknown way.
    SlideReadError
        A file could not be read, or is damaged.
    """
    _check_class(path)
    named = Instance.read(path)
    if not named.sop_class:
        raise SlideReadError("its header does not say what it holds: it is damaged, copy it again")
    if not named.is_slide:
        raise _other_class(named.sop_class)
    instances = {named.path: named, **{each.path: each for each in _others(named)}}
    ordered = [instances[each] for each in sorted(instances)]
    found = [instance for instance in ordered if instance.is_level]
    if not found:
        kinds = counted([each.kind for each in ordered])
        raise FinalRefusalError(
            f"its series holds no scanned image (VOLUME), but {kinds}: name a file of the slide's "
            "own series, and copy all files of that into one folder"
        )
    images = sorted(_images(found), key=lambda image: -image.area)
    for image in images:  # or which is the finest is not known
        _check(functools.partial(check_size, *image.size), image, named)
    _check_sizes(images)
    _check(images[0].check, images[0], named)
    return images[0], *_usable(images, named)


def _check_class(path: Location) -> None:
    """Check what a file says before its header, which may be no image's."""
    stated = class_of(file_head(path, HEAD_BYTES))
    if stated is not None and stated != WHOLE_SLIDE:
        raise _other_class(stated)


def _other_class(sop_class: str) -> FinalRefusalError:
    return FinalRefusalError(
        f"it is a DICOM file of the class {class_name(sop_class)}, not a whole slide (VL Whole "
        "Slide Microscopy Image); name a file of the slide itself"
    )


def _layout(instance: Instance) -> tuple[object, ...]:
    """Return what the parts of one image have in common."""
    kind = instance.header.syntax, instance.samples, instance.bits, instance.photometric
    return instance.size, instance.frame_size, instance.is_sparse, *kind


def _images(instances: Iterable[Instance]) -> Iterator[LevelParts]:
    """Yield the images, each from its parts; of copies of a file the first counts."""
    unique: dict[str, Instance] = {}
    for instance in instances:
        _check_copy(instance, unique.setdefault(instance.sop_instance, instance))
    by_image = sorted(unique.values(), key=lambda each: (each.concatenation, each.first_frame))
    for _, parts in groupby(by_image, key=lambda each: each.concatenation):
        yield LevelParts(parts=tuple(parts))


def _check_copy(copy: Instance, first: Instance) -> None:
    """Check that two files that say they are one object are copies: or one image would be lost."""
    if _extent(copy) != _extent(first):
        raise SlideReadError(
            f"{as_text(first.path.name)} and {as_text(copy.path.name)} say that they are one image "
            f"(SOP Instance UID), but are {_told_extent(first)} and {_told_extent(copy)}: move the "
            "one that is not the slide's elsewhere, or export both again"
        )


def _extent(instance: Instance) -> tuple[tuple[int, int], str, int]:
    return instance.size, instance.header.text(dicom.FRAMES), instance.state.size


def _told_extent(instance: Instance) -> str:
    (width, height), frames, size = _extent(instance)
    return f"{width}×{height} pixels in {frames or 1} frames ({size:,} bytes)"


def _check_sizes(images: list[LevelParts]) -> None:
    """Check that there is one image of each size: several are depths or channels of one."""
    for size, same in groupby(images, key=lambda image: image.size):
        if (count := len(list(same))) > 1:
            raise FinalRefusalError(
                f"its series holds {count} images of {size[0]}×{size[1]} pixels (depths, channels "
                "or times); slidetile reads one: move the files of the others elsewhere"
            )


def _check(check: Callable[[], None], image: LevelParts, named: Instance) -> None:
    """Check an image; its error names the file, where that is not the one that was given."""
    try:
        check()
    except (SlideReadError, UnsupportedSlideError) as error:
        if any(part.path == named.path for part in image.parts):
            raise
        name = as_text(image.first.path.name)
        raise type(error)(f"{name}, a file of its series: {error}") from error


def _usable(images: list[LevelParts], named: Instance) -> Iterator[LevelParts]:
    """Yield the coarser levels that can be read; a warning names the others."""
    finest = images[0]
    for image in images[1:]:
        try:
            _check(image.check, image, named)
            _check(functools.partial(_check_proportions, image, finest), image, named)
        except UnsupportedSlideError as error:
            _log.warning("A coarser level is left out: %s.", error)
            continue
        yield image


def _check_proportions(image: LevelParts, finest: LevelParts) -> None:
    (width, height), whole = image.size, finest.size
    expected = whole[1] * width / whole[0]
    if width >= whole[0] or abs(height - expected) > max(2, _ASPECT * expected):
        raise UnsupportedSlideError(
            f"its {width}×{height} pixels are not those of {whole[0]}×{whole[1]}, made smaller"
        )
    own, other = image.first, finest.first
    if (own.samples, own.bits) != (other.samples, other.bits):
        raise UnsupportedSlideError("it has other channels or bits than the finest")


def _others(named: Instance) -> Iterator[Instance]:
    """Yield the other files of a file's series in its folder."""
    glances, count = glances_in(named.path.parent), 0
    check_known(glances)
    for path, glance in glances.items():
        if path.name == named.path.name or not named.series or glance.series != named.series:
            continue
        try:
            other = Instance.read(path)
        except SlideError as error:  # it may hold the finest level, so none is taken for that
            raise SlideReadError(
                f"{as_text(path.name)}, a file of its series, cannot be read: {error}"
            ) from error
        if other.series != named.series or not other.is_slide:
            continue
        if (count := count + 1) > _MOST_FILES:
            raise SlideReadError(f"its series has more than {_MOST_FILES} files")
        yield other
