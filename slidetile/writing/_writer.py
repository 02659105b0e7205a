"""Writing a store: all files go into an unfinished one, which gets its place at the end."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from slidetile.cloud.address import Location
from slidetile.errors import StoreError, StoreMismatchError
from slidetile.format.checksum import crc32c
from slidetile.format.codecs.native import NativeCodec
from slidetile.format.labels_file import pack_labels
from slidetile.format.layout import Shard, is_sharded
from slidetile.format.ledger import ShardRecord
from slidetile.format.manifest import FileSum, pack_manifest
from slidetile.format.metadata.array import ArrayMetadata
from slidetile.format.metadata.damage import DamageFacts
from slidetile.format.metadata.group import group
from slidetile.format.metadata.node import LARGEST_JSON_BYTES, to_json
from slidetile.format.metadata.picture import PictureMetadata, PictureName
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.metadata.unfinished import UnfinishedNote
from slidetile.format.names import (
    LABELS,
    MANIFEST,
    PARTIAL_BLOCKS,
    PARTIAL_NOTE,
    PARTIAL_SUMS,
    REFERENCES,
    ROOT,
    TABLE,
    partial_path,
    shard_key,
)
from slidetile.format.picture import halved_labels, pack_picture, picture_grid
from slidetile.format.shard import LARGEST_SHARD_BYTES, pack_shard, split_shard
from slidetile.format.table import write_parquet
from slidetile.raster.pixels import Pixels
from slidetile.runtime.claim import ClaimTimes
from slidetile.runtime.files import IrregularFileError, as_text
from slidetile.runtime.shared_claim import SharedClaim
from slidetile.store.marks import links_in
from slidetile.writing._blocks import ReplacedInShards
from slidetile.writing._halved import HalvedShards
from slidetile.writing._spec import StoreSpec
from slidetile.writing._sums import WrittenSums
from slidetile.writing._work import EncodedShard
from slidetile.writing.destination import partial_store, reads_partial

if TYPE_CHECKING:
    import pyarrow as pa


class PackedShard(NamedTuple):
    """A shard's file in memory, in parts, and the record of its chunks."""

    record: ShardRecord
    parts: Sequence[bytes]
    halved: Pixels | None = None


