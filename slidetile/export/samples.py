"""Windows as samples: an encoded image each, and what is known of it.

Knows windows, chunks that can be copied, and encoders. Does not know tar.
"""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import ColorName, UnfitChoiceError
from slidetile.export.placed_windows import PlacedWindows
from slidetile.export.provenance import store_name
from slidetile.export.window_choice import ImageName
from slidetile.raster.pixels import Pixels
from slidetile.runtime import memory
from slidetile.runtime.cpus import worker_count
from slidetile.runtime.threads import AHEAD_PER_WORKER, map_in_order
from slidetile.store.store import TileStore

_JPEG = b"\xff\xd8\xff"

_ENDINGS = {"jpeg": "jpg", "png": "png", "npy": "npy"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A window as it is written."""

    place: tuple[int, int]
    """(x, y) where it begins, in level-0 pixels of the slide."""

    ending: str
    """How the name of its image ends."""

    image: bytes
    """The image."""

    is_copied: bool
    """Whether the image is a chunk of the store, undecoded."""

    facts: dict[str, Any]
    """What is known of it, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """All windows of an export, to begin with any of them."""

    store: TileStore
    """Where they come from."""

    placed: PlacedWindows
    """Where they lie."""

    image: ImageName
    """How they are encoded."""

    quality: int
    """Quality of encoded JPEGs."""

    class_shares: Mapping[str, NDArray[np.float64]]
    """[window]: the share of each class of the store's labels that has an area."""

    class_counts: Mapping[str, NDArray[np.int64]]
    """[window]: how many points of each class that has some."""

    of_slide: Mapping[str, str | None]
    """What all samples say of the slide and the store."""

    level: int | None
    """The level whose chunks windows of this size and resolution are; None where there is none."""

    @classmethod
    def of(
        cls,
        store: TileStore,
        placed: PlacedWindows,
        *,
        image: ImageName,
        quality: int,
        color: ColorName | None,
    ) -> Self:
        """Return the samples of windows.

        Raises
        ------
        UnfitChoiceError
            The image cannot hold the store's samples.
        """
        _check_image(store, image)
        may_copy = image == "jpeg" and color is None and store.codec in ("native", "jpeg")
        level = _level_of_chunks(store, placed) if may_copy else None
        shares, counts = _of_classes(store, placed)
        return cls(
            store=store,
            placed=placed,
            image=image,
            quality=quality,
            class_shares=shares,
            class_counts=counts,
            of_slide=_of_slide(store),
            level=level,
        )

    def __len__(self) -> int:
        return len(self.placed.windows)

    def begin_at(self, first: int, workers: int | None) -> Iterator[Sample]:
        """Yield the samples from one on, in order; as many more are encoded ahead as memory holds.

        Raises
        ------
        StoreError
            The store is damaged, or was replaced or deleted.
        """
        numbered = enumerate(self._unencoded(first), start=first)
        return map_in_order(self._sample, numbered, workers=self._affordable(workers))

    def _affordable(self, workers: int | None) -> int:
        """Return the number of threads whose windows fit into memory: large ones take 200 MB."""
        samples = self.placed.size**2 * len(self.store.channels)
        unit_bytes = (AHEAD_PER_WORKER + 1) * samples * self.store.dtype.itemsize
        most = worker_count(workers)
        return memory.make_budget(memory.SystemGauge(), unit_bytes=unit_bytes, most=most).units

    def _unencoded(self, first: int) -> Iterator[bytes | Pixels]:
        """Yield a chunk for each window that is one, and the pixels of each that is not."""
        windows = self.placed.windows
        if self.level is None:
            yield from windows[first:]
            return
        for number in range(first, len(windows)):
            chunk = self._chunk(number, self.level)
            yield windows[number] if chunk is None else chunk

    def _chunk(self, number: int, level: int) -> bytes | None:
        """Return the JPEG that a window is; None where it is no whole chunk, or no JPEG."""
        size, grid = self.placed.size, self.store.grid(level)
        x, y = self.placed.windows.corners[number].tolist()
        if x % size or y % size or x + size > grid.width or y + size > grid.height:
            return None
        payload = self.store.read_chunk_bytes(x // size, y // size, level=level)
        return payload if payload is not None and payload.startswith(_JPEG) else None

    def _sample(self, numbered: tuple[int, bytes | Pixels]) -> Sample:
        number, made = numbered
        is_copied = isinstance(made, bytes)
        image = made if isinstance(made, bytes) else self._encoded(made)
        x, y = self.placed.coordinates[number].tolist()
        return Sample(
            place=(x, y),
            ending=_ENDINGS[self.image],
            image=image,
            is_copied=is_copied,
            facts=self._facts(number, (x, y), is_copied=is_copied),
        )

    def _facts(self, number: int, place: tuple[int, int], *, is_copied: bool) -> dict[str, Any]:
        placed = self.placed
        (across, down), (wide, high) = placed.windows.downsample, self.store.slide_scale
        mpp = self.store.mpp
        return {
            **self.of_slide,
            "window": number,
            "x": place[0],
            "y": place[1],
            "size": placed.size,
            "downsample": [across * wide, down * high],
            "mpp": None if mpp is None else [mpp[0] * across, mpp[1] * down],
            "tissue_fraction": round(float(placed.windows.tissue_fractions[number]), 6),
            **self._classes(number),
            "copied": is_copied,
        }

    def _classes(self, number: int) -> dict[str, Any]:
        """Return the share of each class and how many points it has, where there are labels."""
        shares = {name: round(float(each[number]), 6) for name, each in self.class_shares.items()}
        counts = {name: int(each[number]) for name, each in self.class_counts.items()}
        told = {"classes": shares, "class_counts": counts}
        return {name: values for name, values in told.items() if values}

    def _encoded(self, pixels: Pixels) -> bytes:
        if self.image == "npy":
            file = io.BytesIO()
            np.save(file, np.ascontiguousarray(pixels), allow_pickle=False)
            return file.getvalue()
        if self.image == "png":
            return _png(pixels)
        from slidetile.format.codecs.jpeg import JpegCodec

        return JpegCodec(quality=self.quality).encode(pixels)


def _of_classes(
    store: TileStore, placed: PlacedWindows
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.int64]]]:
    """Return the shares of classes that have an area, and the counts of those that have points."""
    areas, windows = store.class_areas, placed.windows
    if areas is None:
        return {}, {}
    shares, counts = windows.class_fractions(), windows.class_counts()
    has_area, has_points = areas.areas_px > 0, [len(each) > 0 for each in areas.points]
    return (
        {name: shares[:, n] for n, name in enumerate(areas.names) if has_area[n]},
        {name: counts[:, n] for n, name in enumerate(areas.names) if has_points[n]},
    )


def _of_slide(store: TileStore) -> dict[str, str | None]:
    source = store.metadata.source
    named = {} if source.is_anonymous else {"store": store_name(store)}
    return {"slide": source.name, "slide_fingerprint": source.fingerprint, **named}


def _png(pixels: Pixels) -> bytes:
    import imagecodecs

    whole = np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    return bytes(imagecodecs.png_encode(whole))


def _check_image(store: TileStore, image: ImageName) -> None:
    count, dtype = len(store.channels), store.dtype
    if image != "npy" and count not in (1, 3):
        raise UnfitChoiceError(
            f"A {image} has 1 or 3 channels, but the store has {count}: write npy."
        )
    if image == "jpeg" and dtype != np.uint8:
        raise UnfitChoiceError(
            f"A jpeg has samples of 8 bits, but the store's are {dtype}: write png or npy."
        )


def _level_of_chunks(store: TileStore, placed: PlacedWindows) -> int | None:
    """Return the level of the windows' resolution, if its chunks have their size."""
    for number, downsample in enumerate(store.metadata.downsamples):
        grid = store.grid(number)
        if downsample == placed.windows.downsample:
            fits = (grid.chunk_width, grid.chunk_height) == (placed.size, placed.size)
            return number if fits else None
    return None
