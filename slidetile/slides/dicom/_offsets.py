"""Where each frame of a DICOM file lies in it (PS3.5, annex A.4): tables, or the items themselves.

An offset table that cannot be true is not believed. What it says is compared once more with each
frame that is read: `payload` takes whole items only.
"""

import logging
from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import SlideReadError
from slidetile.runtime.files import as_text
from slidetile.slides.dicom._elements import ITEM, SEQUENCE_END, UNDEFINED
from slidetile.slides.dicom._rest import PixelData, Rest
from slidetile.slides.native import Damaged
from slidetile.slides.slide_file import Extent, SlideFile

_log = logging.getLogger(__name__)

_ITEM_BYTES = 8
_WINDOW_BYTES = 512
"""Read at a time of a row of items: of each only the beginning is of interest."""

_EMPTY_ITEM = 0xE000FFFE
"""An item without a content, as a number of 8 bytes."""

_HEAD_BYTES = 1 << 16
"""Of a frame so much is read to see which colours it holds, as of a tile of TIFF."""

_START_BYTES = 8
_STARTS = {
    **dict.fromkeys(("jpeg", "jpegls"), (b"\xff\xd8\xff",)),
    "jpeg2000": (b"\xff\x4f\xff", b"\0\0\0\x0cjP  "),
    "rle": tuple(bytes((segments, 0, 0, 0, 64, 0, 0, 0)) for segments in (1, 3)),
}
"""How the images of each codec begin, by at most `_START_BYTES`."""

_FRAGMENTS_A_FRAME = 64

NOWHERE = 1 << 62
"""Where a frame begins that the file does not have."""

_NO_ITEM = Damaged("no whole frame where the file says")


@dataclass(frozen=True, slots=True, eq=False)
class FrameExtents:
    """The bytes of each frame; `NOWHERE` where the file has none."""

    starts: NDArray[np.int64]
    """Where each begins; of a compressed one, its first item."""

    stops: NDArray[np.int64]
    """Where it ends."""

    @property
    def counts(self) -> NDArray[np.int64]:
        """The bytes of each."""
        return self.stops - self.starts


def find_frames(
    file: SlideFile, rest: Rest, count: int, *, kind: str, raw_bytes: int | None
) -> FrameExtents:
    """Return where the frames of a file are.

    Parameters
    ----------
    file, rest
        The file, and what lies behind its header.
    count
        How many frames it has.
    kind
        Their codec; see `Encoding.kind`.
    raw_bytes
        Bytes of an uncompressed frame; None where frames are compressed.

    Raises
    ------
    SlideReadError
        The file could not be read, or its frames cannot be told apart.
    """
    assert rest.pixels is not None, "an image without pixels is refused"
    if raw_bytes is not None:
        return _raw_frames(rest.pixels, count, raw_bytes)
    first, table = _basic_table(file, rest.pixels.start)
    believed = _by_extended(file, rest, first, count) or _by_basic(file, table, first, count)
    if believed is None:
        if rest.offsets or table:
            _log.warning(
                "%s: its offset table cannot be true; the frames were found by their items.",
                as_text(file.path.name),
            )
        believed = _by_items(file, first, count, _STARTS[kind])
    return believed


def first_image(file: SlideFile, pixels: PixelData) -> bytes:
    """Return the first bytes of compressed pixels, those of the first frame that is not empty."""
    at = _basic_table(file, pixels.start)[0]
    while (skipped := _empty_items(_head(file, at))) == _HEAD_BYTES:
        at += skipped
    return _head(file, at + skipped + _ITEM_BYTES)


def _head(file: SlideFile, at: int) -> bytes:
    at = min(at, file.size)
    return file.read(at, min(_HEAD_BYTES, file.size - at))


