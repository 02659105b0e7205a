"""Native tiles whose stored bytes are in memory, whatever file they lie in."""

from dataclasses import dataclass

from slidetile.choices import NativeStream
from slidetile.errors import NotNativeError
from slidetile.raster.jpeg2000 import plain_codestream, unlike_pixels
from slidetile.raster.jpeg2000_header import has_transform
from slidetile.raster.stream import StreamError
from slidetile.raster.webp import plain_webp, unlike_rgb
from slidetile.slides.jpeg.segments import Markers
from slidetile.slides.jpeg.tiles import JpegTiles
from slidetile.slides.native import Damaged
from slidetile.slides.slide_file import Extent, held_bytes


@dataclass(frozen=True, slots=True, eq=False)
class JpegStreams:
    """Tiles of JPEG, which need tables or a marker of their colours to stand alone."""

    extents: list[Extent | Damaged | None]
    """Where each tile lies; None if the file stores nothing for it."""

    jpegs: JpegTiles
    """What they share."""

    size: tuple[int, int]
    """(width, height) that each must have."""

    @property
    def nbytes(self) -> int:
        """The bytes held."""
        return held_bytes([each for each in self.extents if isinstance(each, tuple)])

    def streams(self) -> list[bytes | Damaged | None]:
        """Return each tile as a stream; see `slidetile.slides.native.FetchedTiles`."""
        streams: list[bytes | Damaged | None] = []
        native, size = self.jpegs.native, self.size
        held, markers = None, None
        for extent in self.extents:
            if not isinstance(extent, tuple):
                streams.append(extent)
                continue
            data, start, stop = extent
            if data is not held:  # neighbouring tiles are read together, and looked at together
                held, markers = data, Markers(data)
            streams.append(native(data, size, start, stop, markers))
        return streams


@dataclass(frozen=True, slots=True, eq=False)
class StreamTiles:
    """Tiles of JPEG 2000 or WebP, which are streams of their own."""

    extents: list[Extent | Damaged | None]
    """Where each tile lies; None if the file stores nothing for it."""

    stream: NativeStream
    """How tiles are encoded."""

    size: tuple[int, int]
    """(width, height) that each must have."""

    states_ycbcr: bool = False
    """Whether the file says that they hold YCbCr: what their decoder converts can be copied."""

    @property
    def nbytes(self) -> int:
        """The bytes held."""
        return held_bytes([each for each in self.extents if isinstance(each, tuple)])

    def streams(self) -> list[bytes | Damaged | None]:
        """Return each tile as a stream; see `slidetile.slides.native.FetchedTiles`."""
        return [
            self._copied(extent) if isinstance(extent, tuple) else extent for extent in self.extents
        ]

    def _copied(self, extent: Extent) -> bytes | Damaged:
        shape = self.size[1], self.size[0], 3
        try:
            if self.stream == "webp":
                return _webp(extent, shape)
            stream = _jpeg2000(extent, shape)
        except StreamError as error:
            return Damaged(error.reason)
        # Of a damaged one nobody knows what it holds: only whole ones are asked.
        if self.states_ycbcr and not has_transform((stream, 0, len(stream))):
            _refuse("JPEG 2000", "holds YCbCr, which its decoder does not convert")
        return stream


def _jpeg2000(extent: Extent, shape: tuple[int, int, int]) -> bytes:
    _refuse("JPEG 2000", unlike_pixels(extent, shape))
    return plain_codestream(extent)


def _webp(extent: Extent, shape: tuple[int, int, int]) -> bytes:
    data, start, stop = extent
    stream = plain_webp(data[start:stop])
    _refuse("WebP", unlike_rgb(data[start:stop], shape))
    return stream


def _refuse(title: str, unlike: str | None) -> None:
    if unlike is not None:
        raise NotNativeError(
            f'A tile\'s {title} {unlike}. Use the codec "zstd" (or "auto") for this slide.'
        )
