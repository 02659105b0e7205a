"""The compressed frames of a DICOM level, JPEG or JPEG 2000, to be copied without decoding them."""

from slidetile.choices import NativeStream
from slidetile.slides.dicom._encoding import Encoding
from slidetile.slides.dicom._frames import Frames
from slidetile.slides.native import Cells, FileRange
from slidetile.slides.slide_file import Places
from slidetile.slides.streams import JpegStreams, StreamTiles

_SIDES_PX = range(64, 4097)
_NAMES = {"raw": "uncompressed", "jpegls": "JPEG-LS", "rle": "RLE"}
_STREAMS: dict[str, NativeStream] = {"jpeg": "jpeg", "jpeg2000": "jpeg2000"}


def obstacle(frames: Frames, encoding: Encoding) -> str | None:
    """Return why a level's frames cannot be copied, by its header, in a short phrase, or None."""
    if encoding.kind not in _STREAMS:
        return f"its frames are {_NAMES[encoding.kind]}, not JPEG or JPEG 2000"
    if encoding.samples != 3:
        return "one channel"
    if frames.frame_width not in _SIDES_PX or frames.frame_height not in _SIDES_PX:
        return (
            f"frames of {frames.frame_width}×{frames.frame_height} px do not fit: sides are "
            f"{_SIDES_PX.start}–{_SIDES_PX.stop - 1} px"
        )
    return None


class DicomNativeTiles:
    """A level of compressed frames; see `slidetile.slides.native.NativeTiles`."""

    def __init__(self, frames: Frames, encoding: Encoding) -> None:
        self._frames = frames
        self._encoding = encoding
        self._jpegs = encoding.jpegs()
        self.stream = _STREAMS[encoding.kind]
        self.columns = frames.columns
        self.rows = frames.rows
        self.tile_width_px = frames.frame_width
        self.tile_height_px = frames.frame_height

    def fetch(self, tiles: Cells) -> JpegStreams | StreamTiles:
        """Read the stored bytes of frames.

        Raises
        ------
        SlideReadError
            A file could not be read, or ended too early.
        """
        size = self.tile_width_px, self.tile_height_px
        extents = self._frames.read(tiles)
        if self.stream == "jpeg2000":
            ycbcr = self._encoding.states_ycbcr
            return StreamTiles(extents, self.stream, size, states_ycbcr=ycbcr)
        return JpegStreams(extents, self._jpegs, size)

    def places(self, tiles: Cells) -> list[Places]:
        """Return what of the files `fetch` reads of frames."""
        return self._frames.places(tiles)

    def ranges(self, tiles: Cells) -> list[FileRange | None] | None:
        """Return where frames lie; None where one of them is in several fragments."""
        return self._frames.ranges(tiles)

    def stored_bytes(self, tiles: Cells) -> int:
        """Return how many bytes the files store for frames, without reading them."""
        return self._frames.stored_bytes(tiles)
