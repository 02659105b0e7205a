"""Whether a store is still what was written, says the same everywhere, and holds the slide."""

import contextlib
import functools
import io
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slidetile.cloud.address import Address, Location, locate
from slidetile.cloud.objects import IN_FLIGHT
from slidetile.cloud.options import using_storage_options
from slidetile.counts import how_many
from slidetile.errors import SlidetileError, StoreError
from slidetile.format.layout import SHARD_PX, ChunkGrid
from slidetile.format.manifest import FileSum
from slidetile.format.metadata.labels import LabelFacts
from slidetile.format.metadata.node import parse_json
from slidetile.format.metadata.picture import PictureName, picture_folder
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.names import LABELS, MANIFEST, PARTIAL_NOTE, REFERENCES, TABLE
from slidetile.format.picture import PICTURE_CODEC, halved_labels
from slidetile.format.table import TableShape, read_parquet
from slidetile.runtime import memory
from slidetile.runtime.cpus import worker_count
from slidetile.runtime.threads import map_in_order
from slidetile.slides.slide import Slide
from slidetile.store.folder import StoreFolder
from slidetile.store.in_bucket import find_store
from slidetile.store.location import check_finished
from slidetile.store.opened_folder import open_folder
from slidetile.store.picture import PictureFile
from slidetile.verify._classes import class_findings, recorded_areas, tile_classes
from slidetile.verify._origin import as_stored, other_slide
from slidetile.verify._pixels import PixelCheck
from slidetile.verify._quality import QualityCheck
from slidetile.verify._referred import ROOT, ReferredCheck, referred_slide
from slidetile.verify._rows import TileRows
from slidetile.verify._shape import StoreShape, read_shape
from slidetile.verify._shards import ExaminedShard, StoredChunks, split_checked
from slidetile.verify._table import TableCheck
from slidetile.verify._tree import (
    FOREIGN,
    MISSING,
    StoreTree,
    check_content,
    check_names,
    open_tree,
    read_manifest,
)
from slidetile.verify.finding import Finding

if TYPE_CHECKING:
    import pyarrow as pa

OVERVIEW = "overview/0/c/0/0/0"

LARGE_FILE_BYTES = 1 << 25
"""Of files larger than this, which few shards are, one at a time is in memory."""

MOST_KEPT_TABLE_BYTES = 1 << 24
"""Larger tables, from some hundred thousand tiles on, are read again for each look at the pixels
that needs them, rather than held beside pixels."""

FORESEEN = (SlidetileError, OSError)
"""The errors of a damaged store. Any other error is a bug of slidetile, and is raised."""


def verify_store(
    path: str | os.PathLike[str] | Address,
    *,
    slide: Slide | None = None,
    deep: bool = False,
    workers: int | None = None,
    storage_options: Mapping[str, str] | None = None,
) -> tuple[Finding, ...]:
    """Find everything that is wrong with a finished store.

    Compares every file with the store's manifest, so that a missing, an extra, a cut and a
    changed file are found, whichever bit it is; and what the metadata, the tile table, the
    tissue and the chunks say with each other, so that a store that was written wrongly is found
    too. The tiles' quality is measured once more, on one coarse level. Memory holds a few files at
    a time. The store is not trusted. Of a store of the codec "reference", the slide it refers to
    must be there, and have the fingerprint that it had.

    Parameters
    ----------
    path
        The store's folder, or its address in a bucket.
    slide
        The slide it was made from, to compare all pixels that are the slide's own: level 0, and
        all levels of a `native` store. A `jpeg` store is compared with the slide's pixels
        encoded again, within 16 of 255, since another libjpeg rounds differently.
    deep
        Decode every chunk of every level (of a "reference" store, in the slide), and compare the
        levels of a lossless store with the halvings of the finer ones.
    workers
        Threads that read and decode; None is one for each core of this process. Fewer are used
        if memory is short. The findings do not depend on it.
    storage_options
        As in `open_store`.

    Returns
    -------
    tuple of Finding
        Empty where nothing is wrong, else in an order that depends on nothing but the store.
        A tile whose status is "unreadable" is not a finding.

    Raises
    ------
    StoreError
        No store is at ``path``, or an unfinished one.
    ValueError
        ``workers`` is less than 1.

    Examples
    --------
    >>> import slidetile as st
    >>> store = st.tile_slide("data_samples/sample.svs", "sound.zarr")
    >>> (store.path / "overview" / "zarr.json").unlink()
    >>> print(verify_store(store.path)[0])
    overview/zarr.json: it is missing
    """
    with using_storage_options(storage_options):
        folder = locate(path)
    threads = worker_count(workers)
    if workers is None and isinstance(folder, Address):
        threads = max(threads, IN_FLIGHT)  # they wait for the server most of the time
    tree = _tree_of(folder)
    if MANIFEST not in tree:
        _check_ours(tree)
    tree.fetch_ahead()
    check = _Check(tree, workers=_affordable(tree, threads))
    findings = dict.fromkeys(check.as_written())  # each finding once, even if found twice
    findings |= dict.fromkeys(check.agreement())
    findings |= dict.fromkeys(check.references(slide, deep=deep))
    if deep or slide is not None:
        findings |= dict.fromkeys(check.pixels(slide, deep=deep))
    if not findings:
        findings |= dict.fromkeys(check.quality())
    if deep and not findings:
        findings |= dict.fromkeys(check.halvings())
    return tuple(findings)