def _empty_items(data: bytes) -> int:
    """Return the bytes of the items without a content with which data begin."""
    words = np.frombuffer(data, "<u8", len(data) // _ITEM_BYTES)
    others = np.flatnonzero(words != _EMPTY_ITEM)
    return _ITEM_BYTES * int(others[0] if len(others) else len(words))


def payload(extent: Extent) -> Extent | Damaged:
    """Return the bytes of a compressed frame, without the heads of the items that hold them."""
    data, at, stop = extent
    parts: list[tuple[int, int]] = []
    while at < stop:
        if stop - at < _ITEM_BYTES or _tag(data, at) != ITEM:
            return _NO_ITEM
        begin = at + _ITEM_BYTES
        at = begin + int.from_bytes(data[at + 4 : begin], "little")
        parts.append((begin, at))
    if at != stop or not parts:
        return _NO_ITEM
    if len(parts) == 1:
        return data, *parts[0]
    joined = b"".join(data[begin:end] for begin, end in parts)
    return joined, 0, len(joined)


def _raw_frames(pixels: PixelData, count: int, raw_bytes: int) -> FrameExtents:
    if pixels.length is None:
        raise SlideReadError("its uncompressed pixels have no length: it is damaged")
    starts = pixels.start + raw_bytes * np.arange(count, dtype=np.int64)
    stops = starts + raw_bytes
    is_missing = stops > pixels.start + pixels.length
    starts[is_missing] = stops[is_missing] = NOWHERE
    return FrameExtents(starts, stops)


def _basic_table(file: SlideFile, start: int) -> tuple[int, int]:
    """Return where the first frame's first item is, and the length of the table before it."""
    head = file.read(start, min(_ITEM_BYTES, max(0, file.size - start)))
    if len(head) < _ITEM_BYTES:
        return start, 0
    length = int.from_bytes(head[4:], "little")
    if _tag(head, 0) != ITEM or length == UNDEFINED:
        raise SlideReadError("its compressed pixels do not begin with an item: it is damaged")
    return start + _ITEM_BYTES + length, length


def _by_basic(file: SlideFile, length: int, first: int, count: int) -> FrameExtents | None:
    if length != 4 * count or first > file.size:
        return None
    offsets = np.frombuffer(file.read(first - length, length), "<u4").astype(np.int64)
    if not _is_ascending(offsets):
        return None
    starts = first + offsets
    last = _read_items(file, int(starts[-1]), _FRAGMENTS_A_FRAME, ())
    stops = np.append(starts[1:], last.ends[-1] if last.ends else starts[-1])
    return FrameExtents(starts, stops)


def _by_extended(file: SlideFile, rest: Rest, first: int, count: int) -> FrameExtents | None:
    if not count == len(rest.offsets) // 8 == len(rest.lengths) // 8:
        return None
    offsets = np.frombuffer(rest.offsets, "<u8", count)
    lengths = np.frombuffer(rest.lengths, "<u8", count)
    if max(offsets.max(), lengths.max()) > file.size:
        return None
    starts = first + offsets.astype(np.int64)
    own = lengths.astype(np.int64)
    stops = starts + _ITEM_BYTES + own + own % 2  # an item is padded
    overlaps = (stops[:-1] > starts[1:]).any()
    return FrameExtents(starts, stops) if _is_ascending(starts - first) and not overlaps else None


def _is_ascending(offsets: NDArray[np.int64]) -> bool:
    """Return whether frames follow each other from the first item on."""
    return offsets[0] == 0 and bool((np.diff(offsets) >= _ITEM_BYTES).all())


@dataclass(frozen=True, slots=True, eq=False)
class _Items:
    """A row of items."""

    starts: "array[int]"
    ends: "array[int]"

    heads: list[int]
    """The numbers of those that begin as images do."""

    is_closed: bool
    """Whether a delimiter ends them, and not the file or something else."""

    is_broken: bool
    """Whether something else ends them: the last has another length than it says."""

    def are_frames(self, count: int) -> bool:
        """Return whether each is one of so many frames: an image, or nothing at all.

        A frame may lack only where the file was cut short, at its end: where a delimiter follows,
        it may be any that lacks. And a piece that is no image's beginning belongs to the one
        before, so that a frame more lacks than the count tells.
        """
        pieces = len(self.starts)
        filled = sum(
            end - start > _ITEM_BYTES for start, end in zip(self.starts, self.ends, strict=True)
        )
        is_complete = pieces == count or (pieces < count and not self.is_closed)
        return is_complete and len(self.heads) == filled


def _by_items(
    file: SlideFile, first: int, count: int, beginnings: tuple[bytes, ...]
) -> FrameExtents:
    """Find frames by the items: each is one, or begins as an image of its kind does.

    Which frame is which must be certain: where one of several pieces is missing, none is.
    """
    found = _read_items(file, first, _FRAGMENTS_A_FRAME * count, beginnings)
    pieces, heads = len(found.starts), found.heads
    if count == 1:
        heads = [0][:pieces]
    elif found.are_frames(count):
        heads = list(range(pieces))
    elif len(heads) != count or heads[0] != 0:
        raise SlideReadError(
            f"its {pieces} pieces of compressed pixels cannot be told into {count} frames: it is "
            "damaged or was cut short, copy it again"
        )
    starts, stops = np.full((2, count), NOWHERE, np.int64)
    if heads:
        ends = np.array([*heads[1:], pieces]) - 1
        starts[: len(heads)] = np.array(found.starts)[heads]
        stops[: len(heads)] = np.array(found.ends)[ends]
        if found.is_broken:
            stops[len(heads) - 1] += 1  # which `payload` does not take
    return FrameExtents(starts, stops)


def _read_items(file: SlideFile, start: int, most: int, beginnings: tuple[bytes, ...]) -> _Items:
    """Read the heads of items, up to the delimiter, and which begin as images do.

    Raises
    ------
    SlideReadError
        The file could not be read, or has more items than frames could have.
    """
    items = array("q"), array("q")
    heads: list[int] = []
    at, window, begin = start, b"", 0
    while len(items[0]) <= most:
        if not begin <= at <= at + _ITEM_BYTES + _START_BYTES <= begin + len(window):
            size = min(_WINDOW_BYTES, max(0, file.size - at))
            window, begin = file.read(at, size), at
        head = window[at - begin : at - begin + _ITEM_BYTES + _START_BYTES]
        tag = _tag(head, 0) if len(head) >= _ITEM_BYTES else 0
        if tag != ITEM:
            return _Items(
                *items,
                heads,
                is_closed=tag == SEQUENCE_END,
                is_broken=tag != SEQUENCE_END and at < file.size,
            )
        length = int.from_bytes(head[4:_ITEM_BYTES], "little")
        if length and _is_beginning(head[_ITEM_BYTES:], beginnings):
            heads.append(len(items[0]))
        items[0].append(at)
        at += _ITEM_BYTES + length
        items[1].append(at)
    raise SlideReadError(
        f"its compressed pixels are cut into more than {most} pieces: it is damaged"
    )


def _is_beginning(data: bytes, beginnings: tuple[bytes, ...]) -> bool:
    """Return whether an image begins so; of one that is cut by the file's end, whether it may."""
    return any(each.startswith(data[: len(each)]) for each in beginnings)


def _tag(data: bytes, at: int) -> int:
    group, element = data[at : at + 2], data[at + 2 : at + 4]
    return int.from_bytes(group, "little") << 16 | int.from_bytes(element, "little")
