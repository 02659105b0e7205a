"""Writing a store as a DICOM series: of each level the frames, then the head in front of them."""

import os
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slidetile.cloud.address import Location
from slidetile.export.appended import Appended
from slidetile.export.dicom._attributes import digest_of, read_attributes
from slidetile.export.dicom._frames import as_item, check_fits, level_frames
from slidetile.export.dicom._header import VERSION_NAME, Level, Series, header
from slidetile.export.dicom._places import Geometry, per_frame
from slidetile.export.dicom.spec import DicomExport
from slidetile.export.exported import UNREADABLE_TILES, Exported
from slidetile.export.ordered import Workshop
from slidetile.export.provenance import provenance, settings_of
from slidetile.export.unfinished import Unfinished, local_place, refuse_replacing, tidy_up
from slidetile.store.store import TileStore
from slidetile.writing.options import OnProgress

_SERIES = "series"

LARGEST_BASIC_BYTES = 1 << 31
"""Frames of more pixels than this may lie beyond what the 32 bits of a basic offset table reach."""

_ENDS = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)

_MARKED_BYTES = 1024
"""A file begins with what tells whose it is, and which instance."""

_NO_PROFILE = "the slide has no colour profile, and DICOM wants one: its colours are stated as sRGB"


def write(
    store: TileStore,
    place: Location,
    spec: DicomExport,
    *,
    on_progress: OnProgress | None = None,
    workers: int | None = None,
) -> Exported:
    """Write the folder of the series; an interrupted run is continued.

    Raises
    ------
    UnfitChoiceError
        The store cannot be a DICOM series, an attribute cannot be, or the place is in a bucket.
    StoreError
        The store is damaged, or was replaced.
    OSError
        The files cannot be written.
    """
    folder = local_place(place, "a DICOM series")
    tidy_up(folder, _SERIES)
    check_fits(store, spec)
    attributes = read_attributes(spec.dicom_attributes)
    facts = provenance(store, "dicom", settings_of(spec), anonymous=spec.anonymous)
    facts["attributes"] = digest_of(attributes)
    series = Series(store=store, facts=facts, attributes=attributes, is_anonymous=spec.anonymous)
    numbers = range(len(store.levels))
    levels = [level for number in numbers if (level := _level(store, number, spec)) is not None]
    frames = sum(len(level.cells) for level in levels)
    notes = (_NO_PROFILE,) if len(store.channels) == 3 and not series.profile[1] else ()
    exported = Exported(
        path=folder,
        kind="dicom",
        size_bytes=0,
        counts={"tiles": len(store), "files": len(levels), "frames": frames},
        left_out={UNREADABLE_TILES: store.unreadable} if store.unreadable else {},
        notes=notes,
    )
    if spec.existing != "overwrite" and _is_of(folder, series, levels):
        size = sum(path.stat().st_size for path in folder.glob("*.dcm"))
        return replace(exported, size_bytes=size, already_done=True)
    refuse_replacing(folder, spec.existing, "a DICOM series", _is_series)
    shop = Workshop(
        store, frames, on_progress=on_progress, workers=workers, memory_bytes=spec.memory_bytes
    )
    with Unfinished(folder, facts, spec.existing) as unfinished:
        size = sum(_write(unfinished, series, level, shop) for level in levels)
        store.check()
        refuse_replacing(folder, spec.existing, "a DICOM series", _is_series)
        unfinished.finish(_SERIES, durable=spec.durable)
    return replace(exported, size_bytes=size)


def _level(store: TileStore, number: int, spec: DicomExport) -> Level | None:
    """Return a level with its frames; None where it has none."""
    cells = list(store.stored_chunks(number))
    if not cells:
        return None
    grid, downsample = store.grid(number), store.levels[number].downsample
    assert store.mpp is not None, "it has been checked"
    across, down = (m * d / 1000 for m, d in zip(store.mpp, downsample, strict=True))
    width, height = store.levels[0].size
    # All levels have the same corner; their first pixels' centres lie half a pixel inside it.
    origin = height * store.mpp[1] / 1000 - down / 2, width * store.mpp[0] / 1000 - across / 2
    return Level(
        number=number,
        cells=cells,
        frames=level_frames(store, number, cells, spec),
        geometry=Geometry(
            frame=(grid.chunk_width, grid.chunk_height),
            spacing_mm=(across, down),
            origin_mm=origin,
        ),
    )


