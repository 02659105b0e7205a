"""A reader of stores written from the page of the store format alone, without slidetile."""

import json
import math
import re
import struct
from fractions import Fraction
from itertools import pairwise

import google_crc32c
import imagecodecs
import numpy as np
from paths import ROOT

PAGE = (ROOT / "docs" / "reference" / "store-format.md").read_text(encoding="utf-8")
ABSENT = (1 << 64) - 1

QUALITY = (
    *("mean_red", "mean_green", "mean_blue"),
    *("saturated_fraction", "clipped_fraction", "laplacian_variance", "pen_fraction"),
)

crc = google_crc32c.value


class Reader:
    """One array of a store, as the page describes it."""

    def __init__(self, folder, codec):
        node = json.loads((folder / "zarr.json").read_bytes())
        self.folder, self.codec, self.fill = folder, codec, node["fill_value"]
        self.dtype = {"uint8": "u1", "uint32": "<u4"}[node["data_type"]]
        *channels, self.height, self.width = node["shape"]
        self.channels, self.above = (channels[0], "c/0") if channels else (1, "c")
        shard = node["chunk_grid"]["configuration"]["chunk_shape"][-2:]
        chunk = shard if codec == "raw" else node["codecs"][0]["configuration"]["chunk_shape"]
        *_, self.h, self.w = chunk
        self.down, self.across = shard[0] // self.h, shard[1] // self.w
        self.shards = {}
        self.rows, self.columns = -(-self.height // self.h), -(-self.width // self.w)

    def shard(self, key):
        if key not in self.shards:
            path = self.folder / key
            self.shards[key] = path.read_bytes() if path.exists() else None
        return self.shards[key]

    def stored(self, column, row):
        """Return a chunk as it is stored, or None."""
        (shard_row, i), (shard_column, j) = divmod(row, self.down), divmod(column, self.across)
        data = self.shard(f"{self.above}/{shard_row}/{shard_column}")
        if data is None:
            return None
        if self.codec == "raw":
            return data
        n = self.down * self.across
        body, index, checksum = data[: -16 * n - 4], data[-16 * n - 4 : -4], data[-4:]
        assert struct.unpack("<I", checksum) == (crc(index),)
        offset, length = struct.unpack_from("<QQ", index, 16 * (i * self.across + j))
        if (offset, length) == (ABSENT, ABSENT) or not length:
            return None
        assert offset <= len(body)
        assert length <= len(body)
        assert offset + length <= len(body)
        return body[offset : offset + length]

    def payload(self, column, row):
        stored = self.stored(column, row)
        if stored is None or self.codec not in ("native", "jpeg", "jxl"):
            return stored
        assert struct.unpack("<I", stored[-4:]) == (crc(stored[:-4]),)
        return stored[:-4]

    def pixels(self, column, row):
        """Return a chunk as [channel, row, column], or None."""
        payload = self.payload(column, row)
        if payload is None:
            return None
        if self.codec in ("native", "jpeg"):
            assert payload.startswith(b"\xff\xd8")
            return imagecodecs.jpeg8_decode(payload).transpose(2, 0, 1)
        if self.codec == "jxl":
            return imagecodecs.jpegxl_decode(payload).reshape(self.h, self.w, -1).transpose(2, 0, 1)
        shape = self.channels, self.h, self.w
        if self.codec == "zstd":
            assert payload.startswith(b"\x28\xb5\x2f\xfd")
            assert payload[4] & 4, "RFC 8878, 3.1.1.1.1: the content checksum flag"
            payload = imagecodecs.zstd_decode(payload)
        return np.frombuffer(payload, self.dtype).reshape(shape)

    def whole(self):
        """Return the array as [channel, row, column]."""
        shape = self.channels, self.rows * self.h, self.columns * self.w
        canvas = np.full(shape, self.fill, self.dtype)
        for row, column in np.ndindex(self.rows, self.columns):
            if (pixels := self.pixels(column, row)) is not None:
                y, x = row * self.h, column * self.w
                canvas[:, y : y + self.h, x : x + self.w] = pixels
        return canvas[:, : self.height, : self.width]

    def chunks_of(self, tile):
        """Yield (column, row) of the chunks that meet the part of a tile inside the slide."""
        right, bottom = tile["x"] + tile["width"], tile["y"] + tile["height"]
        for row in range(tile["y"] // self.h, -(-bottom // self.h)):
            for column in range(tile["x"] // self.w, -(-right // self.w)):
                yield column, row


def levels_of(path, codec):
    multiscale = attributes(path)["ome"]["multiscales"][0]
    paths = [dataset["path"] for dataset in multiscale["datasets"]]
    assert paths == [str(number) for number in range(len(paths))]
    return [Reader(path / name, codec) for name in paths]


def attributes(path):
    return json.loads((path / "zarr.json").read_bytes())["attributes"]


def halved(pixels):
    """Halve as the page says, without any of slidetile's tricks."""
    _, height, width = pixels.shape
    even = np.pad(pixels, ((0, 0), (0, height % 2), (0, width % 2)), "edge").astype(np.uint16)
    quads = even[:, ::2, ::2] + even[:, 1::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, 1::2]
    return ((quads + 2) >> 2).astype(np.uint8)


def averaged(pixels, factor):
    """Return the means of blocks of [channel, row, column], and where their centres lie."""
    starts = [np.arange(0, length, factor) for length in pixels.shape[1:]]
    stops = [
        np.minimum(start + factor, length)
        for start, length in zip(starts, pixels.shape[1:], strict=True)
    ]
    n = np.multiply.outer(*(stop - start for start, stop in zip(starts, stops, strict=True)))
    sums = np.add.reduceat(pixels.astype(np.int64), starts[0], axis=1)
    sums = np.add.reduceat(sums, starts[1], axis=2)
    centres = [(start + stop) / 2 for start, stop in zip(starts, stops, strict=True)]
    return (sums + n // 2) // n, centres


def quality_of(level, factor, d, tile):
    """Measure a tile as the page says, block by block in whole numbers."""
    colours, changes = [], []
    for row, column in np.ndindex(level.rows, level.columns):
        pixels = level.pixels(column, row)
        if pixels is None:
            continue
        top, left = row * level.h, column * level.w
        blocks, (y, x) = averaged(pixels[:, : level.height - top, : level.width - left], factor)
        x, y = (left + x) * d[0], (top + y) * d[1]
        own = np.ix_(
            (tile["y"] <= y) & (y < tile["y"] + tile["height"]),
            (tile["x"] <= x) & (x < tile["x"] + tile["width"]),
        )
        red, green, blue = (plane[own] for plane in blocks)
        colours.append(np.stack([red, green, blue]).reshape(3, -1))
        g = (77 * red + 150 * green + 29 * blue + 128) // 256
        around = g[:-2, 1:-1] + g[2:, 1:-1] + g[1:-1, :-2] + g[1:-1, 2:]
        changes.append((around - 4 * g[1:-1, 1:-1]).ravel())
    colours, changes = np.concatenate(colours, axis=1), np.concatenate(changes)
    high, low = colours.max(axis=0), colours.min(axis=0)
    n, s, q = (int(value) for value in (len(changes), changes.sum(), (changes**2).sum()))
    return [
        *(colours.sum(axis=1) / colours.shape[1]),
        np.count_nonzero(255 * (high - low) > 8 * high) / len(high),
        np.count_nonzero(high == 255) / len(high),
        q / n - (s / n) ** 2,
    ]


def averaging(asked, own, length):
    """Return weights [output pixel, source pixel] along an axis, as the page defines them."""
    factor = Fraction(str(asked)) / Fraction(str(own))
    edges = [0]
    while edges[-1] < length * 16384:
        edge = math.floor(16384 * len(edges) * factor + Fraction(1, 2))
        edges.append(min(edge, length * 16384))
    weights = np.zeros((len(edges) - 1, length), np.int64)
    for i, (begin, end) in enumerate(pairwise(edges)):
        for j in range(begin // 16384, -(-end // 16384)):
            weights[i, j] = min(end, (j + 1) * 16384) - max(begin, j * 16384)
    return weights


def section(heading):
    """Return the page from a heading to the next one."""
    return re.split(r"^#+ ", PAGE.split(f"{heading}\n")[1], flags=re.MULTILINE)[0]


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]
