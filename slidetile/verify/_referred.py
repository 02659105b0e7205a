"""Whether the slide that a store without pixels refers to is there, unchanged and readable."""

import functools
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.errors import DamagedPixelsError, SlideReadError, explain
from slidetile.format.codecs.codec import DamagedChunkError
from slidetile.format.layout import Shard
from slidetile.format.names import REFERENCES
from slidetile.format.table import UNREADABLE
from slidetile.quality.measure import Samples, TileMeasure
from slidetile.raster.region import Region
from slidetile.runtime.threads import map_in_order
from slidetile.slides.slide import Slide
from slidetile.store.opened_folder import open_folder
from slidetile.store.references import references_file
from slidetile.store.referred import ReferredSlide
from slidetile.store.referred_level import ReferredLevel
from slidetile.verify._shape import StoreShape
from slidetile.verify._tree import MISSING, StoreTree
from slidetile.verify.finding import Finding

ROOT = "zarr.json"


def referred_slide(tree: StoreTree, shape: StoreShape, given: Slide | None) -> Slide:
    """Return the slide of a store without pixels.

    Parameters
    ----------
    tree, shape
        The store's files and metadata.
    given
        The slide, where it has been opened.

    Raises
    ------
    StoreError
        It is not where the store says, has changed, or cannot be opened.
    """
    if given is not None:
        return given.original
    return ReferredSlide(open_folder(tree.folder), shape.metadata).slide


class ReferredCheck:
    """The blocks of a slide that are the chunks of a store.

    Parameters
    ----------
    shape
        The store's metadata.
    slide
        The slide, which has the fingerprint of the store's.
    regions
        The part of each tile inside the slide, in level-0 pixels.
    workers
        Threads that read.
    """

    def __init__(
        self, shape: StoreShape, slide: Slide, regions: Sequence[Region], *, workers: int
    ) -> None:
        self._shape = shape
        self._slide = slide
        self._regions = regions
        self._workers = workers
        count = min(len(shape.grids), len(slide.levels))
        self._levels = [ReferredLevel.of(slide, number) for number in range(count)]

    def shape_findings(self) -> Iterator[Finding]:
        """Yield the levels that are not cut as the slide's are."""
        if len(self._slide.levels) != len(self._shape.grids):
            yield Finding(ROOT, f"the slide has {len(self._slide.levels)} levels")
        for number, level in enumerate(self._levels):
            if level.grid != self._shape.grids[number]:
                yield Finding(f"{number}/zarr.json", "it is not cut as the slide's level is")

    def references(self, tree: StoreTree) -> Iterator[Finding]:
        """Compare the references for other programs with those that the slide gives."""
        expected = references_file(self._slide, self._shape.metadata, self._regions)
        if REFERENCES in tree:
            if expected is None:
                yield Finding(REFERENCES, "other programs cannot decode this slide's tiles")
            elif _places(tree.read(REFERENCES)) != _places(expected):
                yield Finding(REFERENCES, "the slide's tiles do not lie where it says")
        elif expected is not None:
            yield Finding(REFERENCES, MISSING)

    def decode(self, status: Sequence[str]) -> Iterator[Finding]:
        """Read every chunk that a tile needs.

        A chunk is no finding where each tile over it is known to be unreadable: ``status`` has the
        statuses in the order of the tiles' regions.
        """
        sound = [
            region for region, each in zip(self._regions, status, strict=True) if each != UNREADABLE
        ]
        for number, level in enumerate(self._levels):
            shards = level.shards(self._regions if number else sound)
            read = functools.partial(_unread, level)
            for shard, what in zip(
                shards, map_in_order(read, shards, workers=self._workers), strict=True
            ):
                if what is not None:
                    place = f"the chunk at column {shard.column}, row {shard.row}"
                    yield Finding(f"{number}/zarr.json", f"{place}: {what}")

    def measured(self) -> dict[str, NDArray[np.float32]]:
        """Return the quality of the tiles, measured anew.

        Raises
        ------
        DamagedChunkError
            The slide's file could not be read.
        """
        shape, measured = self._shape, self._shape.quality
        level = self._levels[measured.number]
        samples = Samples(channels=shape.metadata.channel_info, bits=shape.metadata.bits)
        measure = TileMeasure(self._regions, measured, shape.codec, samples)
        shards = level.shards(self._regions)
        payloads = level.payloads(shards, workers=self._workers)

        def read(_: Shard) -> dict[int, bytes]:
            payload = next(payloads)
            return {0: payload} if isinstance(payload, bytes) else {}

        try:
            measure.add(shards, read, workers=self._workers)
        except SlideReadError as error:
            raise DamagedChunkError(f"the slide could not be read: {explain(error)}") from error
        return measure.columns()


def _places(data: bytes) -> Any:
    """Return what references say of chunks, without the files' paths: slides are moved.

    But paths say where a file is from wherever they are read; nothing is returned of others.
    """
    try:
        found = json.loads(data)
        is_sound = all(address.startswith("file:///") for address in found["templates"].values())
        return found["refs"] if is_sound else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _unread(level: ReferredLevel, shard: Shard) -> str | None:
    """Return why a chunk cannot be read; None where it can."""
    try:
        level.read((shard.column, shard.row))
    except DamagedPixelsError as error:
        return f"it does not decode in the slide: {explain(error)}"
    except SlideReadError as error:
        return f"the slide could not be read there: {explain(error)}"
    return None