def _write(unfinished: Unfinished, series: Series, level: Level, shop: Workshop) -> int:
    """Write the file of a level, or what an interrupted run has not; return its length."""
    folder = unfinished.folder / _SERIES
    folder.mkdir(exist_ok=True)
    name = _name(level)
    nowhere = np.zeros((len(level.cells), 2), np.uint64)
    head_bytes = len(_head(series, level, nowhere))
    with Appended(folder / name, unfinished.folder / f"{name}.parts", head_bytes) as file:
        shop.skip(file.done)
        for stream in shop.made(level.cells[file.done :], level.frames.make):
            file.append(as_item(stream))
            unfinished.check()
            shop.tell(len(stream))
        return file.finish(_head(series, level, file.parts()), _ENDS)


def _head(series: Series, level: Level, parts: NDArray[np.uint64]) -> bytes:
    """Return all of the file before the first frame; its length does not depend on the places."""
    return b"".join(
        (
            header(series, level, parts),
            per_frame(level.geometry, level.cells),
            *_offset_tables(series.store, level, parts),
        )
    )


def _offset_tables(store: TileStore, level: Level, parts: NDArray[np.uint64]) -> tuple[bytes, ...]:
    """Return where frames lie, and the beginning of the pixel data.

    A basic offset table where its 32 bits reach far enough, else an extended one.
    """
    offsets = (parts[:, 0] - parts[0, 0]).astype("<u8")
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    item = struct.pack("<HH", 0xFFFE, 0xE000)
    width, height = level.geometry.frame
    pixel_bytes = len(level.cells) * width * height * len(store.channels) * store.dtype.itemsize
    if pixel_bytes < LARGEST_BASIC_BYTES:
        table = offsets.astype("<u4").tobytes()
        return pixels, item, struct.pack("<I", len(table)), table
    lengths = (np.maximum(parts[:, 1], 8) - np.uint64(8)).astype("<u8").tobytes()
    extended = [
        struct.pack("<HH2sHI", 0x7FE0, number, b"OV", 0, len(table)) + table
        for number, table in ((1, offsets.tobytes()), (2, lengths))
    ]
    return *extended, pixels, item, bytes(4)


def _name(level: Level) -> str:
    return f"level-{level.number}.dcm"


def _is_of(folder: Path, series: Series, levels: list[Level]) -> bool:
    """Return whether a folder holds this very series, whose UIDs follow from what it is made of."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    instances = {_name(level): series.uid("instance", level.number) for level in levels}
    found = {path.name: path for path in folder.glob("*.dcm")}  # systems leave notes beside them
    return found.keys() == instances.keys() and all(
        _is_whole(found[name], uid) for name, uid in instances.items()
    )


def _is_whole(path: Path, uid: str) -> bool:
    """Return whether a file of ours is the instance of a UID, and has its end."""
    if not _is_ours(path):
        return False
    with path.open("rb") as file:
        is_same = uid.encode() in file.read(_MARKED_BYTES)
        file.seek(-len(_ENDS), os.SEEK_END)
        return is_same and file.read() == _ENDS


def _is_series(folder: Path) -> bool:
    """Return whether a folder holds nothing but files of ours."""
    return folder.is_dir() and all(map(_is_ours, folder.iterdir()))


def _is_ours(path: Path) -> bool:
    if path.is_symlink() or not path.is_file() or path.suffix != ".dcm":
        return False
    with path.open("rb") as file:
        head = file.read(_MARKED_BYTES)
    return head[128:132] == b"DICM" and VERSION_NAME.encode() in head
