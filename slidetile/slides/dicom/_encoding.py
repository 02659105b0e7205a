"""How the frames of a DICOM image are stored, and what decodes one."""

from dataclasses import dataclass

import imagecodecs
import numpy as np

from slidetile.errors import UnsupportedSlideError
from slidetile.raster.jpeg2000_header import has_transform
from slidetile.raster.pixels import Pixels
from slidetile.slides.blocks import (
    DamagedBlockError,
    Decode,
    jpeg2000_decoder,
    jpeg_decoder,
    raw_samples,
    stored_bytes,
)
from slidetile.slides.dicom._header import EXPLICIT, IMPLICIT
from slidetile.slides.dicom.names import uid_name
from slidetile.slides.jpeg.colour import Model, contradiction
from slidetile.slides.jpeg.segments import parse_header
from slidetile.slides.jpeg.tiles import JpegTiles
from slidetile.slides.native import Damaged
from slidetile.slides.slide_file import Extent
from slidetile.slides.ycbcr import ycbcr_to_rgb

_RGB_TAG, _YCBCR_TAG, _GREY_TAG = 2, 6, 1
"""Values of TIFF's tag 262, in which `JpegTiles` is told what the file says."""

_JPEG_LS_FRAME = b"\xff\xf7"
_JPEG_LS_SCAN = b"\xff\xda"
_RLE_HEAD_BYTES = 64
_PADDING_BYTES = 128
"""What the padding of a segment may decode to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How frames are stored.

    Raises
    ------
    UnsupportedSlideError
        In a way that is not decoded.
    """

    syntax: str
    """The transfer syntax, by its identifier."""

    photometric: str
    """What the file says that samples are."""

    samples: int
    """Samples of each pixel: 1 or 3."""

    is_planar: bool
    """Whether, in uncompressed frames, each sample has a plane of its own."""

    bits: int = 8
    """Bits of a sample that are used: 8, or 9–16 of 16."""

    def __post_init__(self) -> None:
        if self.syntax not in _KINDS:
            raise UnsupportedSlideError(
                f"its frames are stored as {uid_name(self.syntax)}, which is not decoded"
            )
        if self.kind == "jpeg" and self.bits > 8:
            raise UnsupportedSlideError(f"its JPEG holds {self.bits} bits a sample")
        if self.is_raw and self.photometric == "YBR_FULL_422":
            raise UnsupportedSlideError("its uncompressed colours have a lower resolution")

    @property
    def kind(self) -> str:
        """The codec: "raw", "jpeg", "jpeg2000", "jpegls" or "rle"."""
        return _KINDS[self.syntax]

    @property
    def is_raw(self) -> bool:
        """Whether frames are not compressed."""
        return self.kind == "raw"

    @property
    def is_inverted(self) -> bool:
        """Whether 0 is white."""
        return self.photometric == "MONOCHROME1"

    @property
    def is_ycbcr(self) -> bool:
        """Whether the file says that samples are YCbCr, in any of its ways."""
        return self.photometric.startswith("YBR")

    def jpegs(self) -> JpegTiles:
        """Return what makes JPEG frames stand alone."""
        colours = _YCBCR_TAG if self.is_ycbcr else _RGB_TAG
        return JpegTiles(tables=None, photometric=_GREY_TAG if self.samples == 1 else colours)

    def decoder(self) -> Decode:
        """Return the function that decodes one frame to grey or RGB."""
        match self.kind:
            case "jpeg":
                return jpeg_decoder(self.jpegs())
            case "jpeg2000":
                return jpeg2000_decoder(states_ycbcr=self.states_ycbcr)
        decode = {"raw": _planar if self.is_planar else _raw, "rle": _rle, "jpegls": _jpegls}
        return _converted(decode[self.kind]) if self.is_ycbcr else decode[self.kind]

    @property
    def states_ycbcr(self) -> bool:
        """Whether JPEG 2000 frames hold YCbCr, where nothing in them is undone by their decoder.

        The reversible transform (YBR_RCT) makes 9 bits of 8, so samples of 8 bits without it in the
        stream can only be RGB.
        """
        return self.is_ycbcr and self.photometric != "YBR_RCT"

    def contradiction(self, frame: bytes) -> str | None:
        """Return what of a frame's colours contradicts the file, and how they are read.

        Parameters
        ----------
        frame
            The frame's first bytes.
        """
        if self.samples != 3:
            return None
        if self.kind == "jpeg":
            header = parse_header(frame)
            if isinstance(header, Damaged) or header.frame is None:
                return None
            tagged: Model = "YCbCr" if self.is_ycbcr else "RGB"
            told = contradiction(header, header.frame, tagged)
            return None if told is None else told.replace(tagged, self.photometric, 1)
        is_jpeg2000 = self.kind == "jpeg2000" and frame.startswith(b"\xff\x4f")
        return _jpeg2000_contradiction(self.photometric, frame) if is_jpeg2000 else None


