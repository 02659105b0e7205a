"""What an array of a Zarr hierarchy says of itself, checked before zarr-python opens it."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from slidetile.slides.omezarr._json import items, member, read_object, shown
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

_MOST_NESTED = 3

_OBJECT_CODECS = frozenset({"pickle", "json2", "msgpack2", "categorize"})
"""numcodecs' codecs that make Python objects of bytes: the first runs any code."""


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

    codec: str | None
    """The codec that made the bytes of a chunk as they are stored; None where there is none."""

    is_sharded: bool
    """Whether files are shards."""

    bits: int
    """Bits of a number: 8 or 16."""


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
    _check_codecs(node, folder.name)
    shape = _lengths(node.get("shape"), folder.name)
    chunks = list(_chunk_shapes(node, zarr_format, folder.name))
    facts = ArrayFacts(
        folder=folder,
        file=file,
        zarr_format=zarr_format,
        shape=shape,
        file_shape=chunks[0],
        chunk_shape=chunks[-1],
        is_sharded=len(chunks) > 1,
        codec=_last_codec(node, zarr_format),
        bits=_bits(node, zarr_format, folder.name),
    )
    _check_chunks(facts, chunks)
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


def _check_codecs(node: dict[str, Any], level: str) -> None:
    """Check that no codec makes objects of bytes, at whatever depth it is named."""
    for name in _codec_names([node.get(key) for key in ("codecs", "compressor", "filters")]):
        if name.removeprefix("numcodecs.") in _OBJECT_CODECS or "vlen" in name:
            raise FinalRefusalError(
                f"its level {level} is encoded by {shown(name)}, which is for objects and not for "
                "pixels"
            )


def _codec_names(node: Any) -> Iterator[str]:
    """Yield all names in a piece of metadata; it may be nested deeper than Python calls."""
    left = [node]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += value.values()  # cname and the like, too, of which none makes objects
        elif isinstance(value, list):
            left += value
        elif isinstance(value, str):
            yield value


def _chunk_shapes(
    node: dict[str, Any], zarr_format: ZarrFormat, name: str
) -> Iterator[tuple[int, ...]]:
    """Yield the shape of a file's content, and of the chunks within it, outermost first."""
    if zarr_format == 2:
        yield _lengths(node.get("chunks"), name)
        return
    grid = node.get("chunk_grid")
    if member(grid, "name") != "regular":
        raise FinalRefusalError(
            f"its level {name} is cut into chunks by the rule {shown(member(grid, 'name'))}, and "
            "slidetile reads regular ones"
        )
    yield _lengths(member(grid, "configuration", "chunk_shape"), name)
    codecs, depth = items(node, "codecs"), 0
    while (sharding := _sharding(codecs)) is not None:
        depth += 1
        if depth > _MOST_NESTED:
            raise FinalRefusalError(f"the shards of its level {name} are nested {depth} times")
        yield _lengths(sharding.get("chunk_shape"), name)
        codecs = items(sharding, "codecs")


def _sharding(codecs: list[Any]) -> dict[str, Any] | None:
    for codec in codecs:
        if member(codec, "name") == "sharding_indexed":
            found = member(codec, "configuration")
            return found if isinstance(found, dict) else {}
    return None


def _last_codec(node: dict[str, Any], zarr_format: ZarrFormat) -> str | None:
    """Return the codec that comes last when a chunk is stored, but for a checksum behind it."""
    if zarr_format == 2:
        name = member(node, "compressor", "id")
    else:
        codecs = items(node, "codecs")
        while (sharding := _sharding(codecs)) is not None:
            codecs = items(sharding, "codecs")
        names = [codec if isinstance(codec, str) else member(codec, "name") for codec in codecs]
        name = next((name for name in reversed(names) if name != "crc32c"), None)
    return name.removeprefix("numcodecs.") if isinstance(name, str) else None


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


def _check_chunks(facts: ArrayFacts, shapes: list[tuple[int, ...]]) -> None:
    name = facts.folder.name
    if any(len(shape) != len(facts.shape) for shape in shapes):
        raise FinalRefusalError(f"its level {name} has another number of axes than its chunks")
    size = math.prod(facts.chunk_shape) * facts.bits // 8
    if size > _BLOCK_LIMIT_BYTES:
        raise FinalRefusalError(
            f"the chunks of its level {name} are {'×'.join(map(str, facts.chunk_shape))}, more "
            f"than {_BLOCK_LIMIT_BYTES >> 20} MiB each"
        )
    for outer, inner in pairwise(shapes):
        if any(a % b for a, b in zip(outer, inner, strict=True)):
            raise FinalRefusalError(
                f"the shards of its level {name} are not whole chunks: {outer} of {inner}"
            )
        count = math.prod(a // b for a, b in zip(outer, inner, strict=True))
        if count > _MOST_IN_SHARD:
            raise FinalRefusalError(
                f"the shards of its level {name} have {count} chunks each, more than "
                f"{_MOST_IN_SHARD}"
            )