class StoreWriter:
    """Writes one store; several threads may write its shards, each shard by one thread.

    Parameters
    ----------
    path
        Path of the finished store.
    spec
        What defines the store.
    overwrite
        Replace a finished store, once the new one is complete.
    restart
        Delete what an earlier, unfinished run has written.
    durable
        Sync every file and folder before the store gets its name.
    times
        How often this process gives signs of life, and when it counts as dead.
    claim
        The claim of another process, on behalf of which this one writes; None makes one.
    is_part
        Whether other processes write other shards of this store at the same time: it has been begun
        by now, and another process will finish it.

    Raises
    ------
    StoreBusyError
        Another process writes this store, or has taken over. Any method may raise this.
    StoreExistsError
        ``path`` exists and ``overwrite`` was not asked for, or it is not a store.
    StoreMismatchError
        The unfinished store there was begun from another slide or with other settings.
    StoreError
        Its metadata would not be read again.
    """

    def __init__(
        self,
        path: Location,
        spec: StoreSpec,
        *,
        overwrite: bool = False,
        restart: bool = False,
        durable: bool = False,
        times: ClaimTimes | None = None,
        claim: SharedClaim | None = None,
        is_part: bool = False,
    ) -> None:
        self.path = path
        self.spec = spec
        self._overwrite = overwrite
        self._is_part = is_part
        _check_can_be_read(spec.metadata)
        self._store = partial_store(
            path, overwrite=overwrite, durable=durable, times=times, claim=claim
        )
        self._files: dict[str, FileSum] = {}
        try:
            self._open(restart=restart)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let other processes write the store; an unfinished one stays and can be continued."""
        self._store.close()

    @property
    def in_flight(self) -> int:
        """How many files are best written at a time."""
        return self._store.in_flight

    def expect(self, shards: Iterable[tuple[int, Shard]]) -> None:
        """Announce shards of which `kept` will be asked, in this order."""
        if self._is_continued:
            self._store.expect([_shard_name(level, shard) for level, shard in shards])

    def kept(self, level: int, shard: Shard) -> ShardRecord | None:
        """Return the record of a shard that an earlier run has finished; None if it must be made.

        A shard's file is always whole. But if a planned chunk is damaged or missing (unreadable
        then, perhaps readable now), the shard counts as not made.
        """
        if not self._is_continued:
            return None
        name = _shard_name(level, shard)
        try:
            data = self._store.read(name, LARGEST_SHARD_BYTES)
        except (FileNotFoundError, IrregularFileError):
            return None
        grid = self.spec.levels[level].grid
        try:
            chunks = split_shard(data, grid, self.spec.codec)
            payloads = {place: self.spec.codec.unseal(chunk) for place, chunk in chunks.items()}
            for payload in payloads.values():
                shape = grid.chunk_height, grid.chunk_width, self.spec.metadata.channels
                self.spec.codec.check(payload, shape, self.spec.metadata.dtype)
        except ValueError:
            return None
        if set(chunks) != set(shard.chunks):
            return None
        content = FileSum.of(data)
        replaced = self._blocks.of(name) if self._notes_blocks(level) else {}
        # Nothing in a raw chunk tells whether its bytes are those written.
        is_known = not self._notes_sums or self._sums.knows(name, content)
        if replaced is None or not is_known:
            return None
        entries = {place: (len(chunks[place]), crc32c(payloads[place])) for place in chunks}
        self._store.keep(name)
        self._files[name] = content
        averaged = self._averaged(payloads)
        return ShardRecord(
            level=level, shard=shard, chunks=entries, averaged=averaged, replaced=replaced
        )

    def _notes_blocks(self, level: int) -> bool:
        """Return whether pixels may be made of replaced blocks, of which nothing in them tells."""
        is_of_coarse_level = self.spec.metadata.level_0.slide_level > 0
        return not level and is_of_coarse_level and self.spec.codec.name != "native"

    @property
    def _notes_sums(self) -> bool:
        """Whether the sums of shards are noted, of whose bytes nothing else tells."""
        return not is_sharded(self.spec.codec) and not self._store.keeps_whole

    def _averaged(self, payloads: dict[int, bytes]) -> tuple[int, ...]:
        """Return the places of native chunks that were not copied."""
        codec = self.spec.codec
        if not isinstance(codec, NativeCodec):
            return ()
        return tuple(place for place, payload in payloads.items() if codec.is_averaged(payload))

    def read_shard(self, level: int, shard: Shard) -> dict[int, bytes]:
        """Return the payload of each chunk of a written shard, by the chunk's place."""
        try:
            data = self._store.read(_shard_name(level, shard), LARGEST_SHARD_BYTES)
        except FileNotFoundError:
            return {}  # none of its chunks could be read
        chunks = split_shard(data, self.spec.levels[level].grid, self.spec.codec)
        return {place: self.spec.codec.unseal(chunk) for place, chunk in chunks.items()}

    def pack(self, encoded: EncodedShard) -> "PackedShard":
        """Return a shard as the bytes of its file, to be written by `write_shard`."""
        level, shard, payloads, unreadable, replaced, halved = encoded
        codec = self.spec.codec
        checksums = {place: crc32c(payload) for place, payload in payloads.items()}
        chunks = {place: codec.seal(payloads[place], checksums[place]) for place in payloads}
        parts: Sequence[bytes]
        if chunks and is_sharded(codec):
            parts = pack_shard(chunks, self.spec.levels[level].grid)
        else:
            parts = chunks.get(0, ())
        entries = {p: (sum(map(len, chunk)), checksums[p]) for p, chunk in chunks.items()}
        record = ShardRecord(
            level=level,
            shard=shard,
            chunks=entries,
            unreadable=unreadable,
            averaged=self._averaged(payloads),
            replaced=replaced,
        )
        return PackedShard(record, parts, halved)

    def write_shard(self, packed: "PackedShard") -> ShardRecord:
        """Write a shard's file and return its record; no file if none of its chunks was read."""
        record, parts, halved = packed
        name = _shard_name(record.level, record.shard)
        if parts:
            if self._notes_blocks(record.level):
                self._blocks.add(name, record.replaced)
            self._write(name, *parts)
            if self._notes_sums:
                self._sums.add(name, self._files[name])
            if halved is not None:
                self._halved.write(record.level, record.shard, self._files[name], halved)
        else:
            self._store.remove(name)  # one that was damaged may have been left there
            self._files.pop(name, None)
        return record

    def read_halved(self, level: int, shard: Shard, out: Pixels) -> bool:
        """Read what a part has left of a shard that is kept; return False if there is nothing."""
        of = self._files.get(_shard_name(level, shard))
        return of is not None and self._halved.read(level, shard, of, out)

    def remove_shard(self, level: int, column: int, row: int) -> None:
        """Remove a shard's file, if there is one: what it was made of is made anew."""
        self._store.check()
        self._store.remove(f"{level}/{shard_key(column, row)}")

    def write_references(self, data: bytes) -> None:
        """Write where the chunks of a store without pixels lie, for other programs."""
        self._put(REFERENCES, data)

    def finish(self, table: "pa.Table", damage: DamageFacts | None = None) -> None:
        """Write the tile table and the root's metadata, and rename the store to its final name.

        Parameters
        ----------
        table
            The tile table.
        damage
            What of the slide was damaged.
        """
        self._write_json("tiles", to_json(group({})))
        self._write(TABLE, write_parquet(table))
        if self.spec.plan.labels is not None:
            self._write(LABELS, pack_labels(self.spec.plan.labels.areas))
        root = replace(self.spec.metadata, damage=damage).to_json()
        self._files[ROOT] = FileSum.of(root)
        self._files.pop(PARTIAL_NOTE, None)
        self._write(MANIFEST, pack_manifest(self._files))
        if self._is_continued:
            self._store.remove_strays()
        self._write(ROOT, root)
        self._store.finish()

    def discard(self) -> None:
        """Remove the unfinished store."""
        self._store.discard()
        self._files.clear()

    def _open(self, *, restart: bool) -> None:
        if restart or (self._overwrite and not self._is_part and self._is_left_over()):
            self.discard()
        self._is_continued = self._is_part or self._store.is_begun()
        self._sums = WrittenSums(self._store.lines(PARTIAL_SUMS, is_part=self._is_part))
        self._blocks = ReplacedInShards(self._store.lines(PARTIAL_BLOCKS, is_part=self._is_part))
        self._halved = HalvedShards(self._store)
        if self._is_continued:
            self._check_same_run()
        else:
            self._leave_note()
        if not self._is_part:
            self._begin()  # also in a continued run: the earlier one may have ended in the middle

    def _is_left_over(self) -> bool:
        """Return whether the folder is a store of other settings that was finished or replaced.

        A run that replaces a store may be killed just before or just after the two change names.
        """
        if not self._store.is_finished():
            return False
        try:
            return bool(self._differing())
        except StoreError:
            return True

    def _leave_note(self) -> None:
        try:
            note = UnfinishedNote.of(self.spec.metadata).to_json(as_text(self.path.name))
            self._write(PARTIAL_NOTE, note)
        except OSError:
            self.discard()  # without its note the folder would stop the next run
            raise

    def _begin(self) -> None:
        for number, level in enumerate(self.spec.levels):
            array = ArrayMetadata(
                grid=level.grid,
                codec=self.spec.codec,
                channels=self.spec.metadata.channels,
                fill=self.spec.metadata.fill,
                data_type=self.spec.metadata.data_type,
            )
            self._write_json(str(number), array.to_json())
        tissue = self.spec.plan.tissue
        self._write_picture("overview", tissue.overview.image)
        self._write_picture("tissue", tissue.labels[..., np.newaxis])

    def _check_same_run(self) -> None:
        try:
            keys = self._differing()
        except (OSError, StoreError) as error:
            raise StoreMismatchError(
                f"{self._store.where} exists, but its slide and settings cannot be read ({error}): "
                "move it away, or choose another output."
            ) from error
        if keys:
            raise StoreMismatchError(
                f"{self._store.where} was begun otherwise ({', '.join(keys)}); use the same slide "
                'and settings to continue it, or --restart (existing="restart") to begin anew.'
            )

    def _differing(self) -> list[str]:
        """Return what the unfinished store there was begun with, and this one is not."""
        return _begun(self._store.read).differing(UnfinishedNote.of(self.spec.metadata))

    def _write_picture(self, name: PictureName, pixels: np.ndarray[Any, Any]) -> None:
        """Write a whole [row, column, channel] array as an image of one level."""
        height, width, _ = pixels.shape
        grid = picture_grid(width, height)
        downsample = self.spec.plan.tissue.overview.downsample
        picture = PictureMetadata.of(name, self.spec.metadata, grid, downsample)
        for file, data in picture.files.items():
            self._put(file, data)
        levels = halved_labels(pixels, len(picture.arrays))
        for (file, array), level in zip(picture.shards.items(), levels, strict=True):
            shard = pack_picture(level, array.grid, fill=array.fill, data_type=array.dtype)
            self._put(file, *shard)

    def _write_json(self, folder: str, data: bytes) -> None:
        self._put(f"{folder}/{ROOT}", data)

    def _put(self, name: str, *parts: bytes) -> None:
        """Write a file, unless an earlier run has written the same."""
        if self._is_continued and self._holds(name, b"".join(parts)):
            self._store.keep(name)
            self._files[name] = FileSum.of(*parts)
        else:
            self._write(name, *parts)

    def _write(self, name: str, *parts: bytes) -> None:
        """Write a file, and add it to the manifest."""
        self._store.write(name, parts)
        self._files[name] = FileSum.of(*parts)

    def _holds(self, name: str, data: bytes) -> bool:
        """Return whether a file has this content."""
        try:
            return self._store.read(name, len(data) + 1) == data
        except OSError:  # none, or one that cannot be read: it is written anew
            return False


