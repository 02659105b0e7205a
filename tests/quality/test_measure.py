"""What the tile table tells of the pixels: exact values, a brute-force twin, real slides."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from quality_stores import COLOURS, values, written

import slidetile as st
from slidetile.format.codecs.planar import RawCodec
from slidetile.format.layout import ChunkGrid, Shard
from slidetile.format.table import QUALITY_COLUMNS
from slidetile.quality.measure import Samples, TileMeasure, grey, laplacian
from slidetile.quality.measured_level import MeasuredLevel
from slidetile.raster.channels import plain_channels

CODECS = ("native", "zstd", "jxl", "jpeg", "raw")


def test_colours_of_flat_tiles_are_exact(tmp_path):
    pixels = np.empty((64, 256, 3), np.uint8)
    colours = [(200, 100, 150), (255, 255, 255), (97, 100, 100), (96, 100, 100)]
    for column, colour in enumerate(colours):
        pixels[:, column * 64 : column * 64 + 64] = colour
    pixels[:16, :64] = 255  # a quarter of the first tile
    store = written(tmp_path, pixels)
    assert values(store, "mean_red").tolist() == [200 + 55 / 4, 255, 97, 96]
    assert values(store, "mean_green").tolist() == [100 + 155 / 4, 255, 100, 100]
    assert values(store, "mean_blue").tolist() == [150 + 105 / 4, 255, 100, 100]
    # A saturation of 8 / 255 is not yet above 8 / 255: 3 / 100 is below, 4 / 100 above.
    assert values(store, "saturated_fraction").tolist() == [0.75, 0, 0, 1]
    assert values(store, "clipped_fraction").tolist() == [0.25, 1, 0, 0]
    assert values(store, "laplacian_variance").tolist()[1:] == [0, 0, 0]
    assert store.attributes["quality"] == {
        "level": 0,
        "factor": 1,
        "mpp": [4.0, 4.0],
        "pen_method": 1,
    }


def test_the_sharpest_pattern_has_the_variance_it_must(tmp_path):
    rows, columns = np.indices((64, 64))
    board = np.where((rows + columns) % 2, 255, 0).astype(np.uint8)
    lines = np.where(columns % 2, 200, 100).astype(np.uint8)
    store = written(tmp_path, np.hstack([board, lines])[..., np.newaxis])
    assert values(store, "laplacian_variance").tolist() == [1020**2, 200**2]


def test_grey_is_all_three_colours(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 128, 1), np.uint8)
    store = written(tmp_path, pixels)
    expected = pixels.reshape(64, 2, 64).mean(axis=(0, 2))
    for name in COLOURS:
        np.testing.assert_array_equal(values(store, name), expected.astype(np.float32))
    for name in ("saturated_fraction", "pen_fraction"):
        assert values(store, name).tolist() == [0, 0]


def test_a_tile_beside_glass_that_is_not_stored_is_not_sharper_for_it(tmp_path):
    pixels = np.full((2048, 2048, 3), 90, np.uint8)
    slide = st.ArraySlide(pixels, mpp=0.5)
    overview = st.read_overview(slide, mpp=8.0)
    mask = np.zeros(overview.image.shape[:2], np.bool_)
    mask[40:60, 40:60] = True
    plan = st.plan_tiles(slide, st.TissueMask.from_mask(mask, overview), st.TileSpec(size=160))
    store = st.write_tiles(slide, plan, tmp_path / "s.zarr", codec="zstd")
    assert 0 < len(store) < 169
    assert set(values(store, "laplacian_variance").tolist()) == {0}
    assert set(values(store, "mean_red").tolist()) == {90}


def test_the_laplacian_is_that_of_scipy_and_grey_that_of_pillow():
    from PIL import Image
    from scipy.ndimage import laplace

    pixels = np.random.default_rng(1).integers(0, 256, (90, 70, 3), np.uint8)
    luma = np.asarray(Image.fromarray(pixels).convert("L"))
    assert np.abs(grey(pixels).astype(int) - luma).max() <= 1
    expected = laplace(luma.astype(np.int16))[1:-1, 1:-1]
    np.testing.assert_array_equal(laplacian(luma), expected)
    assert grey(np.full((1, 1, 3), 255, np.uint8)) == 255


@some.composite
def cases(draw):
    """A level of a small slide, cut small, some of its chunks missing; and some tiles."""
    width, height = draw(some.integers(1, 90)), draw(some.integers(1, 90))
    downsample = draw(some.sampled_from([1.0, 2.0, 4.0, 3.7]))
    chunk, size = draw(some.sampled_from([16, 32])), draw(some.sampled_from([16, 48, 80, 256]))
    grid = ChunkGrid(
        width=width,
        height=height,
        chunk_width=chunk,
        chunk_height=16,
        chunks_across=draw(some.integers(1, 3)),
        chunks_down=2,
    )
    slide = round(width * downsample), round(height * downsample)
    cells = [
        (row, column)
        for row in range(-(-slide[1] // size))
        for column in range(-(-slide[0] // size))
    ]
    chosen = draw(some.lists(some.booleans(), min_size=len(cells), max_size=len(cells)))
    tiles = [
        st.Region.from_edges(
            column * size,
            row * size,
            min(column * size + size, slide[0]),
            min(row * size + size, slide[1]),
        )
        for (row, column), is_chosen in zip(cells, chosen, strict=True)
        if is_chosen
    ]
    level = MeasuredLevel(
        number=0,
        factor=draw(some.integers(1, 5)),
        grid=grid,
        downsample=(downsample, downsample),
        mpp=None,
    )
    return level, tiles, draw(some.integers(0, 2**32 - 1)), draw(some.sampled_from([1, 3]))


@settings(max_examples=60, deadline=None)
@given(cases(), some.integers(1, 3))
def test_measures_are_those_of_a_twin_that_looks_at_one_pixel_after_the_other(case, workers):
    level, tiles, seed, channels = case
    grid, rng = level.grid, np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (grid.height, grid.width, channels), np.uint8)
    pixels[rng.random(pixels.shape[:2]) < 0.3] = 255
    stored = rng.random((grid.chunk_rows, grid.chunk_columns)) < 0.8

    def read(shard):
        chunks = {}
        for place in shard.chunks:
            column, row = grid.chunk_cell(shard, place)
            if stored[row, column]:
                chunk = np.full((channels, grid.chunk_height, grid.chunk_width), 7, np.uint8)
                y, x = row * grid.chunk_height, column * grid.chunk_width
                part = pixels[y : y + grid.chunk_height, x : x + grid.chunk_width]
                chunk[:, : part.shape[0], : part.shape[1]] = part.transpose(2, 0, 1)
                chunks[place] = chunk.tobytes()
        return chunks

    measure = TileMeasure(tiles, level, RawCodec(), Samples(channels=plain_channels(channels)))
    measure.add(grid.shards_for(np.ones_like(stored)), read, workers=workers)
    found = measure.columns()
    for number, tile in enumerate(tiles):
        expected = twin(level, pixels, stored, tile)
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name][number], np.float32(value))


def twin(level, pixels, stored, tile):
    """Measure one tile by plain loops over chunks and averaged pixels."""
    grid, factor, wanted = level.grid, level.factor, []
    changes = []
    for row, column in np.argwhere(stored).tolist():
        top, left = row * grid.chunk_height, column * grid.chunk_width
        bottom, right = (
            min(top + grid.chunk_height, grid.height),
            min(left + grid.chunk_width, grid.width),
        )
        inside = {}
        for i, y in enumerate(range(top, bottom, factor)):
            for j, x in enumerate(range(left, right, factor)):
                block = pixels[y : min(y + factor, bottom), x : min(x + factor, right)]
                centre_x = (x + min(x + factor, right)) / 2 * level.downsample[0]
                centre_y = (y + min(y + factor, bottom)) / 2 * level.downsample[1]
                if tile.x <= centre_x < tile.right and tile.y <= centre_y < tile.bottom:
                    count = block.shape[0] * block.shape[1]
                    sums = block.sum(axis=(0, 1), dtype=int).tolist()
                    colour = [(total + count // 2) // count for total in sums]
                    inside[i, j] = colour * (3 // len(colour))
        wanted += inside.values()
        luma = {
            at: red if red == green == blue else (77 * red + 150 * green + 29 * blue + 128) >> 8
            for at, (red, green, blue) in inside.items()
        }
        for (i, j), value in luma.items():
            around = [(i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)]
            if all(at in luma for at in around):
                changes.append(sum(luma[at] for at in around) - 4 * value)
    values = dict.fromkeys((n for n in QUALITY_COLUMNS if n != "pen_fraction"), float("nan"))
    if count := len(wanted):
        values |= {n: sum(c[i] for c in wanted) / count for i, n in enumerate(COLOURS)}
        saturated = sum(255 * (max(c) - min(c)) > 8 * max(c) for c in wanted)
        values["saturated_fraction"] = saturated / count
        values["clipped_fraction"] = sum(255 in c for c in wanted) / count
    if count := len(changes):
        mean = sum(changes) / count
        square = sum(change * change for change in changes) / count
        values["laplacian_variance"] = square - mean * mean
    return values


def test_blur_lowers_the_laplacian_variance_of_every_tile(shared_slides, tmp_path):
    """A blur of 2 µm leaves a third at most, where there is something to be sharp."""
    from scipy.ndimage import gaussian_filter

    with st.open_slide(shared_slides / "CMU-1-Small-Region.svs") as slide:
        pixels = slide.read_region(slide.bounds)
        plan = st.plan_tiles(slide, st.find_tissue(slide), st.TileSpec(size=512))
        sharp = st.write_tiles(slide, plan, tmp_path / "sharp.zarr", codec="zstd")
    blurred = st.ArraySlide(gaussian_filter(pixels, (4, 4, 0)), mpp=slide.mpp)
    store = st.write_tiles(blurred, plan, tmp_path / "blurred.zarr", codec="zstd")
    before, after = (values(s, "laplacian_variance") for s in (sharp, store))
    assert (after < before).all()
    tissue = values(sharp, "tissue_fraction") > 0.2
    assert tissue.sum() > 10
    assert (after < 0.35 * before)[tissue].all()
    for name in COLOURS:
        assert np.abs(values(sharp, name) - values(store, name)).max() < 2


def test_a_real_slides_values_are_those_of_its_pixels(shared_slides, tmp_path):
    with st.open_slide(shared_slides / "CMU-1-Small-Region.svs") as slide:
        plan = st.plan_tiles(slide, st.find_tissue(slide), st.TileSpec(size=512))
        store = st.write_tiles(slide, plan, tmp_path / "s.zarr")
        for tile in plan:
            mean = slide.read_region(tile.inside).mean(axis=(0, 1))
            row = store.tiles.slice(tile.tile_id, 1).to_pylist()[0]
            assert np.abs(mean - [row[name] for name in COLOURS]).max() < 0.5
    assert store.attributes["quality"]["mpp"] == pytest.approx([3.992, 3.992])
    assert set(values(store, "pen_fraction").tolist()) == {0}
    share, saturated = values(store, "tissue_fraction"), values(store, "saturated_fraction")
    assert np.corrcoef(share, saturated)[0, 1] > 0.9
    # Pink and purple: green is absorbed most.
    assert (values(store, "mean_green") <= values(store, "mean_red")).all()


@pytest.mark.parametrize("name", ["CMU-1-Small-Region.svs", "CMU-1-small.tiff"])
def test_codecs_agree(shared_slides, tmp_path, name):
    with st.open_slide(shared_slides / name) as slide:
        size = 512 if slide.width > 1500 else 128
        plan = st.plan_tiles(slide, st.find_tissue(slide), st.TileSpec(size=size))
        stores = [st.write_tiles(slide, plan, tmp_path / c, codec=c) for c in CODECS]
    native, zstd, jxl, jpeg, raw = stores
    assert native.codec == "native"
    for column in QUALITY_COLUMNS:
        assert zstd.tiles[column] == jxl.tiles[column] == raw.tiles[column]
        apart = {"laplacian_variance": 0.25 * values(zstd, column)}.get(column, 0.05)
        apart = 1.0 if column in COLOURS else apart
        for store in (native, jpeg):
            assert (np.abs(values(store, column) - values(zstd, column)) <= apart).all(), column


@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_what_could_not_be_read_has_no_quality(damaged_sample, tmp_path, codec):
    recipe = st.Recipe(codec=codec, tile=st.TileSpec(size=512))
    store = st.tile_slide(damaged_sample, tmp_path / "s.zarr", recipe)
    unreadable = pc.equal(store.tiles["status"], "unreadable")
    assert pc.sum(unreadable).as_py() == 1
    for name in QUALITY_COLUMNS:
        assert pc.is_null(store.tiles[name]) == unreadable
    assert len(store.select(pc.field("mean_red") >= 0)) == len(store) - 1


@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_a_run_stopped_before_it_measured_is_continued_to_the_same_bytes(
    sample, tmp_path, tree, codec
):
    def stop(progress):
        if progress.shards_done == progress.shards_total:
            raise KeyboardInterrupt

    recipe = st.Recipe(codec=codec, tile=st.TileSpec(size=512))
    with pytest.raises(KeyboardInterrupt):
        st.tile_slide(sample, tmp_path / "s.zarr", recipe, on_progress=stop)
    assert not (tmp_path / "s.zarr.partial" / "tiles").exists()
    st.tile_slide(sample, tmp_path / "s.zarr", recipe, workers=1)
    st.tile_slide(sample, tmp_path / "whole.zarr", recipe, workers=3)
    assert tree(tmp_path / "s.zarr") == tree(tmp_path / "whole.zarr")


def test_the_table_says_at_what_resolution(sample, tmp_path):
    store = st.tile_slide(sample, tmp_path / "s.zarr")
    told = store.attributes["quality"]
    assert told == {"level": 1, "factor": 2, "mpp": [4.0, 4.0], "pen_method": 1}
    for schema in (store.tiles.schema, pq.read_schema(store.path / "tiles" / "tiles.parquet")):
        field = schema.field("laplacian_variance")
        assert field.type == pa.float32()
        assert json.loads(field.metadata[b"mpp"]) == told["mpp"]


def test_a_damaged_chunk_ends_the_measuring():
    grid = ChunkGrid.about((64, 64), (32, 32), 64)
    level = MeasuredLevel(number=0, factor=1, grid=grid, downsample=(1.0, 1.0), mpp=None)
    tiles = [st.Region(x=0, y=0, width=64, height=64)]
    measure = TileMeasure(tiles, level, RawCodec(), Samples(channels=plain_channels(3)))
    shard = Shard(column=0, row=0, chunks=(0, 3))
    with pytest.raises(ValueError, match="the chunk at column 1, row 1 is damaged: 4 bytes"):
        measure.add([shard], lambda _: {3: b"four"}, workers=2)
