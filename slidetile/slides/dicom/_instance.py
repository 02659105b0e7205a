"""One file of a DICOM series: what its header says of its image. Knows no other file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from slidetile.cloud.address import Location
from slidetile.counts import how_many
from slidetile.errors import SlideReadError, UnsupportedSlideError
from slidetile.slides.dicom import _header as dicom
from slidetile.slides.dicom._elements import LEAST_FRAME_BYTES, MOST_FRAMES
from slidetile.slides.dicom._encoding import Encoding
from slidetile.slides.dicom._header import Header, read_header
from slidetile.slides.dicom._offsets import first_image
from slidetile.slides.dicom._rest import Rest, read_rest
from slidetile.slides.dicom._stream import HeaderStream
from slidetile.slides.dicom.file import WHOLE_SLIDE
from slidetile.slides.dicom.names import class_name
from slidetile.slides.file_state import AnyState
from slidetile.slides.limits import check_block, check_size
from slidetile.slides.open_file import open_file
from slidetile.slides.reader import FinalRefusalError
from slidetile.slides.samples import check_kind
from slidetile.slides.slide_file import SlideFile

_GREY, _COLOUR = ("MONOCHROME1", "MONOCHROME2"), ("RGB", "YBR_FULL", "YBR_FULL_422")
_JPEG2000_COLOUR = ("YBR_ICT", "YBR_RCT")
_FLAVORS = frozenset({"VOLUME", "LABEL", "OVERVIEW", "THUMBNAIL", "LOCALIZER"})
_CODES = frozenset({*_GREY, *_COLOUR, *_JPEG2000_COLOUR, "PALETTE COLOR", "HSV", "ARGB", "CMYK"})
"""What may be quoted: a field that is filled with something else may name a patient."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Instance:
    """A file of a series, by its header."""

    path: Location
    """The file."""

    state: AnyState
    """What the file was as its header was read."""

    sop_class: str
    """What kind of object it holds, by its identifier."""

    sop_instance: str
    """Which object it is: equal in copies of a file; the path, where it does not say."""

    series: str
    """Which series it is of."""

    flavor: str
    """What its image shows: "VOLUME", "LABEL", "OVERVIEW", "THUMBNAIL"; empty if unknown."""

    header: Header
    """All that is read of its header."""

    rest: Rest
    """What lies behind the header; empty where it is no level of a slide."""

    frame_head: bytes = b""
    """The first bytes of the first frame that has any, where frames are compressed; of a later part
    of an image, nothing."""

    @classmethod
    def of(cls, path: Location, state: AnyState, header: Header) -> Self:
        """Return a file by its header alone."""
        kinds = header.text(dicom.IMAGE_TYPE).split("\\")
        return cls(
            path=path,
            state=state,
            sop_class=header.text(dicom.SOP_CLASS),
            sop_instance=header.text(dicom.SOP_INSTANCE) or str(path),
            series=header.text(dicom.SERIES),
            flavor=kinds[2].strip() if len(kinds) > 2 else "",
            header=header,
            rest=Rest(),
        )

    @classmethod
    def read(cls, path: Location) -> Self:
        """Read a file's header; of what is no level, only so much as says so.

        Raises
        ------
        SlideReadError
            The file could not be read, or is damaged.
        UnsupportedSlideError
            It is stored in a way that is not read.
        """
        file = open_file(path)
        try:
            stream = HeaderStream(file)
            instance = cls.of(path, file.state, read_header(stream))
            if not instance.is_level:
                return instance
            rest = read_rest(stream, is_implicit=instance.header.is_implicit)
            head = b"" if instance.first_frame else _frame_head(file, rest)
            return replace(instance, rest=rest, frame_head=head)
        finally:
            file.close()

    @classmethod
    def glance(cls, path: Location, state: AnyState | None = None) -> Self:
        """Read so much of a file's header as says what it is; raises as `read` does."""
        file = open_file(path, state=state)
        try:
            stream = HeaderStream(file)
            instance = cls.of(path, file.state, read_header(stream, last=dicom.TOTAL_ROWS))
            if stream.tell() >= file.size:
                raise SlideReadError("it ends within its header: it was cut short")
            return instance
        finally:
            file.close()

    @property
    def is_slide(self) -> bool:
        """Whether it is of a whole slide, be it a level, a label or an overview."""
        return self.sop_class == WHOLE_SLIDE

    @property
    def is_level(self) -> bool:
        """Whether its image is scanned tissue, and not the whole glass."""
        return self.is_slide and self.flavor == "VOLUME"

    @property
    def kind(self) -> str:
        """What it holds, for people."""
        if not self.is_slide:
            return f"{class_name(self.sop_class)} file"
        return f"{self.flavor if self.flavor in _FLAVORS else 'unnamed'} image"

    @property
    def concatenation(self) -> str:
        """Which object it is a part of; its own identifier where it is whole."""
        return self.header.text(dicom.CONCATENATION) or self.sop_instance

    @property
    def first_frame(self) -> int:
        """The number of its first frame in the whole object."""
        return self.header.number(dicom.FRAME_OFFSET)

    @property
    def frames(self) -> int:
        """The number of its frames."""
        return self.header.number(dicom.FRAMES, 1)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the whole image."""
        header = self.header
        return header.number(dicom.TOTAL_COLUMNS), header.number(dicom.TOTAL_ROWS)

    @property
    def frame_size(self) -> tuple[int, int]:
        """(width, height) of every frame."""
        return self.header.number(dicom.COLUMNS), self.header.number(dicom.ROWS)

    @property
    def samples(self) -> int:
        """Samples of each pixel."""
        return self.header.number(dicom.SAMPLES)

    @property
    def photometric(self) -> str:
        """What its samples are, such as "RGB" or "YBR_FULL_422"."""
        return self.header.text(dicom.PHOTOMETRIC)

    @property
    def is_sparse(self) -> bool:
        """Whether each frame states its place, and some may be missing."""
        stated = self.header.text(dicom.ORGANIZATION)
        return stated == "TILED_SPARSE" or (not stated and len(self.rest.places.corners) > 0)

    @property
    def encoding(self) -> Encoding:
        """How its frames are stored; raises UnsupportedSlideError where none is known."""
        return Encoding(
            syntax=self.header.syntax,
            photometric=self.photometric,
            samples=self.samples,
            is_planar=self.header.number(dicom.PLANAR) == 1,
            bits=self.bits,
        )

    @property
    def bits(self) -> int:
        """Bits of a sample: 8, or those that are used of 16."""
        return self.header.number(dicom.STORED) if self._sample_bytes > 1 else 8

    @property
    def _sample_bytes(self) -> int:
        return 2 if self.header.number(dicom.ALLOCATED) == 16 else 1

    @property
    def raw_bytes(self) -> int | None:
        """Bytes of an uncompressed frame; None where frames are compressed."""
        width, height = self.frame_size
        return width * height * self.pixel_bytes if self.encoding.is_raw else None

    @property
    def is_rows(self) -> bool:
        """Whether a frame is rows of whole pixels, of which some can be read alone."""
        return self.encoding.is_raw and (self.samples == 1 or not self.encoding.is_planar)

    @property
    def pixel_bytes(self) -> int:
        """Bytes of a decoded pixel."""
        return self.samples * self._sample_bytes

    @property
    def mpp(self) -> tuple[float, float] | None:
        """Micrometres per pixel, as (x, y): the file has mm, of the rows first."""
        for measures in self.header.items(dicom.SHARED, dicom.MEASURES):
            spacing = measures.numbers(dicom.SPACING)
            if len(spacing) == 2:
                return spacing[1] * 1000, spacing[0] * 1000
        return None

    @property
    def objective_power(self) -> float | None:
        """The objective's nominal magnification."""
        for path in self.header.items(dicom.OPTICAL_PATHS):
            for power in path.numbers(dicom.OBJECTIVE_POWER):
                if 0 < power < 1e6:
                    return power
        return None

    @property
    def icc_profile(self) -> bytes | None:
        """The embedded colour profile."""
        for path in self.header.items(dicom.OPTICAL_PATHS):
            return path.data(dicom.ICC_PROFILE) or None
        return None

    def check(self) -> None:
        """Check that it can be read, and nothing of it would be lost as 8-bit grey or colour.

        Raises
        ------
        FinalRefusalError
            Something would be lost, or it is larger than any slide.
        UnsupportedSlideError
            Its pixels are stored in an unknown way.
        SlideReadError
            It is damaged.
        """
        self._check_planes()
        self._check_samples()
        _ = self.encoding  # which checks itself
        check_size(*self.size)
        width, height = self.frame_size
        if min(width, height) < 1:
            raise SlideReadError(f"its frames are {width}×{height} pixels: it is damaged")
        check_block(width, height, self.pixel_bytes, "frames")
        if self.rest.pixels is None:
            raise SlideReadError("it holds no pixels: it was cut short, copy it again")
        most = min(MOST_FRAMES, self.state.size // LEAST_FRAME_BYTES)
        if not 0 < self.frames <= most:
            raise SlideReadError(
                f"it claims {self.frames} frames, in a file of {self.state.size} bytes: it is "
                "damaged or was cut short, copy it again"
            )

    def _check_planes(self) -> None:
        depths = self.header.number(dicom.FOCAL_PLANES, 1)
        listed = len(list(self.header.items(dicom.OPTICAL_PATHS)))
        paths = max(self.header.number(dicom.PATH_COUNT), listed, len(self.rest.places.paths), 1)
        for count, what in ((depths, "focal planes (depths)"), (paths, "optical paths (channels)")):
            if count > 1:
                raise FinalRefusalError(
                    f"its image is spread over {count} {what}; slidetile reads one grey or RGB "
                    "image: extract the one you need"
                )

    def _check_samples(self) -> None:
        header = self.header
        stored, allocated = header.number(dicom.STORED), header.number(dicom.ALLOCATED)
        signed = bool(header.number(dicom.SIGNED))
        check_kind(stored if signed else allocated, "signed" if signed else "unsigned")
        high = header.number(dicom.HIGH_BIT, stored - 1)
        if not (stored, allocated) == (8, 8) and not (8 < stored <= allocated == 16):
            raise UnsupportedSlideError(f"its samples have {stored} of {allocated} bits")
        if high != stored - 1:
            raise UnsupportedSlideError(
                f"the highest of the {stored} bits of its samples is the {high}th, not the last"
            )
        if allocated > 8 and self.samples > 1:
            raise FinalRefusalError(
                f"its colours have {stored} bits, and slidetile reads DICOM's colours of 8: save "
                "them as OME-TIFF, which keeps them"
            )
        needed = {1: _GREY, 3: (*_COLOUR, *_JPEG2000_COLOUR)}.get(self.samples, ())
        if self.photometric not in needed:
            # Only codes that are known are quoted: a field may be filled with anything.
            held = self.photometric if self.photometric in _CODES else "no known colours"
            raise UnsupportedSlideError(
                f"it holds {held} in {self.samples} samples a pixel, not grey, RGB or YCbCr"
            )


def counted(kinds: Sequence[str]) -> str:
    """Return how many files there are of each kind, in words."""
    named = (how_many(kinds.count(kind), f"{kind}s") for kind in dict.fromkeys(kinds))
    return " and ".join(named)


def _frame_head(file: SlideFile, rest: Rest) -> bytes:
    if rest.pixels is None or rest.pixels.length is not None:
        return b""
    return first_image(file, rest.pixels)