def _shard_name(level: int, shard: Shard) -> str:
    return f"{level}/{shard_key(shard.column, shard.row)}"


def _check_can_be_read(metadata: StoreMetadata) -> None:
    """Check that a store's root would be what readers accept, before any work is done for it."""
    try:
        StoreMetadata.from_json(metadata.to_json())
    except StoreError as error:
        raise StoreError(f"No store is written, since it could not be opened: {error}.") from error


def begun_note(path: Location) -> UnfinishedNote | None:
    """Return what the unfinished store at ``path`` was begun with; None if there is none."""
    try:
        return _begun(reads_partial(path))
    except (OSError, StoreError):
        return None


def is_begun_so(path: Location, spec: StoreSpec) -> bool:
    """Return whether a run would continue the unfinished store at ``path``."""
    if isinstance(path, Path) and any(True for _ in links_in(partial_path(path))):
        return False
    try:
        return not _begun(reads_partial(path)).differing(UnfinishedNote.of(spec.metadata))
    except (OSError, StoreError):
        return False


def _begun(read: Callable[[str, int], bytes]) -> UnfinishedNote:
    """Return the slide and settings that an unfinished store was begun with.

    The note is removed just before the store gets its place; a run that ended between the two left
    the root's metadata, which hold the same.
    """
    try:
        return UnfinishedNote.from_json(read(PARTIAL_NOTE, LARGEST_JSON_BYTES + 1))
    except FileNotFoundError:
        root = StoreMetadata.from_json(read(ROOT, LARGEST_JSON_BYTES + 1))
    return UnfinishedNote.of(replace(root, damage=None))  # which is known at the end only