def _tree_of(folder: Location) -> StoreTree:
    """Return the files of a store that is finished or damaged; raises StoreError for all others."""
    if isinstance(folder, Address):
        tree = open_tree(folder)
        if MANIFEST not in tree or PARTIAL_NOTE in tree:
            find_store(folder)
        return tree
    if not os.path.isfile(folder / MANIFEST) or os.path.lexists(folder / PARTIAL_NOTE):  # noqa: PTH113  never raise
        check_finished(folder)  # before anything below it is looked for
    return open_tree(folder)


def _check_ours(tree: StoreTree) -> None:
    """Make sure that a folder without a manifest is a store at all, and not another program's."""
    try:
        StoreMetadata.from_json(tree.read("zarr.json"))
    except StoreError as error:
        raise StoreError(f"{tree.folder / 'zarr.json'}: {error}.") from error


class _Check:
    """One look at one store."""

    def __init__(self, tree: StoreTree, *, workers: int) -> None:
        self._tree = tree
        self._workers = workers
        self._large = threading.Lock()
        self._opened: StoreFolder | None = None
        self._shape: StoreShape | None = None
        self._damage: tuple[Finding, ...] = ()
        self._kept_table: pa.Table | None = None
        try:
            self._shape = read_shape(tree)
        except FORESEEN as error:
            self._damage = (_damage("zarr.json", error),)
        self._stored = None if self._shape is None else StoredChunks(self._shape)
        self._referred: ReferredCheck | None = None
        self._expected = {} if self._shape is None else self._shape.metadata_files()

    def as_written(self) -> Iterator[Finding]:
        """Compare every file with the manifest, and its content with what it should be."""
        manifest = None
        try:
            manifest = read_manifest(self._tree)
        except StoreError as error:
            yield _damage(MANIFEST, error)
        yield from check_names(self._tree, manifest)
        examine = functools.partial(self._examine, manifest or {})
        for examined in map_in_order(examine, self._tree.names, workers=self._workers):
            yield from examined.findings
            if examined.record is not None and self._stored is not None:
                self._stored.enter(examined.record)

    def agreement(self) -> Iterator[Finding]:
        """Compare the metadata, the table, the tissue and the chunks with each other."""
        yield from self._damage
        for name, expected in self._expected.items():
            yield from _foreseen(name, self._metadata(name, expected))
        yield from _foreseen(TABLE, self._rows())

    def references(self, slide: Slide | None, *, deep: bool) -> Iterator[Finding]:
        """Look at the slide of a store without pixels; ``deep`` reads all that tiles need of it."""
        if self._shape is not None and self._shape.is_reference:
            yield from _foreseen(ROOT, self._of_slide(self._shape, slide, deep=deep))

    def _of_slide(self, shape: StoreShape, given: Slide | None, *, deep: bool) -> Iterator[Finding]:
        if given is not None and other_slide(shape.metadata, given):
            return  # which is told elsewhere
        rows = self._tiles(shape)
        slide = referred_slide(self._tree, shape, given)
        check = ReferredCheck(shape, slide, rows.regions, workers=self._workers)
        unlike = list(check.shape_findings())
        yield from unlike
        if unlike:
            return
        yield from check.references(self._tree)
        if deep:
            yield from check.decode(rows.status)
        self._referred = check

    def quality(self) -> Iterator[Finding]:
        """Measure the quality of the tiles again, if the store has no flaw so far."""
        yield from _foreseen(TABLE, self._quality())

    def _quality(self) -> Iterator[Finding]:
        if self._shape is not None and self._stored is not None:
            rows, overview = self._tiles(self._shape), self._picture("overview")
            check = QualityCheck(
                *(self._tree, self._shape, self._stored),
                workers=self._workers,
                referred=self._referred,
            )
            yield from check.findings(rows.table, overview, rows.regions)

    def pixels(self, slide: Slide | None, *, deep: bool) -> Iterator[Finding]:
        """Decode all chunks, and compare them with the slide."""
        if self._shape is None or self._stored is None:
            return
        what = None if slide is None else other_slide(self._shape.metadata, slide)
        recoded = self._shape.metadata.recoded
        if slide is not None and recoded is not None and recoded.codec == "jpeg":
            raise StoreError(
                f"{self._tree.folder} was made of a jpeg store, whose pixels are not the slide's: "
                "verify it without the slide."
            )
        if what is not None:
            yield Finding("zarr.json", what)
            slide = None
        if deep:
            yield from _foreseen(OVERVIEW, self._overview())
        if deep or slide is not None:
            yield from _foreseen("zarr.json", self._decoded(slide, deep=deep))

    def halvings(self) -> Iterator[Finding]:
        """Compare each level of a lossless store with the finer one, if it has no flaw so far."""
        if self._shape is not None and self._shape.codec.is_lossless:
            yield from _foreseen("zarr.json", self._halvings(self._shape))

    def _halvings(self, shape: StoreShape) -> Iterator[Finding]:
        pixels = PixelCheck(self._tree, shape, workers=self._workers)
        yield from pixels.halvings(self._tiles(shape).regions)

    def _examine(self, manifest: Mapping[str, FileSum], name: str) -> ExaminedShard:
        """Read and check a file, in any thread; large files one at a time."""
        is_large = self._tree.sizes[name] > LARGE_FILE_BYTES
        with self._large if is_large else contextlib.nullcontext():
            try:
                data = self._tree.read(name)
            except StoreError as error:
                return ExaminedShard(findings=(_damage(name, error),))
            changed = tuple(check_content(name, data, manifest))
            try:
                examined = self._content(name, data)
            except FORESEEN as error:
                examined = ExaminedShard(findings=(_damage(name, error),))
        return replace(examined, findings=changed + examined.findings)

    def _content(self, name: str, data: bytes) -> ExaminedShard:
        """Check what a file holds."""
        what = None
        if self._shape is None or self._stored is None:
            pass
        elif self._shape.shard(name) is not None:
            return self._stored.examine(name, data)
        elif (grid := self._shape.picture_shards.get(name)) is not None:
            what = _picture_flaw(data, grid)
        elif name == REFERENCES and self._shape.is_reference:
            pass  # which is compared with the slide
        elif name == LABELS and self._shape.metadata.labels is not None:
            pass  # which is compared with the table
        elif name not in self._expected and name not in (MANIFEST, TABLE):
            what = FOREIGN
        return ExaminedShard(findings=() if what is None else (Finding(name, what),))

    def _metadata(self, name: str, expected: bytes) -> Iterator[Finding]:
        """Compare a file's metadata with those that a writer writes for such a store."""
        found = self._tree.read(name)
        if found == expected:
            return
        parse_json(found).expect(parse_json(expected).value)  # names the key that differs
        yield Finding(name, "its JSON says the same as slidetile writes, but in other bytes")

    def _rows(self) -> Iterator[Finding]:
        pictures = () if self._shape is None else self._shape.picture_shards
        missing = [name for name in (*pictures, TABLE) if name not in self._tree]
        labels = None if self._shape is None else self._shape.metadata.labels
        if labels is not None and LABELS not in self._tree:
            missing.append(LABELS)
        yield from (Finding(name, MISSING) for name in missing)
        if not missing and self._shape is not None and self._stored is not None:
            tissue = self._picture("tissue")[..., 0]
            table = TableCheck(self._tiles(self._shape), self._shape, self._stored, tissue)
            yield from table.findings()
            if labels is not None:
                yield from _foreseen(LABELS, self._classes(table, labels))
            yield from self._labels()

    def _classes(self, table: TableCheck, labels: LabelFacts) -> Iterator[Finding]:
        assert self._shape is not None, "its caller looked"
        areas = recorded_areas(self._tree, self._shape)
        assert areas is not None, "there are labels"
        tiles = tile_classes(table.table, areas)
        yield from class_findings(table.table, labels, tiles)
        yield from table.choice(tiles)

    def _labels(self) -> Iterator[Finding]:
        """Compare the coarser levels of the tissue with the finest."""
        assert self._shape is not None, "its caller looked"
        metadata = self._shape.metadata
        if not metadata.has_labels:
            return
        finest = self._picture("tissue")
        for level, expected in enumerate(halved_labels(finest, len(metadata.downsamples))):
            found = PictureFile(self._folder(), "tissue", metadata, level).read()
            if not np.array_equal(found, expected):
                name = f"{picture_folder('tissue', metadata)}/{level}"
                yield Finding(name, "its labels are not the halving of the finest level's")

    def _tiles(self, shape: StoreShape) -> TileRows:
        """Return the rows of the table, which is read once: but a large one is not kept."""
        table = self._kept_table
        if table is None:
            metadata, file = shape.metadata, io.BytesIO(self._tree.read(TABLE))
            table = read_parquet(file, metadata.tile_count, TableShape.of(metadata))
            if table.nbytes <= MOST_KEPT_TABLE_BYTES:
                self._kept_table = table
        return TileRows(table, shape)

    def _decoded(self, slide: Slide | None, *, deep: bool) -> Iterator[Finding]:
        assert self._shape is not None, "its caller looked"
        assert self._stored is not None, "it comes with the shape"
        view = None if slide is None else as_stored(self._shape.metadata, slide)
        pixels = PixelCheck(self._tree, self._shape, workers=self._workers)
        if self._shape.metadata.recoded is not None:
            pixels.compare_within(self._tiles(self._shape).regions)
        yield from pixels.decode(self._stored, view, deep=deep)

    def _overview(self) -> Iterator[Finding]:
        self._picture("overview")  # it decodes every chunk
        yield from ()

    def _picture(self, name: PictureName) -> NDArray[Any]:
        assert self._shape is not None, "its callers looked"
        return PictureFile(self._folder(), name, self._shape.metadata).read()

    def _folder(self) -> StoreFolder:
        """Open the store anew; one in a bucket once only, since that takes requests."""
        if self._opened is None or not self._opened.is_remote:
            self._opened = open_folder(self._tree.folder)
        return self._opened


def _affordable(tree: StoreTree, workers: int) -> int:
    """Return the number of workers that memory has room for, each with a file and a shard."""
    largest = min(LARGE_FILE_BYTES, max(tree.sizes.values(), default=0))
    unit_bytes = max(3 * SHARD_PX * SHARD_PX, largest)
    return memory.make_budget(memory.SystemGauge(), unit_bytes=unit_bytes, most=workers).units


def _foreseen(name: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """Yield findings; an error that was foreseen becomes the last of them."""
    try:
        yield from findings
    except FORESEEN as error:
        yield _damage(name, error)


def _damage(name: str, error: SlidetileError | OSError) -> Finding:
    if isinstance(error, SlidetileError):
        return Finding(name, str(error))
    return Finding(name, f"it could not be read: {error.strerror or error}")


def _picture_flaw(data: bytes, grid: ChunkGrid) -> str | None:
    """Return what is wrong with the shard of the overview or the tissue."""
    try:
        chunks = split_checked(data, grid, PICTURE_CODEC)
    except ValueError as error:
        return f"it is not a whole shard: {error}"
    if len(chunks) != grid.chunks_per_shard:
        return f"it holds {how_many(len(chunks), 'chunks')}, which are not all"
    return None
