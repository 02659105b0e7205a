"""What an array of a Zarr hierarchy says of itself, checked before zarr-python opens it."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slidetile.slides.omezarr._codecs import (
    Codec,
    Encoding,
    check_no_objects,
    v2_chain,
    v3_chain,
)
from slidetile.slides.omezarr._json import member, read_object, shown
from slidetile.slides.omezarr._shard import ShardIndex, read_index
from slidetile.slides.omezarr.folder import V3_NODE, ZarrFormat
from slidetile.slides.reader import FinalRefusalError
from slidetile.slides.samples import check_kind

_V2_ARRAY = ".zarray"

_MOST_AXES = 16
_LONGEST = 1 << 40

_BLOCK_LIMIT_BYTES = 1 << 28
"""The most memory for one decoded chunk, as for a tile of any slide."""

_MOST_IN_SHARD = 1 << 20
"""Most chunks of a shard, whose index takes 16 bytes for each: 16 MiB."""

_SHARDING = "sharding_indexed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayFacts:
    """An array of uint8 or uint16 that may be read."""

    folder: Path
    """Where it lies."""

    file: Path
    """The file that says so."""

    zarr_format: ZarrFormat
    """2 or 3."""

    shape: tuple[int, ...]
    """Length of each axis."""

    file_shape: tuple[int, ...]
    """Lengths of what one file holds: a shard, or a chunk where there are no shards."""

    chunk_shape: tuple[int, ...]
    """Lengths of what is decoded at once."""

    encoding: Encoding
    """How chunks are encoded."""

    index: ShardIndex | None
    """The index of its shards; None where files are chunks."""

    bits: int
    """Bits of a number: 8 or 16."""

    @property
    def chunk_bytes(self) -> int:
        """Bytes of the pixels that are decoded at once."""
        return math.prod(self.chunk_shape) * self.bits // 8

    @property
    def file_bytes(self) -> int:
        """Bytes of the pixels that one file holds."""
        return math.prod(self.file_shape) * self.bits // 8


def read_array(folder: Path, zarr_format: ZarrFormat) -> ArrayFacts:
    """Return what an array says of itself.

    Raises
    ------
    FinalRefusalError
        It is missing, is of another type, or its chunks are larger than anything a slide has.
    SlideReadError
        Its metadata cannot be read.
    """
    file = folder / (V3_NODE if zarr_format == 3 else _V2_ARRAY)
    node = read_object(file)
    if node is None:
        raise FinalRefusalError(f"its level {folder.name} is missing: {file.name} is not there")
    _check_kind(node, zarr_format, folder.name)
    check_no_objects(node, folder.name)
    chunks, chain, sharding = _chunks(node, zarr_format, folder.name)
    facts = ArrayFacts(
        folder=folder,
        file=file,
        zarr_format=zarr_format,
        shape=_lengths(node.get("shape"), folder.name),
        file_shape=chunks[0],
        chunk_shape=chunks[-1],
        encoding=Encoding.of(chain, folder.name),
        index=None if sharding is None else _index(sharding, chunks[0], chunks[1], folder.name),
        bits=_bits(node, zarr_format, folder.name),
    )
    _check_chunks(facts)
    return facts


def _check_kind(node: dict[str, Any], zarr_format: ZarrFormat, name: str) -> None:
    if node.get("zarr_format") != zarr_format:
        raise FinalRefusalError(
            f"its level {name} is of Zarr format {shown(node.get('zarr_format'))}, but the image "
            f"of {zarr_format}"
        )
    if zarr_format == 3 and node.get("node_type") != "array":
        raise FinalRefusalError(f"its level {name} is not an array")


_TYPE = re.compile(r"[<>|]?([uifbc])(\d{1,2})|(u?int|float|complex)(\d{1,3})|bool", re.ASCII)
_KINDS = {"u": "unsigned", "i": "signed", "f": "floating-point", "c": "complex"}


def _bits(node: dict[str, Any], zarr_format: ZarrFormat, name: str) -> int:
    """Return the bits of the numbers; refuse others than unsigned ones of 8 or 16."""
    kind = node.get("data_type" if zarr_format == 3 else "dtype")
    found = _TYPE.fullmatch(kind) if isinstance(kind, str) else None
    if found is None:
        raise FinalRefusalError(
            f"its level {name} has numbers of type {shown(kind)}, and slidetile reads unsigned "
            "ones of 8 or 16 bits (uint8, uint16)"
        )
    if kind in ("bool", "|b1", "b1"):
        check_kind(1, "unsigned")
    letter = found[1] or (found[3] or "b")[0]
    bits = 8 * int(found[2]) if found[2] else int(found[4])
    check_kind(bits, _KINDS.get(letter, "unknown"))
    return bits


def _chunks(
    node: dict[str, Any], zarr_format: ZarrFormat, name: str
) -> tuple[list[tuple[int, ...]], list[Codec], Any]:
    """Return the shapes of a shard, if any, and of a chunk, its codecs, and what cuts shards."""
    if zarr_format == 2:
        return [_lengths(node.get("chunks"), name)], v2_chain(node), None
    grid = node.get("chunk_grid")
    if member(grid, "name") != "regular":
        raise FinalRefusalError(
            f"its level {name} is cut into chunks by the rule {shown(member(grid, 'name'))}, and "
            "slidetile reads regular ones"
        )
    shape = _lengths(member(grid, "configuration", "chunk_shape"), name)
    chain = v3_chain(node)
    if _SHARDING not in [codec.name for codec in chain]:
        return [shape], chain, None
    sharding = chain[0].configuration
    inner = v3_chain(sharding)
    _check_sharding(chain, inner, name)
    return [shape, _lengths(member(sharding, "chunk_shape"), name)], inner, sharding


def _check_sharding(outer: list[Codec], inner: list[Codec], name: str) -> None:
    """Check that shards hold chunks, and are stored as they are."""
    if len(outer) > 1:
        raise FinalRefusalError(
            f"the shards of its level {name} are encoded once more, by "
            f"{shown([codec.name for codec in outer])}: slidetile reads shards whose chunks are"
        )
    if any(codec.name == _SHARDING for codec in inner):
        raise FinalRefusalError(
            f"the shards of its level {name} are nested: slidetile reads shards that hold chunks, "
            "and no further shards"
        )


def _index(sharding: Any, outer: tuple[int, ...], inner: tuple[int, ...], name: str) -> ShardIndex:
    """Return the index of shards of one shape, which are cut into chunks of another."""
    if len(outer) != len(inner):
        raise FinalRefusalError(f"its level {name} has another number of axes than its chunks")
    if any(a % b for a, b in zip(outer, inner, strict=True)):
        raise FinalRefusalError(
            f"the shards of its level {name} are not whole chunks: {outer} of {inner}"
        )
    counts = tuple(a // b for a, b in zip(outer, inner, strict=True))
    if math.prod(counts) > _MOST_IN_SHARD:
        raise FinalRefusalError(
            f"the shards of its level {name} have {math.prod(counts)} chunks each, more than "
            f"{_MOST_IN_SHARD}"
        )
    return read_index(sharding, counts, name)


def _lengths(value: Any, name: str) -> tuple[int, ...]:
    is_sound = (
        isinstance(value, list)
        and 2 <= len(value) <= _MOST_AXES
        and all(type(length) is int and 1 <= length <= _LONGEST for length in value)
    )
    if not is_sound:
        raise FinalRefusalError(
            f"its level {name} claims {shown(value)} as a shape, which is none of an image"
        )
    return tuple(value)


def _check_chunks(facts: ArrayFacts) -> None:
    name = facts.folder.name
    if len(facts.file_shape) != len(facts.shape):
        raise FinalRefusalError(f"its level {name} has another number of axes than its chunks")
    if facts.chunk_bytes > _BLOCK_LIMIT_BYTES:
        raise FinalRefusalError(
            f"the chunks of its level {name} are {'×'.join(map(str, facts.chunk_shape))}, more "
            f"than {_BLOCK_LIMIT_BYTES >> 20} MiB each"
        )
