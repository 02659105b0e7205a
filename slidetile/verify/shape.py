"""What a store's metadata say it is, believed only where they say what a writer would have."""

import base64
import math
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from slidetile.annotations.spec import AnnotationsSpec
from slidetile.annotations.tissue import DETECTOR
from slidetile.errors import StoreError
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.codecs.jpeg import JpegCodec
from slidetile.format.codecs.named import make_codec
from slidetile.format.codecs.planar import ZstdCodec
from slidetile.format.layout import COPIED_SHARD_PX, ChunkGrid, encoded_grid
from slidetile.format.metadata import (
    FORMAT_VERSION,
    HALVED,
    OWN_LEVELS,
    Dataset,
    array,
    fill_value,
    group,
    image,
    level_0,
)
from slidetile.format.picture import PICTURE_CODEC, picture_grid
from slidetile.format.pyramid import PyramidLevel, halved_levels
from slidetile.planning.tile_spec import TileSpec
from slidetile.quality.measured_level import MeasuredLevel
from slidetile.raster.grid import TileGrid
from slidetile.raster.resolution import choose_rescaling
from slidetile.slides.mpp import check_mpp
from slidetile.slides.overview import LARGEST_OVERVIEW_PX
from slidetile.slides.slide import Level
from slidetile.store.array import ArrayFile
from slidetile.store.picture import told_scale
from slidetile.verify.tree import StoreTree

LARGEST_CHUNK_COUNT = 1 << 24
"""Chunks of a level, stored or not: a million pixels a side in native tiles of 256."""

