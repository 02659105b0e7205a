"""Whether a store is still what was written, says the same everywhere, and holds the slide."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slidetile.errors import SlidetileError, StoreError
from slidetile.finding import Finding
from slidetile.json_difference import difference
from slidetile.manifest import MANIFEST
from slidetile.picture import PICTURE_CODEC
from slidetile.slide import Slide
from slidetile.store import open_store
from slidetile.store_shape import StoreShape, read_shape
from slidetile.store_writer import PARTIAL_NOTE
from slidetile.verify_pixels import PixelCheck
from slidetile.verify_shards import StoredChunks, split_checked
from slidetile.verify_table import TABLE, TableCheck
from slidetile.verify_tree import (
    FOREIGN,
    MISSING,
    StoreTree,
    check_content,
    check_names,
    read_manifest,
)

PICTURES = ("overview/0/c/0/0/0", "tissue/0/c/0/0/0")

FORESEEN = (
    *(SlidetileError, OSError, MemoryError, RecursionError),
    *(LookupError, TypeError, ValueError, ArithmeticError, AttributeError),
)
"""What metadata and files may raise that are taken at their word."""


def verify_store(
    path: str | os.PathLike[str], *, slide: Slide | None = None, deep: bool = False
) -> tuple[Finding, ...]:
    """Look for everything that is wrong with a finished store.

    Compares every file with the store's manifest, so that a missing, an extra, a cut and a
    changed file are found, whichever bit it is; and what the metadata, the tile table, the
    tissue and the chunks say with each other, so that a store that was written wrongly is found
    too. Memory holds one file at a time. The store is not trusted.

    Parameters
    ----------
    path
        The store's folder.
    slide
        The slide it was made from, to compare all pixels that are the slide's own: level 0, and
        all levels of a `native` store. A `jpeg` store is compared with what the slide's pixels
        are when encoded once more, within `verify_pixels.JPEG_TOLERANCE`.
    deep
        Decode every chunk of every level, and compare the levels of a lossless store with the
        halvings of the finer ones.

    Returns
    -------
    tuple of Finding
        Empty where nothing is wrong, else in an order that depends on nothing but the store.
        That a tile's status is "unreadable" is nothing wrong with the store.

    Raises
    ------
    StoreError
        There is no store at ``path``, or an unfinished one.

    Examples
    --------
    >>> import slidetile as st
    >>> store = st.tile_slide("data_samples/sample.svs", "sound.zarr")
    >>> (store.path / "overview" / "zarr.json").unlink()
    >>> print(verify_store(store.path)[0])
    overview/zarr.json: it is missing
    """
    tree = StoreTree(Path(path))
    if MANIFEST not in tree or PARTIAL_NOTE in tree:
        open_store(path)
    check = _Check(tree)
    findings = dict.fromkeys(check.as_written())  # what is found in two ways is told once
    findings |= dict.fromkeys(check.agreement())
    if deep or slide is not None:
        findings |= dict.fromkeys(check.pixels(slide, deep=deep))
    if deep and not findings:
        findings |= dict.fromkeys(check.halvings())
    return tuple(findings)


class _Check:
    """One look at one store."""

    def __init__(self, tree: StoreTree) -> None:
        self._tree = tree
        self._shape: StoreShape | None = None
        self._damage: tuple[Finding, ...] = ()
        try:
            self._shape = read_shape(tree)
        except FORESEEN as error:
            self._damage = (_damage("zarr.json", error),)
        self._stored = None if self._shape is None else StoredChunks(self._shape)
        self._nodes = {} if self._shape is None else self._shape.nodes()

    def as_written(self) -> Iterator[Finding]:
        """Compare every file with the manifest, and what is in it with what is to be there."""
        manifest = None
        try:
            manifest = read_manifest(self._tree)
        except StoreError as error:
            yield _damage(MANIFEST, error)
        yield from check_names(self._tree, manifest)
        for name in self._tree.names:
            try:
                data = self._tree.read(name)
            except StoreError as error:
                yield _damage(name, error)
                continue
            yield from check_content(name, data, manifest or {})
            yield from _foreseen(name, self._file(name, data))

    def agreement(self) -> Iterator[Finding]:
        """Compare the metadata, the table, the tissue and the chunks with each other."""
        yield from self._damage
        for name, node in self._nodes.items():
            yield from _foreseen(name, self._node(name, node))
        yield from _foreseen(TABLE, self._rows())

    def pixels(self, slide: Slide | None, *, deep: bool) -> Iterator[Finding]:
        """Decode all chunks, and compare them with the slide."""
        if self._shape is None or self._stored is None:
            return
        if slide is not None and (other := _other_slide(self._shape, slide)) is not None:
            yield other
            slide = None
        if deep:
            yield from _foreseen(PICTURES[0], self._overview())
        if deep or slide is not None:
            pixels = PixelCheck(self._tree, self._shape)
            yield from _foreseen("zarr.json", pixels.decode(self._stored, slide, deep=deep))

    def halvings(self) -> Iterator[Finding]:
        """Compare the levels of a lossless store, without flaw so far, with those below."""
        table = self._table()
        if table is None or self._shape is None or not self._shape.codec.is_lossless:
            return
        pixels = PixelCheck(self._tree, self._shape)
        yield from _foreseen("zarr.json", pixels.halvings(table.regions))

    def _file(self, name: str, data: bytes) -> Iterator[Finding]:
        """Check what a file holds, and take down its chunks."""
        shape, stored = self._shape, self._stored
        if shape is None or stored is None:
            return
        if shape.shard(name) is not None:
            yield from stored.enter(name, data)
        elif name in PICTURES:
            chunks = split_checked(data, shape.picture, PICTURE_CODEC)
            if len(chunks) != shape.picture.chunks_per_shard:
                yield Finding(name, f"it holds {len(chunks)} chunks, which are not all")
        elif name not in self._nodes and name not in (MANIFEST, TABLE):
            yield Finding(name, FOREIGN)

    def _node(self, name: str, node: dict[str, Any]) -> Iterator[Finding]:
        assert self._shape is not None, "without it there are no nodes"
        found = self._shape.root if name == "zarr.json" else self._tree.json(name)
        if (what := difference(node, found)) is not None:
            yield Finding(name, what)

    def _rows(self) -> Iterator[Finding]:
        missing = [name for name in (*PICTURES, TABLE) if name not in self._tree]
        yield from (Finding(name, MISSING) for name in missing)
        if not missing and (table := self._table()) is not None:
            yield from table.findings()

    def _table(self) -> TableCheck | None:
        if self._shape is None or self._stored is None:
            return None
        store = open_store(self._tree.folder)
        return TableCheck(store.tiles, self._shape, self._stored, store.tissue)

    def _overview(self) -> Iterator[Finding]:
        open_store(self._tree.folder).overview  # noqa: B018  it decodes every chunk
        yield from ()


def _other_slide(shape: StoreShape, slide: Slide) -> Finding | None:
    """Return a finding where the slide is not the store's."""
    wanted, source = shape.told["source"]["fingerprint"], slide.source
    sizes = slide.levels[0].size, slide.channels
    if source.fingerprint == wanted and sizes == (shape.grids[0].size, shape.channels):
        return None
    what = (
        f"the store was made from a slide with the fingerprint {wanted:.12}…, but that of "
        f"{source.name} is {source.fingerprint:.12}…: their pixels were not compared"
    )
    return Finding("zarr.json", what)


def _foreseen(name: str, findings: Iterator[Finding]) -> Iterator[Finding]:
    """Yield findings, the last of them what ended the search."""
    try:
        yield from findings
    except FORESEEN as error:
        yield _damage(name, error)


def _damage(name: str, error: BaseException) -> Finding:
    is_ours = isinstance(error, SlidetileError)
    return Finding(name, str(error) if is_ours else f"it is damaged: {error!r:.200}")
