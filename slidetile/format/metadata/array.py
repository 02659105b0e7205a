"""The ``zarr.json`` of an array: how a level, the overview or the tissue is cut and encoded."""

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np

from slidetile.errors import StoreError
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.layout import MOST_CHUNKS, ChunkGrid, is_sharded
from slidetile.format.metadata.node import JsonNode, parse_json, to_json
from slidetile.format.metadata.rules import Items, OneOf, Whole
from slidetile.format.names import shard_key
from slidetile.raster.channels import MOST_CHANNELS

DIMENSIONS = ("c", "y", "x")

LARGEST_SIDE_PX = 1 << 24
"""Largest side of an array or a shard: more than any scanner delivers."""

LARGEST_CHUNK_BYTES = 3 << 24
"""Bytes of the largest chunk, a native tile of 4096 px a side; bounds what a damaged store can make
a reader allocate, which is four times that for what is stored."""

MOST_CHUNKS_IN_SHARD = 1 << 12
"""Chunks of the fullest shard, of native tiles of 64 px; bounds the index that a reader reads."""

DataType = Literal["uint8", "uint16", "uint32"]

_BITS: dict[DataType, int] = {"uint8": 8, "uint16": 16, "uint32": 32}
_FILLS = {name: Whole(0, (1 << bits) - 1) for name, bits in _BITS.items()}
_BYTES = {"name": "bytes"}
_LITTLE_ENDIAN = {"name": "bytes", "configuration": {"endian": "little"}}
_SIDES = Items(Whole(1, LARGEST_SIDE_PX), 2, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayMetadata:
    """A (c, y, x) array, sharded unless its codec is raw, whose files can be mapped.

    Raises
    ------
    ValueError
        It is larger than any array of a store, or has more channels.
    """

    grid: ChunkGrid
    """How it is cut into shards and chunks."""

    codec: ChunkCodec
    """How its chunks are stored."""

    channels: int
    """How many there are; every chunk holds all of them."""

    fill: int
    """Value of pixels that are not stored."""

    data_type: DataType = "uint8"
    """Type of its samples: uint8 or uint16 for pixels, uint32 for labels, which have 1 channel."""

    is_flat: bool = False
    """Whether it is a (y, x) array, as labels are, which have no channels."""

    def __post_init__(self) -> None:
        if self.is_flat and self.data_type != "uint32":
            raise ValueError(f"shape has no channels, but {self.data_type} has some")
        most = 1 if self.data_type == "uint32" else MOST_CHANNELS
        if not 1 <= self.channels <= most:
            raise ValueError(f"shape has {self.channels} channels, but {self.data_type} 1–{most}")
        grid = self.grid
        longest = max(grid.width, grid.height, grid.shard_width, grid.shard_height)
        if longest > LARGEST_SIDE_PX:
            raise ValueError(f"shape has a side of {longest} px, more than {LARGEST_SIDE_PX}")
        if self.chunk_bytes > LARGEST_CHUNK_BYTES:
            raise ValueError(
                f"chunk_shape is of {self.chunk_bytes} bytes, more than {LARGEST_CHUNK_BYTES}"
            )
        if grid.chunks_per_shard > MOST_CHUNKS_IN_SHARD:
            raise ValueError(
                f"chunk_shape makes {grid.chunks_per_shard} chunks a shard, more than "
                f"{MOST_CHUNKS_IN_SHARD}"
            )
        if grid.chunk_count > MOST_CHUNKS:
            raise ValueError(
                f"shape has {grid.chunk_columns}×{grid.chunk_rows} chunks, more than {MOST_CHUNKS}"
            )

    @classmethod
    def from_json(cls, data: bytes, codec: ChunkCodec) -> Self:
        """Return the metadata in the ``zarr.json`` of an array.

        Parameters
        ----------
        data
            The file's bytes.
        codec
            The store's codec, which the array must repeat.

        Raises
        ------
        StoreError
            It is not what slidetile writes. The message names the key.
        """
        root = parse_json(data)
        data_type = OneOf(*_FILLS).read(root["data_type"])
        is_flat = len(_SIDES.read(root["shape"])) == 2
        try:
            array = cls(
                grid=_read_grid(root, is_sharded=is_sharded(codec)),
                codec=codec,
                channels=1 if is_flat else Whole(1, MOST_CHANNELS).read(root["shape"][0]),
                fill=_FILLS[data_type].read(root["fill_value"]),
                data_type=data_type,
                is_flat=is_flat,
            )
        except ValueError as error:
            raise StoreError(str(error)) from error
        root.expect(array.to_node())
        return array

    def to_json(self) -> bytes:
        """Return the array's ``zarr.json``."""
        return to_json(self.to_node())

    def to_node(self) -> dict[str, Any]:
        """Return the metadata as a JSON object."""
        codecs = self.codec.zarr_codecs
        if self.data_type != "uint8":
            codecs = [_LITTLE_ENDIAN if codec == _BYTES else codec for codec in codecs]
        if is_sharded(self.codec):
            codecs = [_sharding(self._shape(self.grid.chunk_height, self.grid.chunk_width), codecs)]
        shard = self._shape(self.grid.shard_height, self.grid.shard_width)
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": self._shape(self.grid.height, self.grid.width),
            "data_type": self.data_type,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shard}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": self.fill,
            "codecs": codecs,
            "attributes": {},
            "dimension_names": list(DIMENSIONS[1:] if self.is_flat else DIMENSIONS),
        }

    def _shape(self, height: int, width: int) -> list[int]:
        return [height, width] if self.is_flat else [self.channels, height, width]

    def shard_key(self, column: int, row: int) -> str:
        """Return the path of a shard in the array's folder."""
        return f"c/{row}/{column}" if self.is_flat else shard_key(column, row)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its samples."""
        return np.dtype(self.data_type)

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a decoded chunk."""
        pixels = self.grid.chunk_width * self.grid.chunk_height
        return self.channels * pixels * self.dtype.itemsize


def _sharding(chunk_shape: list[int], codecs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": "sharding_indexed",
        "configuration": {
            "chunk_shape": chunk_shape,
            "codecs": codecs,
            "index_codecs": [
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "crc32c"},
            ],
            "index_location": "end",
        },
    }


def _read_grid(root: JsonNode, *, is_sharded: bool) -> ChunkGrid:
    """Return how an array is cut; the rest of its metadata is not checked here."""
    *_, height, width = _SIDES.read(root["shape"])
    shard = _SIDES.read(root["chunk_grid"]["configuration"]["chunk_shape"])[-2:]
    chunk = shard
    if is_sharded:
        node = root["codecs"][0]["configuration"]["chunk_shape"]
        chunk = _SIDES.read(node)[-2:]
        if shard[0] % chunk[0] or shard[1] % chunk[1]:
            raise node.refusal(f"a divisor of the shard, {shard[0]}×{shard[1]}")
    return ChunkGrid(
        width=width,
        height=height,
        chunk_width=chunk[1],
        chunk_height=chunk[0],
        chunks_across=shard[1] // chunk[1],
        chunks_down=shard[0] // chunk[0],
    )