_KINDS = {
    **dict.fromkeys((IMPLICIT, EXPLICIT), "raw"),
    **dict.fromkeys(("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"), "jpeg"),
    **dict.fromkeys(("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"), "jpegls"),
    **dict.fromkeys(("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"), "jpeg2000"),
    "1.2.840.10008.1.2.5": "rle",
}


def _image(out: Pixels) -> Pixels:
    """Return the array as image libraries shape it: grey without an axis of channels."""
    return out[..., 0] if out.shape[2] == 1 else out


def _jpeg2000_contradiction(photometric: str, frame: bytes) -> str | None:
    transformed = has_transform((frame, 0, len(frame)))
    if photometric in ("YBR_ICT", "YBR_RCT") and not transformed:
        model = "YCbCr" if photometric == "YBR_ICT" else "RGB"
        return f"says {photometric}, but its JPEG 2000 has no transform of its own: read as {model}"
    if photometric in ("YBR_FULL", "YBR_FULL_422") and transformed:
        return f"says {photometric}, but its JPEG 2000 has a transform of its own: read as RGB"
    return None


def _jpegls(extent: Extent, out: Pixels) -> None:
    stream = stored_bytes(extent)
    at = stream.find(_JPEG_LS_FRAME, 0, 1 << 16)
    bits, height, width, samples = (
        int.from_bytes(stream[at + first : at + last])
        for first, last in ((4, 5), (5, 7), (7, 9), (9, 10))
    )
    is_of_type = bits == 8 if out.dtype == np.uint8 else 8 < bits <= 16
    if at < 0 or not is_of_type or (height, width, samples) != out.shape:
        raise DamagedBlockError("its JPEG-LS is of another shape, or none")
    if samples == 1 or _is_interleaved(stream, at):
        imagecodecs.jpegls_decode(stream, out=_image(out))
        return
    planes = np.empty((samples, height, width), np.uint8)
    imagecodecs.jpegls_decode(stream, out=planes)
    out[:] = planes.transpose(1, 2, 0)


def _is_interleaved(stream: bytes, at: int) -> bool:
    """Return whether JPEG-LS has the samples of a pixel or a line together, and no scan for each.

    Parameters
    ----------
    stream
        The stream.
    at
        Where its frame header is.
    """
    while stream[at : at + 1] == b"\xff" and stream[at : at + 2] != _JPEG_LS_SCAN:
        at += 2 + max(2, int.from_bytes(stream[at + 2 : at + 4]))
    components = int.from_bytes(stream[at + 4 : at + 5])
    mode = at + 5 + 2 * components + 1  # behind the components and NEAR (ISO 14495-1, C.2.3)
    return stream[mode : mode + 1] != b"\0"


def _raw(extent: Extent, out: Pixels) -> None:
    out[:] = _samples(extent, out).reshape(out.shape)


def _planar(extent: Extent, out: Pixels) -> None:
    height, width, samples = out.shape
    planes = _samples(extent, out).reshape(samples, height, width)
    out[:] = planes.transpose(1, 2, 0)


def _samples(extent: Extent, out: Pixels) -> Pixels:
    return raw_samples(stored_bytes(extent), out.size, out.dtype.newbyteorder("<"))


def _rle(extent: Extent, out: Pixels) -> None:
    """Decode run lengths (PS3.5, annex G): a segment for each byte of a sample, high first."""
    stream = stored_bytes(extent)
    numbers = np.frombuffer(stream[:_RLE_HEAD_BYTES].ljust(_RLE_HEAD_BYTES, b"\0"), "<u4").tolist()
    size = out.itemsize
    count = out.shape[2] * size
    begins = numbers[1 : 1 + count]
    if numbers[0] != count or begins != sorted(begins) or begins[0] < _RLE_HEAD_BYTES:
        raise DamagedBlockError("its run lengths have another number of segments")
    for segment, (begin, end) in enumerate(zip(begins, [*begins[1:], len(stream)], strict=True)):
        plane = bytearray(out[..., 0].size + _PADDING_BYTES)
        got = len(imagecodecs.packbits_decode(stream[begin:end], out=plane))
        if got < len(plane) - _PADDING_BYTES:
            raise DamagedBlockError("too few samples")
        part = np.frombuffer(plane, np.uint8)[:-_PADDING_BYTES].reshape(out.shape[:2])
        sample, lower = divmod(segment, size)
        if size == 1:
            out[..., sample] = part
        elif lower:
            out[..., sample] |= part
        else:
            out[..., sample] = part.astype(out.dtype) << 8


def _converted(decode: Decode) -> Decode:
    """Return a decoder whose YCbCr becomes RGB."""

    def convert(extent: Extent, out: Pixels) -> None:
        decode(extent, out)
        ycbcr_to_rgb(out)

    return convert
