"""A store of another codec, made of a store alone: the same tiles, and the slide is not needed.

Knows stores as slides of one level, and runs. Does not know how chunks are encoded.
"""

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

from slidetile.choices import CodecName
from slidetile.cloud.address import Location
from slidetile.errors import DamagedPixelsError, StoreError
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.metadata.damage import DamageFacts
from slidetile.format.metadata.node import JsonNode
from slidetile.format.metadata.parameters import CodecParameters
from slidetile.format.metadata.recoded import RecodedFacts
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.table import OK
from slidetile.planning.plan import TilePlan
from slidetile.quality.measured_level import MeasuredLevel
from slidetile.raster.pixels import Colour
from slidetile.raster.region import Region
from slidetile.runtime.cpus import worker_count
from slidetile.runtime.heap import give_back_heap
from slidetile.slides.fetched import DecodedPixels, FetchedPixels
from slidetile.slides.level import Level
from slidetile.slides.replaced import Replaced
from slidetile.slides.slide import Slide, Source
from slidetile.store.store import TileStore, open_store
from slidetile.writing._run import Run
from slidetile.writing._spec import StoreSpec
from slidetile.writing._writer import StoreWriter
from slidetile.writing.destination import check_destination
from slidetile.writing.options import OnProgress, WriteOptions
from slidetile.writing.whole import recorded_plan

if TYPE_CHECKING:
    import pyarrow as pa


def recode_store(
    store: TileStore,
    path: Location,
    codec: ChunkCodec,
    *,
    workers: int | None = None,
    options: WriteOptions | None = None,
    on_progress: OnProgress | None = None,
) -> TileStore:
    """Write a store's tiles as a store of another codec; an interrupted run is continued.

    Tiles, tissue, overview and all that is known of the slide are the same; chunks have the codec's
    size, and coarser levels are halvings. A tile that could not be read stays unreadable.

    Raises
    ------
    StoreError
        The store is damaged, or was replaced; or its tiles are not those that it records.
    UnfitChoiceError
        The codec does not hold the store's channels or bits.
    OSError
        As in `write_tiles`.
    """
    options = options or WriteOptions()
    threads = worker_count(workers)
    check_destination(path, overwrite=options.existing == "overwrite")
    slide = StoreSlide(store)
    plan = recorded_plan(store, slide)
    try:
        _Recoding(slide, plan, codec, threads, options, on_progress).write(path)
    finally:
        give_back_heap()
    return open_store(path)


class StoreSlide(Slide):
    """A store as a slide of one level, of which only the tiles can be read."""

    def __init__(self, store: TileStore) -> None:
        metadata = store.metadata
        self.store = store
        self.mpp = store.mpp
        self.channels, self.bits = metadata.channels, metadata.bits
        self.described = None if metadata.is_plain else store.channels
        self.icc_profile = store.icc_profile
        size = store.levels[0].size
        self._level = Level.covering(size, size)

    @property
    def levels(self) -> tuple[Level, ...]:
        """Level 0 alone: coarser ones are made of it."""
        return (self._level,)

    @property
    def source(self) -> Source:
        """What identifies the slide that the store was made from."""
        source = self.store.metadata.source
        return Source(name=self.name, size_bytes=source.size_bytes, fingerprint=source.fingerprint)

    @property
    def name(self) -> str:
        """The store's name, for messages."""
        return self.store.path.name

    @property
    def reader(self) -> str:
        """The reader that opened the slide itself."""
        return self.store.metadata.source.reader

    @property
    def background(self) -> Colour:
        """The colour of what lies outside the slide."""
        return self.store.background

    def fetch(self, region: Region, *, level: int = 0) -> FetchedPixels:
        """Read a region, which has the background's colour outside the tiles.

        Raises
        ------
        DamagedPixelsError
            It holds a chunk that the slide could not give.
        StoreError
            The store is damaged, or was replaced.
        """
        self.levels[level]
        if not self._unreadable.isdisjoint(self._cells(region)):
            raise DamagedPixelsError(f"{self.name}: {self._reason}")
        return DecodedPixels(self.store.read_region(region))

    def fetch_noting(self, region: Region, *, level: int = 0, replaced: Replaced) -> FetchedPixels:
        """Read a region as `fetch` does."""
        del replaced  # what of the slide was replaced, the store says
        return self.fetch(region, level=level)

    @functools.cached_property
    def _unreadable(self) -> frozenset[tuple[int, int]]:
        """The chunks of tiles that could not be read which are not there."""
        status = self.store.tiles["status"].to_pylist()
        bad = [i for i, each in enumerate(status) if each != OK]
        if not bad:
            return frozenset()
        there = frozenset(self.store.stored_chunks(0))
        inside = (self.store.tile_region(i).intersection(self.bounds) for i in bad)
        cells = {cell for region in inside if region is not None for cell in self._cells(region)}
        return frozenset(cells) - there

    def _cells(self, region: Region) -> list[tuple[int, int]]:
        inside = region.intersection(self.bounds)
        if inside is None:
            return []
        span = self.store.grid(0).chunk_span(inside)
        rows, columns = range(span.y, span.bottom), range(span.x, span.right)
        return [(column, row) for row in rows for column in columns]

    @property
    def _reason(self) -> str:
        reasons = list(self.store.unreadable_reasons)
        return reasons[0] if len(reasons) == 1 else "could not be read from the slide"


