"""A region of a DICOM level whose frames are in memory, and their decoding."""

from dataclasses import dataclass, replace

import numpy as np

from slidetile.errors import DamagedPixelsError, one_line
from slidetile.raster.channels import dtype_of, largest_sample
from slidetile.raster.pixels import Colour, Pixels, fill_colour, paste
from slidetile.raster.region import Region
from slidetile.slides.blocks import Decode, reason_of
from slidetile.slides.dicom._frames import Cell, Frames
from slidetile.slides.native import Damaged
from slidetile.slides.slide_file import Extent, held_bytes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DicomPixels:
    """The stored bytes of a region's frames; see `slidetile.slides.fetched.FetchedPixels`."""

    name: str
    """The file and the level, for messages."""

    frames: Frames
    """The level's frames."""

    decode: Decode
    """Decodes one."""

    channels: int
    """Channels of the pixels: 1 or 3."""

    is_inverted: bool
    """Whether 0 is white."""

    region: Region
    """In pixels of the level."""

    fetched: Region
    """The region for which frames were read."""

    stored: dict[Cell, Extent]
    """The bytes that were read of each frame that is stored; see `Frames.held`."""

    is_covered: bool
    """Whether the frames cover the region wholly."""

    background: Colour
    """The colour where nothing is stored, and outside the level."""

    bits: int = 8
    """Bits of a sample that are used."""

    @property
    def nbytes(self) -> int:
        """The bytes held until `pixels` is called."""
        return held_bytes(list(self.stored.values()))

    def crop(self, part: Region) -> "DicomPixels":
        """Return a part with the frames it needs; see `slidetile.slides.fetched.FetchedPixels`."""
        x, y = self.region.x + part.x, self.region.y + part.y
        own = Region(x=x, y=y, width=part.width, height=part.height)
        kept = {cell: self.stored[cell] for cell in self.frames.cells(own) if cell in self.stored}
        return replace(self, region=own, stored=kept)

    def pixels(self, out: Pixels | None = None) -> Pixels:
        """Decode and return the region; see `slidetile.slides.fetched.FetchedPixels`.

        Raises
        ------
        DamagedPixelsError
            A frame does not decode.
        """
        frames, region = self.frames, self.region
        shape = region.height, region.width, self.channels
        canvas = np.empty(shape, dtype_of(self.bits)) if out is None else out
        if not self.is_covered:
            fill_colour(canvas, self.background, self.bits)
        frame = frames.frame_height, frames.frame_width, self.channels
        whole = np.empty(frame, dtype_of(self.bits))
        for cell, extent in self.stored.items():
            held = frames.held(cell, self.fetched)
            scratch = whole[: held.height]
            self._decode(cell, extent, scratch)
            inside = held.intersection(frames.bounds)
            assert inside is not None, "a frame's place begins inside the image"
            pixels = scratch[inside.relative_to(held).slices]
            paste(canvas, pixels, held.x - region.x, held.y - region.y)
        return canvas

    def _decode(self, cell: Cell, extent: Extent, scratch: Pixels) -> None:
        try:
            self.decode(extent, scratch)
        except MemoryError:
            raise  # the frame may be sound
        except Exception as error:  # whatever a decoder raises on damaged data
            raise damaged(cell, self.name, one_line(error), reason_of(error)) from error
        if self.bits < 8 * scratch.itemsize:
            # What lies above them, such as an overlay, is no part of a sample (PS3.5, 8.1.1).
            np.bitwise_and(scratch, scratch.dtype.type(largest_sample(self.bits)), out=scratch)
        if self.is_inverted:
            np.bitwise_xor(scratch, scratch.dtype.type(largest_sample(self.bits)), out=scratch)


def damaged(cell: Cell, name: str, why: str, reason: str) -> DamagedPixelsError:
    """Return the error of a frame that is damaged.

    Parameters
    ----------
    cell
        The frame's place.
    name
        The file and the level.
    why, reason
        What is wrong, and the same in words that are equal for all frames so damaged.
    """
    error = DamagedPixelsError(
        f"Frame column {cell[0]}, row {cell[1]} of {name} does not decode: {why}."
    )
    error.reason = reason
    return error


def sound(cells: list[Cell], read: list[Extent | Damaged | None], name: str) -> dict[Cell, Extent]:
    """Return the frames that are stored.

    Raises
    ------
    DamagedPixelsError
        One of them is damaged.
    """
    stored = {}
    for cell, extent in zip(cells, read, strict=True):
        if isinstance(extent, Damaged):
            raise damaged(cell, name, extent.reason, extent.reason)
        if extent is not None:
            stored[cell] = extent
    return stored
