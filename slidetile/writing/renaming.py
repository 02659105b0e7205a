"""The other name of a store's Zarr codec: metadata, checksums and manifest change, and no chunk.

Knows a finished store's files. Does not know slides.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from slidetile.choices import JPEG_NAME, JpegName
from slidetile.cloud.address import Address, locate
from slidetile.errors import StoreError, StoreExistsError
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.codecs.named import holds_jpeg, jpeg_name
from slidetile.format.manifest import (
    LARGEST_MANIFEST_BYTES,
    FileSum,
    pack_manifest,
    unpack_manifest,
)
from slidetile.format.metadata.array import ArrayMetadata
from slidetile.format.metadata.node import LARGEST_JSON_BYTES, JsonNode
from slidetile.format.metadata.parameters import CodecParameters
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.metadata.unfinished import UnfinishedNote
from slidetile.format.names import MANIFEST, PARTIAL_NOTE, ROOT, partial_path, shard_of
from slidetile.format.shard import LARGEST_SHARD_BYTES, split_shard
from slidetile.runtime.files import read_regular
from slidetile.store.store import TileStore, open_store
from slidetile.writing._named import draft_of
from slidetile.writing._writer import begun_note
from slidetile.writing.partial import PartialFolder, tidy_up

_NO_LINKS = frozenset((errno.EPERM, errno.ENOTSUP, errno.EXDEV, errno.EMLINK, errno.ENOSYS))
"""Errors of file systems that give a file no second name."""


def rename_codec(path: str | os.PathLike[str] | Address, to: JpegName = "jpeg") -> TileStore:
    """Let a store's arrays call the Zarr codec of its JPEG chunks by its other name.

    Only metadata and checksums change. They are written into a folder beside the store, in which
    the other files get a second name (a copy, where the file system has no hard links), and which
    then takes the store's place: whenever this is interrupted, the store there is whole.

    Parameters
    ----------
    path
        The store's folder.
    to
        The name: "jpeg" is experimental, that of a draft.

    Returns
    -------
    TileStore
        The store; unchanged where its arrays have that name already.

    Raises
    ------
    StoreError
        The store lies in a bucket, its chunks are not JPEG, its metadata are damaged, the draft
        has no words for its chunks, or somebody else's files are in it, which would be lost.
    StoreExistsError
        An unfinished store of other settings lies beside it.
    StoreBusyError
        Another process writes it.
    OSError
        The folder cannot be written.

    Examples
    --------
    >>> import slidetile as st
    >>> store = st.tile_slide("data_samples/sample.svs", "named.zarr")
    >>> rename_codec(store.path).zarr["0"].metadata.codecs[0].codecs[1].to_dict()["name"]
    'jpeg'
    """
    place = locate(path)
    if isinstance(place, Address):
        raise StoreError(
            f"{place} lies in a bucket, where no file has two names: rename a copy on a disk."
        )
    tidy_up(place)
    store = open_store(place)
    codec = store.metadata.chunk_codec
    if not holds_jpeg(codec):
        raise StoreError(
            f"{place} has chunks of the codec {store.codec} that are not JPEG: their Zarr codec "
            "has one name."
        )
    if jpeg_name(codec) == to:
        return store
    files = _manifest(place)
    _refuse_others(place, files)
    draft = None
    if to != JPEG_NAME:
        draft = draft_of(codec, _first_chunk(place, store, files), len(store.channels))
    _rename(place, files, store.metadata, replace(codec, draft=draft))
    return open_store(place)


def _rename(
    path: Path, files: dict[str, FileSum], metadata: StoreMetadata, codec: ChunkCodec
) -> None:
    told = CodecParameters.from_node(JsonNode(codec.parameters, "parameters.codec"))
    renamed = replace(metadata, parameters=replace(metadata.parameters, codec=told))
    changed = {
        f"{level}/{ROOT}": _array(path, files, f"{level}/{ROOT}", metadata.chunk_codec, codec)
        for level in range(len(metadata.downsamples))
    }
    _expect(path, files, ROOT, metadata.to_json())
    note = UnfinishedNote.of(renamed)
    _clear(path, note)
    partial = PartialFolder(path, overwrite=True, durable=True)
    try:
        if partial.is_begun():
            partial.discard()
        partial.write(PARTIAL_NOTE, [note.to_json(path.name)])
        for name in sorted(files.keys() - changed.keys() - {ROOT}):
            _give_name(path / name, partial, name)
        changed[ROOT] = renamed.to_json()
        sums = files | {name: FileSum.of(data) for name, data in changed.items()}
        for name in sorted(changed, key=lambda name: name == ROOT):
            if name == ROOT:  # last, as whenever a store is written
                partial.write(MANIFEST, [pack_manifest(sums)])
            partial.write(name, [changed[name]])
        _expect(path, files, ROOT, metadata.to_json())  # it is still the store that was opened
        partial.finish()
    finally:
        partial.close()


def _refuse_others(path: Path, files: dict[str, FileSum]) -> None:
    """Check that a store holds nothing but its own files: others would go with the old folder."""
    for parent, folders, names in os.walk(path):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in (*names, *links):
            found = Path(parent, name)
            own = found.relative_to(path).as_posix()
            if own not in files and own != MANIFEST:
                raise StoreError(
                    f"{found} is not one of the store's files, and would be lost: move it out of "
                    "the store, then rename the codec."
                )


def _clear(path: Path, note: UnfinishedNote) -> None:
    """Check that an unfinished store beside one is left of a run like this, and of no other."""
    begun = begun_note(path)
    if begun is not None and begun.differing(note):
        raise StoreExistsError(
            f"{partial_path(path)} is an unfinished store of other settings: finish it, or remove "
            "it."
        )


def _give_name(source: Path, partial: PartialFolder, name: str) -> None:
    """Give a file a second name in the unfinished store; or copy it."""
    target = partial.where / name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copyfile(source, target, follow_symlinks=False)
        partial.keep(name)


def _array(
    path: Path, files: dict[str, FileSum], name: str, before: ChunkCodec, codec: ChunkCodec
) -> bytes:
    """Return the metadata of an array with another codec."""
    try:
        array = ArrayMetadata.from_json(_content(path, name, LARGEST_JSON_BYTES), before)
    except StoreError as error:
        raise StoreError(f"{path / name} is damaged: {error}.") from error
    _expect(path, files, name, array.to_json())
    return replace(array, codec=codec).to_json()


def _expect(path: Path, files: dict[str, FileSum], name: str, data: bytes) -> None:
    """Check that metadata are those that were written."""
    found = _content(path, name, LARGEST_JSON_BYTES)
    if found != data or files.get(name) != FileSum.of(found):
        raise StoreError(
            f"{path / name} is not what was written (slidetile verify says more): its codec is not "
            "renamed."
        )


def _manifest(path: Path) -> dict[str, FileSum]:
    try:
        return unpack_manifest(_content(path, MANIFEST, LARGEST_MANIFEST_BYTES))
    except ValueError as error:
        raise StoreError(f"{path / MANIFEST} is damaged: {error}.") from error


def _content(path: Path, name: str, most_bytes: int) -> bytes:
    try:
        return read_regular(path / name, most_bytes)
    except OSError as error:
        raise StoreError(f"{path / name} could not be read: {error.strerror or error}.") from error


def _first_chunk(path: Path, store: TileStore, files: dict[str, FileSum]) -> bytes | None:
    """Return the first stored chunk of level 0, row by row; None of a store without chunks."""
    shards = sorted(_finest(files))
    codec, (level, *_) = store.metadata.chunk_codec, store.grids
    first: tuple[int, int, bytes] | None = None
    for row, column in shards:
        if row != shards[0][0]:
            break
        name = f"0/c/0/{row}/{column}"
        try:
            chunks = split_shard(_content(path, name, LARGEST_SHARD_BYTES), level, codec)
            for place, stored in chunks.items():
                down, across = divmod(place, level.chunks_across)
                cell = row * level.chunks_down + down, column * level.chunks_across + across
                if first is None or cell < first[:2]:
                    first = *cell, stored
        except ValueError as error:
            raise StoreError(f"{path / name} is damaged: {error}.") from error
    try:
        return None if first is None else codec.unseal(first[2])
    except ValueError as error:
        raise StoreError(f"A chunk of {path} is damaged: {error}.") from error


def _finest(files: dict[str, FileSum]) -> Iterator[tuple[int, int]]:
    """Yield the (row, column) of each shard of level 0."""
    for name in files:
        shard = shard_of(name)
        if shard is not None and shard[0] == 0:
            yield shard[2], shard[1]
