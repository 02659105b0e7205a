"""Making a store without pixels: its chunks are blocks of the slide, and nothing is copied."""

from collections.abc import Iterator, Sequence
from typing import Any

from slidetile.choices import UnfitChoiceError
from slidetile.cloud.address import Address, Location
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.codecs.reference import ReferenceCodec
from slidetile.format.fit import check_holds
from slidetile.format.layout import MOST_CHUNKS, Shard
from slidetile.format.ledger import ShardRecord
from slidetile.format.metadata.reference import ReferenceFacts
from slidetile.format.pyramid import PyramidLevel
from slidetile.planning.plan import TilePlan
from slidetile.slides.file_slide import FileSlide
from slidetile.slides.readers import READERS
from slidetile.slides.replaced import Replaced
from slidetile.slides.slide import Slide
from slidetile.store.referred_level import ReferredLevel
from slidetile.writing._work import EncodedShard, IsKept, KeptShards, Owns, Task, owns_all


class Referring:
    """A slide's own levels, of which the store says only where they are.

    Parameters
    ----------
    slide
        The slide to refer to.
    plan
        The tiles.

    Raises
    ------
    UnfitChoiceError
        The store would not have the slide's own pixels, or no other process could open the slide.
    """

    decodes = False

    def __init__(self, slide: Slide, plan: TilePlan) -> None:
        _check_referable(slide)
        self.codec: ChunkCodec = ReferenceCodec()
        check_holds(self.codec, channels=slide.channels, bits=slide.bits)
        self.slide_levels = tuple(range(len(slide.levels)))
        self.referred = tuple(ReferredLevel.of(slide, number) for number in self.slide_levels)
        """The slide's levels."""
        self.levels = tuple(map(_level, self.referred))
        self.unreadable: list[ShardRecord] = []
        """The chunks of level 0 that proved damaged while tiles were measured."""
        self.replaced = Replaced()
        """The blocks of coarser levels that were averaged meanwhile."""
        self._slide = slide
        self._plan = plan

    @property
    def unit_bytes(self) -> int:
        """The bytes of the largest chunk's pixels."""
        pixel_bytes = self._slide.channels * self._slide.dtype.itemsize
        grids = (level.grid for level in self.levels)
        return max(grid.chunk_width * grid.chunk_height for grid in grids) * pixel_bytes

    def tasks(
        self, _is_kept: IsKept, _owns: Owns = owns_all, _kept: KeptShards | None = None, /
    ) -> list[Task]:
        """Return none: there are no shards."""
        return []

    def read(self, task: Task, _kept: KeptShards | None = None, /) -> Any:
        """Refuse: there are no tasks."""
        raise TypeError(f"A reference store has no shards to make, but {task} is one.")

    def encode(self, fetched: Any) -> Iterator[EncodedShard]:
        """Refuse: there are no tasks."""
        raise TypeError(f"A reference store has no shards to make, but got {type(fetched)}.")

    def expect(self, tasks: Sequence[Task]) -> None:
        """Announce nothing: slides in object storage are not referred to."""

    def stored_bytes(self) -> int:
        """Return 0: no chunk is stored."""
        return 0

    def tell(self) -> None:
        """Say nothing: nothing is left out."""

    def shards(self, level: int) -> list[Shard]:
        """Return the chunks of a level that tiles need."""
        return self.referred[level].shards(self._plan.regions)

    def payloads(self, level: int, shards: list[Shard], workers: int) -> Iterator[dict[int, bytes]]:
        """Yield the pixels of chunks, read from the slide by several threads; none of damaged ones.

        Raises
        ------
        SlideReadError
            The slide's file could not be read.
        """
        found = self.referred[level].payloads(shards, workers=workers, replaced=self.replaced)
        for shard, payload in zip(shards, found, strict=True):
            if isinstance(payload, bytes):
                yield {0: payload}
                continue
            if not level:
                unreadable = {0: payload.reason}
                record = ShardRecord(level=0, shard=shard, chunks={}, unreadable=unreadable)
                self.unreadable.append(record)
            yield {}


def _level(level: ReferredLevel) -> PyramidLevel:
    if level.grid.chunk_count > MOST_CHUNKS:
        raise UnfitChoiceError(
            f"{level.slide.name}: level {level.number} has {level.grid.chunk_count} blocks, more "
            f"than the {MOST_CHUNKS} chunks that a level of a store may have: use another codec."
        )
    downsample = level.slide.levels[level.number].downsample
    return PyramidLevel(grid=level.grid, shards=(), downsample=downsample)


def _check_referable(slide: Slide) -> None:
    """Check that a store's pixels are those of a file, as its reader gives them.

    Raises
    ------
    UnfitChoiceError
        They are not. The message says which choice to leave out.
    """
    if isinstance(slide.original, FileSlide):
        found = slide.original
        if found.origin is not None or isinstance(found.path, Address):
            raise UnfitChoiceError(
                f"The codec reference leaves pixels in the slide's file on this machine, but "
                f"{slide.name} is in object storage: use another codec."
            )
    changed = {
        "another resolution (mpp)": slide.rescaling is not None,
        "colours in sRGB (color)": slide.conversion is not None,
        "samples mapped onto 8 bits (dtype)": slide.mapping is not None,
    }
    for what in (what for what, is_so in changed.items() if is_so):
        raise UnfitChoiceError(
            f"The codec reference leaves pixels in the slide, so a store has them as they are "
            f"there, without {what}: leave that out, or use another codec."
        )
    if not isinstance(slide, FileSlide) or slide.reader not in {each.name for each in READERS}:
        raise UnfitChoiceError(
            f"The codec reference stores where a slide's file is, for slidetile's own readers, but "
            f"{slide.name} was opened by {slide.reader}: use another codec."
        )


def reference_facts(slide: Slide, store: Location, *, anonymous: bool) -> ReferenceFacts:
    """Return where a slide lies, for a store that refers to it.

    Raises
    ------
    UnfitChoiceError
        That may not be told, or cannot be.
    """
    assert isinstance(slide, FileSlide), "others are refused before"
    if isinstance(store, Address):
        raise UnfitChoiceError(
            "A store of the codec reference lies on a disk, and says where the slide is from "
            f"there: {store} is in a bucket, so use another codec."
        )
    if anonymous:
        raise UnfitChoiceError(
            "A store of the codec reference says where the slide is, so it cannot be anonymous: "
            "leave that out, or use another codec."
        )
    try:
        return ReferenceFacts.of(slide.local, store)
    except ValueError as error:
        raise UnfitChoiceError(
            f"{slide.name}: a store cannot say where it is ({error}): use another codec, or rename "
            "it."
        ) from error
