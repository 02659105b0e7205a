"""Tiles whose bytes are damaged: unreadable, with a reason, whichever codec and whatever else."""

import json
import re
import shutil

import imagecodecs
import numpy as np
import pytest
import tifffile
from pictures import pattern

import slidetile as st
from slidetile.errors import DamagedPixelsError, StoreMismatchError
from slidetile.format.codecs.native import NativeCodec
from slidetile.format.names import PARTIAL_BLOCKS, partial_path
from slidetile.raster.block_means import area_average
from slidetile.recipe.comparing import same_codec
from slidetile.writing.group import GroupClaim, begin_store, finish_store, write_part

SIDE, TILE = 1024, 128
COARSE = 4


def amid(stream):
    """Return a place in the middle of the scan data."""
    return (stream.index(b"\xff\xda") + len(stream)) // 2


def zeros(stream):
    third = len(stream) // 3
    return stream[:third] + bytes(third) + stream[2 * third :]


def cut(stream):
    return stream[: amid(stream)] + stream[-2:]


def unended(stream):
    return stream[:-2]


def write(path, spoil, *, factors=(1, COARSE), side=SIDE):
    """Write a slide; ``spoil`` has what becomes of the stream of a (level, number)."""
    random = np.random.default_rng(3)
    image = np.kron(pattern(side // 8, side // 8), np.ones((8, 8, 1), np.uint8))
    image = (image // 2 + random.integers(60, 90, image.shape)).astype(np.uint8)
    scale = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path) as file:
        for level, factor in enumerate(factors):
            smaller = area_average(image, factor)
            streams = [
                imagecodecs.jpeg8_encode(np.ascontiguousarray(cell), level=90, subsampling="444")
                for row in np.split(smaller, len(smaller) // TILE)
                for cell in np.split(row, row.shape[1] // TILE, axis=1)
            ]
            for number in range(len(streams)):
                streams[number] = spoil.get((level, number), bytes)(streams[number])
            options = {"tile": (TILE, TILE), "compression": 7, "photometric": "ycbcr", **scale}
            file.write(
                iter(streams),
                shape=smaller.shape,
                dtype="uint8",
                subsampling=(1, 1),
                subfiletype=int(level > 0),
                metadata=None,
                **options,
            )
    return path


def tile(slide, out, *, side=SIDE, **choices):
    """Tile all of a slide."""
    everything = st.AnnotationsSpec(path=slide.parent / "all.geojson")
    ring = [[0, 0], [side, 0], [side, side], [0, side], [0, 0]]
    shape = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "geometry": shape, "properties": {}}
    everything.path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    # Of 8 µm, as of larger slides: so the overview is made of the coarser level.
    choices = {"tissue_mpp": 8.0, **choices}
    recipe = st.Recipe(tile=st.TileSpec(size=256), annotations=everything, **choices)
    return st.tile_slide(slide, out, recipe)


def unreadable(store):
    rows = store.tiles.select(["column", "row", "status"]).to_pylist()
    return {(row["column"], row["row"]) for row in rows if row["status"] == "unreadable"}


SPOILT = {
    "zeros": (zeros, "does not decode: Corrupt JPEG data"),
    "unended": (unended, "no end marker"),
    "cut": (cut, "does not decode: Corrupt JPEG data"),
}


@pytest.mark.parametrize("codec", ["zstd", "jpeg", "decode"])
@pytest.mark.parametrize("kind", SPOILT)
def test_damage_is_unreadable_and_recorded_with_its_reason(tmp_path, kind, codec):
    spoil, reason = SPOILT[kind]
    slide = write(tmp_path / "a.tif", {(0, 9): spoil})
    choices = {"codec": "native", "check": "decode"} if codec == "decode" else {"codec": codec}
    store = tile(slide, tmp_path / "a.zarr", **choices)
    # A chunk of 512 px that is encoded holds four tiles.
    tiles = {(0, 0)} if codec == "decode" else {(0, 0), (1, 0), (0, 1), (1, 1)}
    assert unreadable(store) == tiles
    assert store.unreadable_reasons == {reason: len(tiles)}
    assert st.verify_store(store.path, deep=True) == ()
    assert st.open_store(store.path).metadata.damage.to_node() == {
        "unreadable": [{"reason": reason, "tiles": len(tiles)}],
        "replaced": [],
    }


@pytest.mark.parametrize(
    ("spoil", "figures"),
    [
        ({(0, 9): zeros}, ("16,384 px", "245,760 good px", "1 chunk ")),
        ({(0, 9): zeros, (0, 10): cut}, ("32,768 px", "229,376 good px", "1 chunk ")),
        ({(0, 9): zeros, (0, 63): zeros}, ("32,768 px", "491,520 good px", "2 chunks ")),
    ],
)
def test_good_pixels_that_are_left_out_beside_damaged_ones_are_told(
    tmp_path, caplog, spoil, figures
):
    tile(write(tmp_path / "a.tif", spoil), tmp_path / "a.zarr", codec="zstd")
    (line,) = [record.message for record in caplog.records if "good px" in record.message]
    assert all(figure in line for figure in figures)
    assert "--codec native" in line


def test_nothing_good_is_left_out_of_a_copy(tmp_path, caplog):
    slide = write(tmp_path / "a.tif", {(0, 9): zeros})
    tile(slide, tmp_path / "a.zarr", codec="native")
    tile(write(tmp_path / "b.tif", {}), tmp_path / "b.zarr", codec="zstd")
    assert "good px" not in caplog.text


def test_the_scan_of_markers_finds_zeros_and_what_is_not_ended(tmp_path):
    slide = write(tmp_path / "a.tif", {(0, 9): zeros, (0, 23): unended, (0, 36): cut})
    store = tile(slide, tmp_path / "a.zarr", codec="native")
    assert unreadable(store) == {(0, 0), (3, 1)}
    findings = st.verify_store(store.path, deep=True)  # decoding finds the third
    assert len(findings) == 1
    assert "Corrupt JPEG data" in findings[0].what


def test_damage_that_measuring_meets_is_not_kept(tmp_path):
    spoil = {(0, 0): cut, (0, 1): cut, (0, 8): cut, (0, 9): cut}
    slide = write(tmp_path / "a.tif", spoil, factors=(1,))
    store = tile(slide, tmp_path / "a.zarr", codec="native")
    assert unreadable(store) == {(0, 0)}
    assert store.unreadable_reasons == {"does not decode: Corrupt JPEG data": 1}
    assert st.verify_store(store.path, deep=True) == ()
    row = store.tiles.slice(0, 1).to_pylist()[0]
    assert row["bytes"] == row["crc32c"] == 0
    assert row["mean_red"] is None


@pytest.mark.parametrize("check", ["scan", "decode"])
@pytest.mark.parametrize("spoil", [zeros, unended, cut])
def test_a_damaged_coarse_tile_is_averaged_in_a_native_store(tmp_path, spoil, check):
    slide = write(tmp_path / "a.tif", {(1, 1): spoil})
    sound = tile(write(tmp_path / "sound.tif", {}), tmp_path / "sound.zarr", codec="native")
    store = tile(slide, tmp_path / "a.zarr", codec="native", check=check)
    assert not unreadable(store)
    assert store.metadata.damage.to_node()["replaced"] == [{"level": 1, "blocks": 1}]
    everything = st.Region(x=0, y=0, width=SIDE, height=SIDE)
    apart = store.read_region(everything, level=1).astype(int)
    apart -= sound.read_region(everything, level=1)
    assert np.abs(apart).mean() < 3
    with st.open_slide(slide) as opened:
        assert st.verify_store(store.path, slide=opened, deep=True) == ()


def test_a_continued_run_records_what_an_unbroken_one_does(tmp_path):
    slide = write(tmp_path / "a.tif", {(0, 9): zeros, (1, 1): zeros})
    store = tile(slide, tmp_path / "a.zarr", codec="native")
    expected = {p.relative_to(store.path): p.read_bytes() for p in files(store.path)}
    partial = tmp_path / "a.zarr.partial"
    shutil.move(store.path, partial)
    (partial / "tiles" / "tiles.parquet").unlink()
    again = tile(slide, tmp_path / "a.zarr", codec="native")
    assert {p.relative_to(again.path): p.read_bytes() for p in files(again.path)} == expected


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_two_checks_are_not_mixed(tmp_path):
    slide = write(tmp_path / "a.tif", {})
    store = tile(slide, tmp_path / "a.zarr", check="decode")
    assert store.codec == "native"
    assert store.metadata.chunk_codec == NativeCodec(check_by="decode")
    with st.open_slide(slide) as opened:
        for check in ("scan", "decode"):
            recipe = st.Recipe(tile=st.TileSpec(size=256), check=check)
            assert same_codec(recipe, store.metadata.chunk_codec, opened) == (check == "decode")
        assert opened.reader == "tiff"
    shutil.move(store.path, tmp_path / "a.zarr.partial")
    with pytest.raises(StoreMismatchError, match="parameters"):
        tile(slide, tmp_path / "a.zarr", check="scan")


def test_an_unknown_check_is_refused():
    with pytest.raises(ValueError, match="by scan or decode, but this is 'twice'"):
        st.Recipe(check="twice")


def test_of_nothing_readable_the_error_says_why(tmp_path):
    spoil = {(0, number): unended for number in range(64)}
    slide = write(tmp_path / "a.tif", spoil)
    with pytest.raises(DamagedPixelsError, match=r"none of its 16 tiles.*no end marker: 16"):
        tile(slide, tmp_path / "a.zarr")
    assert not list(tmp_path.glob("a.zarr*"))
    write(slide, {})  # a good copy
    assert not tile(slide, tmp_path / "a.zarr").unreadable


def test_no_text_of_the_slide_reaches_an_anonymous_store(tmp_path):
    def signed(stream):
        comment = b"\xff\xfe\x00\x12Mustermann, E."[: 2 + 0x12].ljust(20, b"!")
        return stream[:2] + comment + stream[2:] + b"Mustermann, Erika"

    slide = write(tmp_path / "a.tif", {(0, number): signed for number in range(64)})
    plain = tile(write(tmp_path / "b.tif", {}), tmp_path / "b.zarr", codec="native")
    recipe_store = tile(slide, tmp_path / "a.zarr", codec="native")
    assert not [p for p in files(recipe_store.path) if re.search(rb"Muster", p.read_bytes())]
    for mine, theirs in zip(recipe_store, plain, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_averaged_chunks_are_known_by_their_beginning(tmp_path):
    slide = write(tmp_path / "a.tif", {(1, 1): zeros})
    store = tile(slide, tmp_path / "a.zarr", codec="native")
    (shard,) = [p for p in files(store.path / "1") if p.name != "zarr.json"]
    found = [m.start() for m in re.finditer(rb"\xff\xd8\xff\xee", shard.read_bytes())]
    assert [NativeCodec().is_averaged(shard.read_bytes()[at:]) for at in found] == [True]


class Interrupted(BaseException):
    pass


def stop(progress):
    if progress.shards_done >= 2:
        raise Interrupted


AVERAGED, AS_IT_IS = 2.5, 2.0
"""Of level 1, of 2 µm per pixel; the overview is read from level 2, and sees nothing of it."""

WIDE = {"factors": (1, 4, 16), "side": 2 * SIDE}


@pytest.mark.parametrize(
    ("codec", "mpp"),
    [("zstd", AVERAGED), ("raw", AVERAGED), ("zstd", AS_IT_IS), ("native", AS_IT_IS)],
)
def test_coarse_blocks_under_another_resolution_are_recorded(tmp_path, caplog, codec, mpp):
    slide = write(tmp_path / "a.tif", {(1, 5): zeros, (1, 10): zeros}, **WIDE)
    store = tile(slide, tmp_path / "a.zarr", codec=codec, mpp=mpp, side=2 * SIDE)
    assert not unreadable(store)
    assert store.metadata.damage.to_node()["replaced"] == [{"level": 1, "blocks": 2}]
    told = [record.message for record in caplog.records if "averaged" in record.message]
    what = "2 blocks of level 1 empty or damaged: averaged from the next finer level"
    assert told == [f"a.tif: {what}"]
    assert st.verify_store(store.path, deep=True) == ()


@pytest.mark.parametrize("codec", ["zstd", "native"])
def test_what_no_level_has_is_unreadable_at_another_resolution_not_background(tmp_path, codec):
    under = {(0, row * 32 + column): zeros for row in range(4) for column in range(4)}
    spoil = {(1, 0): zeros, (1, 10): zeros, **under}
    slide = write(tmp_path / "a.tif", spoil, factors=(1, 4, 16), side=4 * SIDE)
    store = tile(slide, tmp_path / "a.zarr", codec=codec, mpp=2.0, side=4 * SIDE)
    assert (0, 0) in unreadable(store)
    assert len(unreadable(store)) < len(store)
    assert store.unreadable_reasons
    with st.open_slide(slide) as opened:
        assert st.verify_store(store.path, slide=opened, deep=True) == ()


@pytest.mark.parametrize("lost", ["nothing", "the notes"])
@pytest.mark.parametrize("codec", ["zstd", "raw"])
def test_a_continued_run_at_another_resolution_records_the_same_damage(tmp_path, codec, lost):
    spoil = {(1, number): zeros for number in range(0, 256, 3)}
    slide = write(tmp_path / "a.tif", spoil, factors=(1, 2, 16), side=4 * SIDE)

    def run(out, on_progress=None):
        with st.open_slide(slide) as opened:
            view = st.rescale_slide(opened, mpp=1.1)
            overview = st.read_overview(view, mpp=8.0)
            mask = np.ones(overview.image.shape[:2], np.bool_)
            plan = st.plan_tiles(view, st.TissueMask.from_mask(mask, overview))
            options = {"codec": codec, "on_progress": on_progress, "workers": 1}
            return st.write_tiles(view, plan, out, **options)

    whole = run(tmp_path / "whole.zarr")
    assert whole.metadata.damage.to_node()["replaced"] == [{"level": 1, "blocks": 86}]
    out = tmp_path / "a.zarr"
    with pytest.raises(Interrupted):
        run(out, stop)
    notes = partial_path(out) / PARTIAL_BLOCKS
    assert len(notes.read_text().split("\n\n")) >= 2
    if lost == "the notes":
        notes.unlink()
    seen = []
    again = run(out, seen.append)
    assert (seen[0].shards_done >= 2) == (lost == "nothing")
    assert {p.relative_to(again.path): p.read_bytes() for p in files(again.path)} == {
        p.relative_to(whole.path): p.read_bytes() for p in files(whole.path)
    }


@pytest.mark.parametrize("codec", ["zstd", "raw"])
def test_parts_at_another_resolution_record_the_same_damage(tmp_path, tree, codec):
    spoil = {(1, number): zeros for number in range(0, 256, 3)}
    slide = write(tmp_path / "a.tif", spoil, factors=(1, 2, 16), side=4 * SIDE)

    def view():
        return st.rescale_slide(st.open_slide(slide), mpp=1.1)

    with view() as opened:
        overview = st.read_overview(opened, mpp=8.0)
        mask = np.ones(overview.image.shape[:2], np.bool_)
        plan = st.plan_tiles(opened, st.TissueMask.from_mask(mask, overview))
        whole = st.write_tiles(opened, plan, tmp_path / "whole.zarr", codec=codec)
    out, seen = tmp_path / "a.zarr", []
    with GroupClaim(out) as claim:
        with view() as opened:
            group = begin_store(opened, plan, claim.permit, parts=3, codec=codec)
        for number in (2, 0, 1):
            with view() as opened:
                write_part(opened, plan, group, number)
        notes = list(partial_path(out).glob(f"{PARTIAL_BLOCKS}*"))
        assert len(notes) == 3, "each process adds to a file of its own"
        with view() as opened:
            again = group.permitted(claim.renew())
            finish_store(opened, plan, again, on_progress=seen.append)
    assert seen[0].shards_done >= seen[0].shards_total - 4, "what the parts noted is believed"
    assert tree(out) == tree(whole.path)
