"""How the chunks of an array are encoded, checked so that what they become can be bounded.

One codec may make many bytes of few, and comes last, where its header is seen before it runs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from slidetile.slides.omezarr._json import items, member, shown
from slidetile.slides.reader import FinalRefusalError

_BYTE_TYPES = ("uint8", "|u1", "u1", "<u1", ">u1")
"""The names of uint8 in Zarr's metadata."""

_DEEP_TYPES = ("uint16", "<u2", ">u2")
"""Those of uint16."""

_OBJECT_CODECS = frozenset({"pickle", "json2", "msgpack2", "categorize"})
"""numcodecs' codecs that make Python objects of bytes: the first runs any code."""

_KEEPING = frozenset(
    {"bytes", "transpose", "shuffle", "bitround"}
    | {"crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3"}
)
"""Codecs that make no more bytes than they are given."""

_TYPED = {
    "delta": ("dtype", "astype"),
    "fixedscaleoffset": ("dtype", "astype"),
    "quantize": ("dtype", "astype"),
    "astype": ("decode_dtype", "encode_dtype"),
}
"""Codecs that are told which numbers they make, and of which: the same where it is not said. They
make no more bytes where that is one byte a number, or two of two."""

_CHECKSUM = "crc32c"


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """One codec of a chain."""

    name: str
    """Its name, without the prefix of numcodecs."""

    configuration: Any
    """What it is told."""

    @classmethod
    def of(cls, codec: Any, *, name: str = "name", configuration: str | None) -> Self:
        """Return a codec of the metadata, which may be no more than its name."""
        own = codec if isinstance(codec, str) else member(codec, name)
        told = codec if configuration is None else member(codec, configuration)
        return cls(name=str(own).removeprefix("numcodecs."), configuration=told)

    @property
    def is_inflating(self) -> bool:
        """Whether it may make many bytes of few."""
        if self.name in _TYPED:
            made, stored = (member(self.configuration, key) for key in _TYPED[self.name])
            is_deep = made in _DEEP_TYPES and stored in (None, made)
            return made not in _BYTE_TYPES and not is_deep
        return self.name not in _KEEPING

    @property
    def is_checksum(self) -> bool:
        """Whether it does no more than put a CRC-32C behind its bytes."""
        return self.name == _CHECKSUM and member(self.configuration, "location") in (None, "end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How chunks are encoded."""

    codec: str | None
    """The codec that made the bytes of a chunk as they are stored; None where none makes fewer."""

    has_checksum: bool
    """Whether a checksum follows them."""

    @classmethod
    def of(cls, chain: Sequence[Codec], level: str) -> Self:
        """Return the encoding of a chain, in the order in which chunks are written.

        Raises
        ------
        FinalRefusalError
            What its chunks become cannot be bounded.
        """
        names = [codec.name for codec in chain]
        inflating = [number for number, codec in enumerate(chain) if codec.is_inflating]
        if len(inflating) > 1:
            raise FinalRefusalError(
                f"its level {level} is encoded by {shown(names)}, of which several "
                f"({', '.join(shown(names[number]) for number in inflating[:4])}) make many bytes "
                "of few: slidetile reads chunks that are compressed once"
            )
        has_checksum = bool(chain) and chain[-1].is_checksum
        if not inflating:
            return cls(codec=None, has_checksum=has_checksum)
        (place,) = inflating
        if place + 1 + has_checksum < len(chain):
            raise FinalRefusalError(
                f"its level {level} is encoded by {shown(names)}: behind {shown(names[place])}, "
                "which compresses, slidetile reads no more than one checksum crc32c"
            )
        if names[place] == "lzma" and member(chain[place].configuration, "format") not in _LZMA:
            raise FinalRefusalError(
                f"its level {level} is encoded by lzma without a header, which says what is in it"
            )
        return cls(codec=names[place], has_checksum=has_checksum)


_LZMA = (None, 0, 1, 2)
"""Formats of LZMA with a header, as Python numbers them."""


def v2_chain(node: dict[str, Any]) -> list[Codec]:
    """Return the codecs of an array of Zarr format 2, in the order in which they write."""
    found = [*items(node, "filters"), node.get("compressor")]
    return [Codec.of(codec, name="id", configuration=None) for codec in found if codec is not None]


def v3_chain(node: Any) -> list[Codec]:
    """Return the codecs of an array of Zarr format 3, or of its shards."""
    return [Codec.of(codec, configuration="configuration") for codec in items(node, "codecs")]


def check_no_objects(node: dict[str, Any], level: str) -> None:
    """Check that no codec makes objects of bytes, at whatever depth it is named.

    Raises
    ------
    FinalRefusalError
        One does.
    """
    for name in _names([node.get(key) for key in ("codecs", "compressor", "filters")]):
        if name.removeprefix("numcodecs.") in _OBJECT_CODECS or "vlen" in name:
            raise FinalRefusalError(
                f"its level {level} is encoded by {shown(name)}, which is for objects and not for "
                "pixels"
            )


def _names(node: Any) -> Iterator[str]:
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
