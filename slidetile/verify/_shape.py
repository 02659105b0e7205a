"""The shape of a store by its metadata, accepted only where a writer could have written it."""

from dataclasses import dataclass, replace

from slidetile.errors import StoreError
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.codecs.named import has_own_levels
from slidetile.format.layout import COPIED_SHARD_PX, ChunkGrid, encoded_grid, is_sharded
from slidetile.format.metadata.array import ArrayMetadata
from slidetile.format.metadata.group import group
from slidetile.format.metadata.node import to_json
from slidetile.format.metadata.picture import (
    PictureMetadata,
    PictureName,
    overview_scale,
    picture_folder,
)
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.names import shard_of
from slidetile.format.picture import PICTURE_CODEC, picture_grid
from slidetile.format.pyramid import PyramidLevel, halvings
from slidetile.planning.tile_spec import TileSpec
from slidetile.quality.measured_level import MeasuredLevel
from slidetile.raster.grid import TileGrid
from slidetile.slides.level import Level
from slidetile.slides.overview import most_overview_px
from slidetile.verify._origin import check_tissue, derive_level_0
from slidetile.verify._tree import StoreTree


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreShape:
    """The shape of a store by its metadata."""

    metadata: StoreMetadata
    """The root's record; values that follow from others are derived, not taken from the file."""

    tile_spec: TileSpec
    """How tiles were chosen."""

    grids: tuple[ChunkGrid, ...]
    """How each level is cut, finest first."""

    picture: ChunkGrid
    """How the overview and the tissue are cut."""

    overview_scale: tuple[float, float]
    """Level-0 pixels per pixel of the overview, as (x, y)."""

    @property
    def codec(self) -> ChunkCodec:
        """How chunks are stored."""
        return self.metadata.chunk_codec

    @property
    def channels(self) -> int:
        """Channels of every pixel."""
        return self.metadata.channels

    @property
    def fill(self) -> int:
        """Value of what is not stored."""
        return self.metadata.fill

    @property
    def tile_grid(self) -> TileGrid:
        """Where tiles lie."""
        (width, height), spec = self.grids[0].size, self.tile_spec
        return TileGrid(
            width=width, height=height, size=spec.size, stride=spec.size, edge=spec.edge
        )

    @property
    def has_own_levels(self) -> bool:
        """Whether the levels are the slide's own."""
        return has_own_levels(self.metadata.codec)

    @property
    def is_reference(self) -> bool:
        """Whether its pixels are in the slide alone."""
        return self.metadata.codec == "reference"

    def shard(self, name: str) -> tuple[int, int, int] | None:
        """Return the (level, column, row) of the shard in a file; None if it is not a shard."""
        place = shard_of(name)
        if place is None or place[0] >= len(self.grids) or self.is_reference:
            return None
        level, column, row = place
        grid = self.grids[level]
        inside = column < grid.shard_columns and row < grid.shard_rows
        return (level, column, row) if inside else None

    def metadata_files(self) -> dict[str, bytes]:
        """Return the metadata that a writer would have written, by file."""
        files = {
            "": replace(self.metadata, downsamples=self.downsamples).to_json(),
            **{str(level): self._array(grid).to_json() for level, grid in enumerate(self.grids)},
            "tiles": to_json(group({})),
        }
        named = {f"{folder}/zarr.json".lstrip("/"): data for folder, data in files.items()}
        for picture in self._pictures:
            named |= picture.files
        return named

    @property
    def picture_shards(self) -> dict[str, ChunkGrid]:
        """The files that hold the overview and the tissue, and how each is cut."""
        return {
            file: array.grid for picture in self._pictures for file, array in picture.shards.items()
        }

    @property
    def _pictures(self) -> list[PictureMetadata]:
        names: tuple[PictureName, ...] = ("overview", "tissue")
        return [
            PictureMetadata.of(name, self.metadata, self.picture, self.overview_scale)
            for name in names
        ]

    def _array(self, grid: ChunkGrid) -> ArrayMetadata:
        return ArrayMetadata(
            grid=grid,
            codec=self.codec,
            channels=self.channels,
            fill=self.fill,
            data_type=self.metadata.data_type,
        )

    @property
    def quality(self) -> MeasuredLevel:
        """The level that the table's quality columns are measured on."""
        levels = [
            PyramidLevel(grid=grid, shards=(), downsample=downsample)
            for grid, downsample in zip(self.grids, self.downsamples, strict=True)
        ]
        return MeasuredLevel.of(levels, self.metadata.mpp)

    @property
    def downsamples(self) -> tuple[tuple[float, float], ...]:
        """Level-0 pixels per pixel of each level, as (x, y)."""
        if not self.has_own_levels:
            return self.metadata.downsamples
        known = self.metadata.downsamples
        return tuple(
            _downsample(self.grids[0].size, grid.size, known[number] if number < len(known) else ())
            for number, grid in enumerate(self.grids)
        )