_SHARD = re.compile(r"(\d{1,3})/c/0/(0|[1-9]\d{0,7})/(0|[1-9]\d{0,7})")
_READER = re.compile("[a-z0-9-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreShape:
    """What shapes a store, as its metadata have it."""

    root: dict[str, Any]
    """The root's metadata."""

    codec: ChunkCodec
    """How chunks are stored."""

    channels: int
    """Channels of every pixel."""

    fill: int
    """Value of what is not stored."""

    grids: tuple[ChunkGrid, ...]
    """How each level is cut, finest first."""

    picture: ChunkGrid
    """How the overview and the tissue are cut."""

    overview_scale: tuple[float, float]
    """Level-0 pixels per pixel of the overview, as (x, y)."""

    mpp: tuple[float, float] | None
    """Micrometres per pixel of level 0, as (x, y)."""

    @property
    def told(self) -> dict[str, Any]:
        """``attributes.slidetile``."""
        told: dict[str, Any] = self.root["attributes"]["slidetile"]
        return told

    @property
    def tile_size(self) -> int:
        """Width and height of a tile, in level-0 pixels."""
        return int(self.told["tile_size"])

    @property
    def tile_spec(self) -> TileSpec:
        """How tiles were chosen."""
        return _tile_spec(self.told)

    @property
    def tile_grid(self) -> TileGrid:
        """Where tiles lie."""
        (width, height), spec = self.grids[0].size, self.tile_spec
        return TileGrid(
            width=width, height=height, size=spec.size, stride=spec.size, edge=spec.edge
        )

    @property
    def is_native(self) -> bool:
        """Whether the levels are the slide's own."""
        return self.codec.name == "native"

    def shard(self, name: str) -> tuple[int, int, int] | None:
        """Return the (level, column, row) of the shard in a file, or None where it is none."""
        parts = _SHARD.fullmatch(name)
        if parts is None:
            return None
        level, row, column = map(int, parts.groups())
        if str(level) != parts[1] or level >= len(self.grids):
            return None
        grid = self.grids[level]
        inside = column < grid.shard_columns and row < grid.shard_rows
        return (level, column, row) if inside else None

    def nodes(self) -> dict[str, dict[str, Any]]:
        """Return the metadata that a writer would have written, by file."""
        shared: dict[str, Any] = {"mpp": self.mpp, "channels": self.channels}
        kind = OWN_LEVELS if self.is_native else HALVED
        name = self.root["attributes"]["ome"]["multiscales"][0]["name"]
        levels = [Dataset(path=str(n), downsample=d) for n, d in enumerate(self.downsamples)]
        picture = [Dataset(path="0", downsample=self.overview_scale)]
        overview = image("overview", picture, kind="area average", **shared)
        tissue = image("tissue", picture, kind="labels", **{**shared, "channels": 1})
        pixels: dict[str, Any] = {"channels": self.channels, "fill": self.fill}
        labels: dict[str, Any] = {"channels": 1, "fill": 0, "data_type": "uint32"}
        nodes = {
            "": group(
                {"ome": image(str(name), levels, kind=kind, **shared), "slidetile": self.told}
            ),
            **{str(n): array(grid, self.codec, **pixels) for n, grid in enumerate(self.grids)},
            "overview": group({"ome": overview}),
            "overview/0": array(self.picture, PICTURE_CODEC, **pixels),
            "tissue": group({"ome": tissue}),
            "tissue/0": array(self.picture, PICTURE_CODEC, **labels),
            "tiles": group({}),
        }
        return {f"{folder}/zarr.json".lstrip("/"): node for folder, node in nodes.items()}

    @property
    def quality(self) -> MeasuredLevel:
        """What the table's quality columns are measured on."""
        levels = [
            PyramidLevel(grid=grid, shards=(), downsample=downsample)
            for grid, downsample in zip(self.grids, self.downsamples, strict=True)
        ]
        return MeasuredLevel.of(levels, self.mpp)

    @property
    def downsamples(self) -> tuple[tuple[float, float], ...]:
        """Level-0 pixels per pixel of each level, as (x, y)."""
        if not self.is_native:
            return tuple((float(1 << n), float(1 << n)) for n in range(len(self.grids)))
        whole = self.grids[0].size
        return tuple(Level.covering(whole, grid.size).downsample for grid in self.grids)


def read_shape(tree: StoreTree) -> StoreShape:
    """Return what a store's metadata say it is.

    Raises
    ------
    StoreError, LookupError, TypeError, ValueError, ArithmeticError, AttributeError
        They are missing or damaged, or describe what slidetile does not write.
    """
    root = tree.json("zarr.json")
    told = root["attributes"]["slidetile"]
    if told["format_version"] != FORMAT_VERSION:
        raise StoreError(f"its format version is {told['format_version']!r}")
    codec = _codec(told["codec"], told["parameters"]["codec"])
    datasets = root["attributes"]["ome"]["multiscales"][0]["datasets"]
    arrays = [_array(tree, str(number), codec) for number in range(len(datasets))]
    grids = tuple(file.grid for file in arrays)
    overview, tissue = (_array(tree, f"{name}/0", PICTURE_CODEC) for name in ("overview", "tissue"))
    if overview.grid != tissue.grid:
        raise StoreError("overview and tissue differ in size")
    mpp = _mpp(told["level_0"]["mpp"])
    _check_told(told)
    _check_level_0(told, grids[0].size)
    _check_grids(codec, grids)
    shape = StoreShape(
        root=root,
        codec=codec,
        channels=arrays[0].channels,
        fill=fill_value(told["background"]),
        grids=grids,
        picture=_checked_picture(overview.grid),
        overview_scale=_overview_scale(tree, mpp, overview.grid, grids[0].size),
        mpp=mpp,
    )
    _check_quality(told["quality"], shape.quality)
    return shape


def _array(tree: StoreTree, name: str, codec: ChunkCodec) -> ArrayFile:
    if f"{name}/zarr.json" not in tree:
        raise StoreError(f"{name}/zarr.json is missing")
    return ArrayFile(tree.folder / name, codec)


def _codec(name: Any, parameters: dict[str, Any]) -> ChunkCodec:
    codec = make_codec(name)
    if isinstance(codec, JpegCodec):
        codec = JpegCodec(quality=parameters["quality"])
    elif isinstance(codec, ZstdCodec):
        codec = ZstdCodec(compression_level=parameters["level"])
    if codec.parameters != parameters:
        raise StoreError(f"the codec {name} has no parameters {parameters!r:.80}")
    return codec


def _mpp(mpp: Any) -> tuple[float, float] | None:
    return None if mpp is None else check_mpp((mpp[0], mpp[1]))


def _check_told(told: dict[str, Any]) -> None:
    source, parameters = told["source"], told["parameters"]
    spec = _tile_spec(told)
    base64.b64decode(told.get("icc_profile", ""), validate=True)
    background = told["background"]
    checks = {
        "complete": told["complete"] is True,
        "tile_count": type(told["tile_count"]) is int and 0 <= told["tile_count"] <= spec.most,
        "background": len(background) == 3 and all(value in range(256) for value in background),
        "source.fingerprint": bool(_SHA256.fullmatch(source["fingerprint"])),
        "source.size_bytes": type(source["size_bytes"]) is int,
        "source.reader": bool(_READER.fullmatch(source["reader"])),
        "source.scan_area": _is_scan_area(source["scan_area"]),
        "parameters.tissue": _is_tissue(parameters["tissue"]),
        "parameters.plan_sha256": bool(_SHA256.fullmatch(parameters["plan_sha256"])),
    }
    wrong = [name for name, is_well in checks.items() if not is_well]
    if wrong:
        raise StoreError(f"attributes.slidetile has a wrong {', '.join(wrong)}")


def _tile_spec(told: dict[str, Any]) -> TileSpec:
    parameters = {name: told["parameters"][name] for name in TileSpec().parameters}
    return TileSpec(size=told["tile_size"], **parameters)


def _check_level_0(told: dict[str, Any], size: tuple[int, int]) -> None:
    """Make sure that level 0 is what the slide gives at the mpp asked for."""
    source, found, asked = told["source"], told["level_0"], told["parameters"]["mpp"]
    whole, mpp, rescaling = (source["width"], source["height"]), _mpp(source["mpp"]), None
    if asked is not None:
        if mpp is None:
            raise StoreError("its slide has no mpp, so it cannot be had at one asked for")
        level, size_of_level = found["slide_level"], _level_size(source, found)
        sizes = [whole, size_of_level] if level else [whole]
        chosen = choose_rescaling(sizes, mpp, check_mpp(asked)[0])
        rescaling = replace(chosen, level=level * bool(chosen.level))
        mpp, whole = rescaling.mpp, rescaling.size
    if size != whole or found != level_0(mpp, rescaling):
        raise StoreError(
            f"attributes.slidetile has a wrong level_0, or level 0 is not {whole[0]}×{whole[1]}"
        )


def _level_size(source: dict[str, Any], found: dict[str, Any]) -> tuple[int, int]:
    """Return the size that the slide's level must have, of which level 0 is said to be made."""
    lengths, downsamples = (source["width"], source["height"]), source["level_downsamples"]
    parts = zip(lengths, found["factor"], found["scale"], strict=True)
    width, height = (round(length * factor / scale) for length, factor, scale in parts)
    level, downsample = found["slide_level"], (lengths[0] / width + lengths[1] / height) / 2
    is_known = level in range(len(downsamples))
    if not is_known or not math.isclose(downsample, downsamples[level], rel_tol=1e-3):
        raise StoreError(f"level_0 is of level {level}, which is not of {width}×{height} pixels")
    return width, height


def _is_scan_area(area: Any) -> bool:
    """Return whether it is null, or a rectangle that no slide reader would refuse."""
    return area is None or (
        len(area) == 4
        and all(type(number) is int and abs(number) < 1 << 31 for number in area)
        and area[2] >= 1
        and area[3] >= 1
    )


def _is_tissue(tissue: dict[str, Any]) -> bool:
    """Return whether what is told of drawn regions, where there are any, can be told of them."""
    told = tissue.get("regions", [])
    replacing = [number for number, regions in enumerate(told) if regions["mode"] == "replace"]
    is_drawn = tissue.get("detector") == DETECTOR
    return all(map(_is_annotations, told)) and replacing == ([0] if is_drawn else [])


def _is_annotations(told: dict[str, Any]) -> bool:
    choices = {name: told[name] for name in ("mode", "classes", "unit", "origin")}
    classes = AnnotationsSpec(path=".", **choices).classes
    is_known = told.keys() == {"sha256", *choices} and list(classes) == choices["classes"]
    return is_known and bool(_SHA256.fullmatch(told["sha256"]))


def _check_quality(told: dict[str, Any], level: MeasuredLevel) -> None:
    expected = {**level.parameters, "pen_method": told["pen_method"]}
    if told != expected or type(told["pen_method"]) is not int:
        raise StoreError(f"attributes.slidetile.quality is {told!r:.200}, not {expected!r}")


def _check_grids(codec: ChunkCodec, grids: tuple[ChunkGrid, ...]) -> None:
    if any(grid.chunk_columns * grid.chunk_rows > LARGEST_CHUNK_COUNT for grid in grids):
        raise StoreError(f"a level has more than {LARGEST_CHUNK_COUNT} chunks")
    if codec.name == "native":
        expected = [
            ChunkGrid.about(grid.size, (grid.chunk_width, grid.chunk_height), COPIED_SHARD_PX)
            for grid in grids
        ]
        sides = [side for grid in grids for side in (grid.chunk_width, grid.chunk_height)]
        if any(side % 16 or not 64 <= side <= 4096 for side in sides):
            raise StoreError(f"native chunks have sides of {sorted(set(sides))}")
    else:
        expected = [level.grid for level in _halvings(codec, grids[0])]
    if list(grids) != expected:
        sizes = [f"{grid.width}×{grid.height}" for grid in grids]
        raise StoreError(f"its levels, {', '.join(sizes):.200}, are not cut as slidetile cuts them")


def _halvings(codec: ChunkCodec, finest: ChunkGrid) -> tuple[PyramidLevel, ...]:
    grid = encoded_grid(finest.size, codec)
    return halved_levels(grid, np.zeros((grid.chunk_rows, grid.chunk_columns), np.bool_))


def _checked_picture(grid: ChunkGrid) -> ChunkGrid:
    if grid.width * grid.height > LARGEST_OVERVIEW_PX or grid != picture_grid(*grid.size):
        raise StoreError(f"an overview of {grid.width}×{grid.height} pixels is not cut so")
    return grid


def _overview_scale(
    tree: StoreTree, mpp: tuple[float, float] | None, grid: ChunkGrid, size: tuple[int, int]
) -> tuple[float, float]:
    """Return the overview's scale, made sure that it covers the slide and hardly more."""
    scale = told_scale(tree.json("overview/zarr.json"), mpp)
    for step, pixels, length in zip(scale, grid.size, size, strict=True):
        if not (step > 0 and (pixels - 1) * step < length <= pixels * step * (1 + 1e-9)):
            raise StoreError(
                f"{pixels} overview pixels of {step:g} do not cover a slide of {length}"
            )
    return scale