class _Recoding(Run):
    """A run whose store says of its slide what the store it is made of says."""

    def __init__(
        self,
        slide: StoreSlide,
        plan: TilePlan,
        codec: ChunkCodec,
        workers: int,
        options: WriteOptions,
        on_progress: OnProgress | None,
    ) -> None:
        super().__init__(slide, plan, codec, workers, options, on_progress, None)
        self._store = slide.store

    def _spec(self, path: Location) -> StoreSpec:  # noqa: ARG002  it is where the run says
        levels = self._work.levels
        return StoreSpec(
            plan=self._plan, codec=self._codec, levels=levels, metadata=self._metadata()
        )

    def _metadata(self) -> StoreMetadata:
        """Return what the new store records."""
        found, levels, codec = self._store.metadata, self._work.levels, self._codec
        parameters = CodecParameters.from_node(JsonNode(codec.parameters, "parameters.codec"))
        return replace(
            found.without_names() if self._options.anonymous else found,
            format_version=2,
            codec=codec.name,
            not_native=None,
            downsamples=tuple(level.downsample for level in levels),
            parameters=replace(found.parameters, codec=parameters),
            quality=MeasuredLevel.of(levels, found.mpp).facts,
            damage=None,
            recoded=RecodedFacts(codec=origin(found), digest=self._store.digest),
        )

    def _table(self, writer: StoreWriter) -> tuple["pa.Table", DamageFacts | None]:
        """Return the tile table, and the damage of the slide; the store must still be there."""
        self._store.check()
        table, damage = super()._table(writer)
        before = self._store.metadata.damage
        if before is None or table["status"].equals(self._store.tiles["status"]):
            return table, before
        unreadable = () if damage is None else damage.unreadable
        return table, replace(before, unreadable=unreadable)


def origin(found: StoreMetadata) -> CodecName:
    """Return the codec that says what pixels are: a jpeg store's remain so, whatever follows."""
    before = found.recoded
    return "jpeg" if before is not None and before.codec == "jpeg" else found.codec


def check_can_be_recoded(store: TileStore, codec: str) -> None:
    """Check that a store's tiles can be stored anew with a codec of a name.

    Raises
    ------
    StoreError
        It would be a copy.
    """
    if codec in ("auto", "native"):
        raise StoreError(
            f"{store.path} holds its pixels already (codec {store.codec}): it is a whole store, so "
            "copy its folder, or choose another codec: zstd, jxl, jpeg or raw (--codec)."
        )