def _downsample(
    whole: tuple[int, int], size: tuple[int, int], recorded: tuple[float, ...]
) -> tuple[float, float]:
    """Return a copied level's downsample; early stores have the ratio of the rounded sizes."""
    ratio = max(1.0, whole[0] / size[0]), max(1.0, whole[1] / size[1])
    return ratio if recorded == ratio else Level.covering(whole, size).downsample


def read_shape(tree: StoreTree) -> StoreShape:
    """Return the shape of a store by its metadata.

    Raises
    ------
    StoreError
        They are missing or damaged, or describe what slidetile does not write.
    """
    metadata = StoreMetadata.from_json(tree.read("zarr.json"))
    codec = metadata.chunk_codec
    grids = tuple(_grid(tree, str(number), codec) for number in range(len(metadata.downsamples)))
    overview = _grid(tree, "overview/0", PICTURE_CODEC)
    tissue = _grid(tree, f"{picture_folder('tissue', metadata)}/0", PICTURE_CODEC)
    if overview != tissue:
        raise StoreError("overview and tissue differ in size")
    check_tissue(metadata.parameters.tissue)
    _check_grids(codec, grids)
    shape = StoreShape(
        metadata=replace(metadata, level_0=derive_level_0(metadata, grids[0].size)),
        tile_spec=_tile_spec(metadata),
        grids=grids,
        picture=_checked_picture(overview, metadata),
        overview_scale=_overview_scale(tree, metadata, overview, grids[0].size),
    )
    quality = replace(shape.quality.facts, pen_method=metadata.quality.pen_method)
    if metadata.quality != quality:
        raise StoreError(
            f"attributes.slidetile.quality is {metadata.quality.to_node()}, but it must be "
            f"{quality.to_node()}"
        )
    return replace(shape, metadata=replace(shape.metadata, quality=quality))


def _grid(tree: StoreTree, folder: str, codec: ChunkCodec) -> ChunkGrid:
    data = tree.read(f"{folder}/zarr.json")
    try:
        return ArrayMetadata.from_json(data, codec).grid
    except StoreError as error:
        raise StoreError(f"{folder}/zarr.json: {error}") from error


def _tile_spec(metadata: StoreMetadata) -> TileSpec:
    spec = TileSpec(size=metadata.tile_size, **metadata.parameters.tiles)
    if metadata.tile_count > spec.most:
        raise StoreError(
            f"attributes.slidetile.tile_count is {metadata.tile_count}, but max_tiles or sample "
            f"allows {spec.most}"
        )
    return spec


def _check_grids(codec: ChunkCodec, grids: tuple[ChunkGrid, ...]) -> None:
    if has_own_levels(codec.name):
        shard_px = COPIED_SHARD_PX if is_sharded(codec) else 1
        expected = [
            ChunkGrid.about(grid.size, (grid.chunk_width, grid.chunk_height), shard_px)
            for grid in grids
        ]
        sides = [side for grid in grids for side in (grid.chunk_width, grid.chunk_height)]
        if any(not 64 <= side <= 4096 for side in sides):
            raise StoreError(f"{codec.name} chunks have sides of {sorted(set(sides))}")
    else:
        expected = list(halvings(encoded_grid(grids[0].size, codec)))
    if list(grids) != expected:
        sizes = [f"{grid.width}×{grid.height}" for grid in grids]
        raise StoreError(f"its levels, {', '.join(sizes):.200}, are not cut as slidetile cuts them")


def _checked_picture(grid: ChunkGrid, metadata: StoreMetadata) -> ChunkGrid:
    most = most_overview_px(metadata.channels * metadata.dtype.itemsize)
    if grid.width * grid.height > most or grid != picture_grid(*grid.size):
        raise StoreError(f"an overview of {grid.width}×{grid.height} pixels is not cut so")
    return grid


def _overview_scale(
    tree: StoreTree, metadata: StoreMetadata, grid: ChunkGrid, size: tuple[int, int]
) -> tuple[float, float]:
    """Return the overview's scale, after checking that it covers the slide and hardly more."""
    data = tree.read("overview/zarr.json")
    try:
        scale = overview_scale(data, metadata.mpp, metadata.bits)
    except StoreError as error:
        raise StoreError(f"overview/zarr.json: {error}") from error
    for step, pixels, length in zip(scale, grid.size, size, strict=True):
        if not (pixels - 1) * step < length <= pixels * step * (1 + 1e-9):
            raise StoreError(
                f"{pixels} overview pixels of {step:g} do not cover a slide of {length}"
            )
    return scale
