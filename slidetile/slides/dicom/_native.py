"""The compressed JPEG frames of a DICOM level, to be copied without decoding them."""

from dataclasses import dataclass

from slidetile.slides.dicom._encoding import Encoding
from slidetile.slides.dicom._frames import Frames
from slidetile.slides.jpeg.segments import Markers
from slidetile.slides.jpeg.tiles import JpegTiles
from slidetile.slides.native import Cells, Damaged
from slidetile.slides.tiff.file import Extent, held_bytes

_SIDES_PX = range(64, 4097)


def is_native(frames: Frames, encoding: Encoding) -> bool:
    """Return whether a level's frames can be copied, by its header."""
    is_fit = frames.frame_width in _SIDES_PX and frames.frame_height in _SIDES_PX
    return is_fit and encoding.kind == "jpeg" and encoding.samples == 3


@dataclass(frozen=True, slots=True, eq=False)
class DicomTiles:
    """Frames whose stored bytes are in memory."""

    extents: list[Extent | Damaged | None]
    jpegs: JpegTiles
    size: tuple[int, int]

    @property
    def nbytes(self) -> int:
        """The bytes held."""
        return held_bytes([each for each in self.extents if isinstance(each, tuple)])

    def streams(self) -> list[bytes | Damaged | None]:
        """Return each frame as a JPEG stream; see `slidetile.slides.native.FetchedTiles`."""
        streams: list[bytes | Damaged | None] = []
        held, markers = None, None
        for extent in self.extents:
            if not isinstance(extent, tuple):
                streams.append(extent)
                continue
            data, start, stop = extent
            if data is not held:  # neighbouring frames are read together, and looked at together
                held, markers = data, Markers(data)
            streams.append(self.jpegs.native(data, self.size, start, stop, markers))
        return streams


class DicomNativeTiles:
    """A level of JPEG frames; see `slidetile.slides.native.NativeTiles`."""

    def __init__(self, frames: Frames, encoding: Encoding) -> None:
        self._frames = frames
        self._jpegs = encoding.jpegs()
        self.columns = frames.columns
        self.rows = frames.rows
        self.tile_width_px = frames.frame_width
        self.tile_height_px = frames.frame_height

    def fetch(self, tiles: Cells) -> DicomTiles:
        """Read the stored bytes of frames.

        Raises
        ------
        SlideReadError
            A file could not be read, or ended too early.
        """
        size = self.tile_width_px, self.tile_height_px
        return DicomTiles(self._frames.read(tiles), self._jpegs, size)

    def stored_bytes(self, tiles: Cells) -> int:
        """Return how many bytes the files store for frames, without reading them."""
        return self._frames.stored_bytes(tiles)
