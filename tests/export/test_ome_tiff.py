"""Stores as OME-TIFF: what OpenSlide, tifffile and slidetile itself read in it."""

import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import icc_profiles
import imagecodecs
import numpy as np
import pytest
import tifffile
from channel_files import signal
from export_readers import check_openslide, check_tifffile, stored
from known_tissue import drawn
from tampering import damage_chunk

import slidetile as st
from slidetile.export.jpeg_tiles import kind_of
from slidetile.export.unfinished import UNFINISHED_SUFFIX

NS = {"ome": "http://www.openmicroscopy.org/Schemas/OME/2016-06"}


@pytest.mark.parametrize("codec", ["native", "jpeg"])
def test_jpeg_chunks_are_copied_as_they_are(stores, tmp_path, codec):
    store, path = stores(codec), tmp_path / "a.ome.tif"
    told = st.export_store(store, path, "ome-tiff")
    chunks = [(n, c) for n in range(len(store.levels)) for c in store.stored_chunks(n)]
    assert told.counts == {"tiles": len(store), "levels": len(store.levels), "chunks": len(chunks)}
    assert told.size_bytes == path.stat().st_size
    with tifffile.TiffFile(path) as tiff:
        data = path.read_bytes()
        for level, page in enumerate(tiff.pages):
            columns = store.grid(level).chunk_columns
            found = {
                divmod(place, columns)[::-1]: data[at : at + length]
                for place, (at, length) in enumerate(
                    zip(page.dataoffsets, page.databytecounts, strict=True)
                )
                if length
            }
            assert found == {
                cell: store.read_chunk_bytes(*cell, level=level)
                for cell in store.stored_chunks(level)
            }
            absent = set(range(len(page.dataoffsets))) - {y * columns + x for x, y in found}
            assert all(page.dataoffsets[n] == page.databytecounts[n] == 0 for n in absent)
        assert tiff.pages.first.subifds == tuple(page.offset for page in tiff.pages[1:])


@pytest.mark.parametrize(
    ("codec", "choices", "tolerance"),
    [
        ("native", {}, 0),
        ("jpeg", {}, 0),
        pytest.param("zstd", {}, 0, marks=pytest.mark.slow),
        pytest.param("raw", {}, 0, marks=pytest.mark.slow),
        pytest.param("jxl", {"codec": "deflate"}, 0, marks=pytest.mark.slow),
        pytest.param("native", {"codec": "deflate"}, 0, marks=pytest.mark.slow),
        ("zstd", {"codec": "jpeg", "jpeg_quality": 95}, 40),
    ],
)
def test_openslide_and_tifffile_show_what_the_store_has(
    stores, tmp_path, codec, choices, tolerance
):
    store, path = stores(codec), tmp_path / "a.ome.tif"
    st.export_store(store, path, st.OmeTiffExport(**choices))
    properties = check_openslide(path, store, tolerance=tolerance)
    assert properties["openslide.vendor"] == "generic-tiff"
    check_tifffile(path, store, tolerance=tolerance)


def test_zstandard_tiles_are_read_by_tifffile(stores, tmp_path):
    told = st.export_store(stores("zstd"), tmp_path / "a.tif", st.OmeTiffExport(codec="zstd"))
    check_tifffile(tmp_path / "a.tif", stores("zstd"))
    assert "Zstandard" in told.notes[0]


REAL = [
    "CMU-1-Small-Region.svs",  # RGB, in tiles of 240
    "CMU-1-small.tiff",  # a coarsest level of another ratio
    "wsic-CMU-1-Small-Region.jpeg.tiff",  # chroma at half the resolution
    "made/brightfield.ndpi",  # restart markers
    "made/philips.tiff",
    "made/leica.scn",
    "made/dicom_sparse.dcm",
    pytest.param("test3-DAPI.ndpi", marks=pytest.mark.slow),
    "petebankhead-OS-1-detail.ome.tif",  # its tag contradicts its streams
]


@pytest.mark.parametrize("name", REAL)
def test_real_slides_are_shown_bit_for_bit(shared_slides, tmp_path, name):
    recipe = st.Recipe(codec="native", tile=st.TileSpec(size=256), slide_mpp=0.5)
    store = st.tile_slide(shared_slides / name, tmp_path / "a.zarr", recipe)
    told = st.export_store(store, tmp_path / "a.ome.tif", st.OmeTiffExport(codec="native"))
    assert "chunks encoded anew" not in told.counts
    check_openslide(tmp_path / "a.ome.tif", store)
    check_tifffile(tmp_path / "a.ome.tif", store)


@pytest.mark.parametrize(
    ("name", "stated"),
    [
        ("CMU-1-Small-Region.svs", (2, None)),  # RGB
        ("wsic-CMU-1-Small-Region.jpeg.tiff", (6, (2, 2))),
        ("made/brightfield.ndpi", (6, None)),  # chroma at full resolution: see the writer
    ],
)
def test_colours_and_chroma_are_stated_as_readers_need_them(shared_slides, tmp_path, name, stated):
    recipe = st.Recipe(codec="native", tile=st.TileSpec(size=256), slide_mpp=0.5)
    store = st.tile_slide(shared_slides / name, tmp_path / "a.zarr", recipe)
    st.export_store(store, tmp_path / "a.ome.tif", "ome-tiff")
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        tags = tiff.pages.first.tags
        assert (tags[262].value, tags.valueof(530)) == stated


def test_an_export_is_tiled_again_to_the_same_chunks(stores, tmp_path):
    store, path = stores("native"), tmp_path / "a.ome.tif"
    st.export_store(store, path, "ome-tiff")
    recipe = st.Recipe(codec="native", tile=st.TileSpec(size=512, min_tissue_fraction=0))
    again = st.tile_slide(path, tmp_path / "again.zarr", recipe)
    assert again.mpp == store.mpp
    for level in range(len(store.levels)):
        cells = set(store.stored_chunks(level)) & set(again.stored_chunks(level))
        assert cells
        for cell in cells:
            chunks = (each.read_chunk_bytes(*cell, level=level) for each in (store, again))
            assert len(set(chunks)) == 1


@pytest.mark.parametrize(("channels", "bits"), [(4, 16), (2, 8), (1, 12), (3, 16)])
def test_channels_and_16_bits_lose_nothing(tmp_path, channels, bits):
    names = ("DAPI", "CD3", "CD8 & <x>", "CK")[:channels]
    pixels = signal(700, 900, channels, bits=bits)
    slide = st.ArraySlide(
        pixels,
        mpp=0.5,
        bits=bits,
        background=(0, 0, 0),
        channels=[st.Channel(name=name, colour=(0, 9, 255)) for name in names],
    )
    tissue = st.find_tissue(slide, min_piece_area_um2=0)
    plan = st.plan_tiles(slide, tissue, st.TileSpec(size=256))
    store = st.write_tiles(slide, plan, tmp_path / "a.zarr")
    st.export_store(store, tmp_path / "a.ome.tif", "ome-tiff")
    described = ET.fromstring(check_tifffile(tmp_path / "a.ome.tif", store))  # noqa: S314  ours
    (image,) = described.iterfind(".//ome:Pixels", NS)
    assert image.get("SignificantBits") == str(bits)
    found = [each.get("Name") for each in described.iterfind(".//ome:Channel", NS)]
    assert found == list(names)
    with pytest.raises(ValueError, match=r"channels of \d+ bits: choose deflate or zstd"):
        st.export_store(store, tmp_path / "b.tif", st.OmeTiffExport(codec="jpeg"))
    with st.open_slide(tmp_path / "a.ome.tif") as again:
        assert [each.name for each in again.channel_info] == list(names)
        assert again.read_region(again.bounds).dtype == store.dtype


def test_the_colour_profile_and_the_resolution_are_kept(sample, tmp_path):
    profile = icc_profiles.matrix_profile()
    with st.open_slide(sample) as slide:
        region = st.Region(x=1024, y=768, width=1500, height=1100)
        pixels = slide.read_region(region)
    made = st.ArraySlide(pixels, mpp=(0.499, 0.2500001), icc_profile=profile)
    plan = st.plan_tiles(made, st.find_tissue(made, min_piece_area_um2=0))
    store = st.write_tiles(made, plan, tmp_path / "a.zarr", codec="jpeg")
    st.export_store(store, tmp_path / "a.ome.tif", "ome-tiff")
    with st.open_slide(tmp_path / "a.ome.tif") as slide:
        assert slide.icc_profile == profile
        assert slide.mpp == (0.499, 0.2500001)
    properties = check_openslide(tmp_path / "a.ome.tif", store)
    assert int(properties["openslide.icc-size"]) == len(profile)


def test_the_file_says_where_it_comes_from(stores, tmp_path):
    store = stores("native")
    for number, anonymous in enumerate((False, True)):
        path = tmp_path / f"{number}.tif"
        st.export_store(store, path, st.OmeTiffExport(anonymous=anonymous))
        described = ET.fromstring(check_tifffile(path, store))  # noqa: S314  ours
        told = {each.get("K"): each.text for each in described.iterfind(".//ome:M", NS)}
        assert told["store_digest"] == store.digest
        assert told["slide_fingerprint"] == store.metadata.source.fingerprint
        assert told["slidetile"] == st.__version__
        assert ("store" in told) == ("slide" in told) == (not anonymous)
        assert (b"sample" in path.read_bytes()) == (not anonymous)


def test_the_bytes_do_not_depend_on_workers_or_interruptions(stores, tmp_path, stop, stopped):
    store, files = stores("zstd"), [tmp_path / name for name in ("a.tif", "b.tif")]
    spec = st.OmeTiffExport(codec="jpeg")
    st.export_store(store, files[0], spec, workers=1)
    begun = tmp_path / ("b.tif" + UNFINISHED_SUFFIX)
    with pytest.raises(stopped):
        st.export_store(store, files[1], spec, workers=3, on_progress=stop(7))
    assert begun.is_dir()
    assert not files[1].exists()
    with pytest.raises(st.StoreMismatchError, match="other settings"):
        st.export_store(store, files[1], st.OmeTiffExport(codec="deflate"))
    seen = []
    st.export_store(store, files[1], spec, workers=3, on_progress=seen.append)
    assert seen[0].shards_done == 8, "7 chunks were kept"
    assert not begun.exists()
    assert files[0].read_bytes() == files[1].read_bytes()


KILLED = """
import os, sys
import slidetile as st
seen = []
def end(progress):
    seen.append(progress)
    if len(seen) == int(sys.argv[4]):
        os._exit(9)
st.export_store(st.open_store(sys.argv[1]), sys.argv[2], sys.argv[3], on_progress=end)
"""


@pytest.mark.parametrize("kind", ["ome-tiff", "dicom"])
def test_a_killed_process_is_continued(stores, tmp_path, tree, kind):
    store = stores("native")
    place, whole = tmp_path / "killed", tmp_path / "whole"
    command = [sys.executable, "-c", KILLED, store.path, place, kind, "120"]
    assert subprocess.run(command, check=False).returncode == 9
    begun = tmp_path / ("killed" + UNFINISHED_SUFFIX)
    name = next(begun.glob("*.parts")).name.removesuffix(".parts")
    data = next(begun.rglob(name))
    with data.open("r+b") as file:  # and the power has failed: the last block is zeros
        end = file.seek(0, 2)
        file.seek(max(0, end - 4096))
        file.write(bytes(4096))
    st.export_store(store, place, kind)
    st.export_store(store, whole, kind)
    if kind == "dicom":
        assert tree(place) == tree(whole)
    else:
        assert place.read_bytes() == whole.read_bytes()
    assert not begun.exists()


def test_a_chunk_of_other_colours_than_its_level_is_encoded_as_one_of_them(shared_slides, tmp_path):
    """A coarse tile that was averaged is YCbCr, those that Aperio has made are RGB."""
    source = shared_slides / "CMU-1-Small-Region.svs"
    with st.open_slide(source) as slide:
        pixels = slide.read_region(st.Region(x=0, y=0, width=960, height=960))
    path = tmp_path / "hole.tif"
    rgb = {"colorspace": "RGB", "outcolorspace": "RGB"}
    with tifffile.TiffWriter(path) as writer:
        for level, step in enumerate((1, 2)):
            picture = np.ascontiguousarray(pixels[::step, ::step])
            tiles = [
                imagecodecs.jpeg8_encode(
                    np.ascontiguousarray(picture[y : y + 240, x : x + 240]), level=90, **rgb
                )
                for y in range(0, len(picture), 240)
                for x in range(0, len(picture), 240)
            ]
            if level:
                tiles[1] = b""
            writer.write(
                iter(tiles),
                shape=picture.shape,
                dtype=np.uint8,
                tile=(240, 240),
                compression="jpeg",
                photometric="rgb",
                subfiletype=level,
                metadata=None,
                resolution=(20_000, 20_000),
                resolutionunit="CENTIMETER",
            )
    everywhere = st.Recipe(
        codec="native",
        tile=st.TileSpec(size=240),
        detector=lambda image: np.ones(image.shape[:2], np.bool_),
    )
    store = st.tile_slide(path, tmp_path / "a.zarr", everywhere)
    kinds = [
        kind_of(store.read_chunk_bytes(*cell, level=1)).is_ycbcr for cell in store.stored_chunks(1)
    ]
    assert sorted(kinds) == [False, False, False, True]
    told = st.export_store(store, tmp_path / "a.ome.tif", "ome-tiff")
    assert told.counts["chunks encoded anew"] == 1
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        shown = tiff.series[0].levels[1].asarray()
    assert np.abs(shown.astype(int) - stored(store, 1)[0]).max() < 30  # it was JPEG before
    st.export_store(store, tmp_path / "dcm", "dicom")
    with st.open_slide(tmp_path / "dcm" / "level-1.dcm") as slide:
        again = slide.read_region(slide.bounds, level=1)
    assert np.abs(again.astype(int) - stored(store, 1)[0]).max() < 30


def test_tiles_that_the_slide_could_not_give_are_absent_and_counted(damaged_sample, tmp_path, cli):
    recipe = st.Recipe(tile=st.TileSpec(size=256), codec="native", detector=drawn)
    store = st.tile_slide(damaged_sample, tmp_path / "a.zarr", recipe)
    assert store.unreadable
    for kind in ("ome-tiff", "dicom"):
        told = st.export_store(store, tmp_path / kind, kind)
        assert told.left_out == {"unreadable tiles": store.unreadable}
        result = cli("export", store.path, "--to", kind, "-o", tmp_path / f"{kind}-2")
        assert result.exit_code == 3
        assert f"unreadable tiles: {store.unreadable}" in result.output
    check_openslide(tmp_path / "ome-tiff", store)
    check_openslide(tmp_path / "dicom" / "level-0.dcm", store)


@pytest.mark.parametrize("kind", ["ome-tiff", "dicom"])
@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_damage_is_named_and_never_glass(sample, tmp_path, kind, codec):
    path = tmp_path / "a.zarr"
    store = st.tile_slide(sample, path, st.Recipe(codec=codec, tile=st.TileSpec(size=512)))
    column, row = list(store.stored_chunks(0))[5]
    damage_chunk(path, column, row)
    damaged = re.escape(f"The chunk at column {column}, row {row} of {path / '0'} is damaged")
    with pytest.raises(st.StoreError, match=damaged):
        st.export_store(st.open_store(path), tmp_path / "out", kind)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["ome-tiff", "dicom"])
def test_a_lost_shard_is_no_glass(sample, tmp_path, kind):
    store = st.tile_slide(sample, tmp_path / "a.zarr", st.Recipe(tile=st.TileSpec(size=512)))
    next(path for path in (tmp_path / "a.zarr" / "0" / "c").rglob("*") if path.is_file()).unlink()
    with pytest.raises(st.StoreError, match="is missing, though it was stored"):
        st.export_store(store, tmp_path / "out", kind)
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("kind", ["ome-tiff", "dicom"])
def test_a_store_that_is_replaced_meanwhile_is_noticed(sample, tmp_path, kind):
    recipe = st.Recipe(tile=st.TileSpec(size=512))
    store = st.tile_slide(sample, tmp_path / "a.zarr", recipe)
    other = st.tile_slide(sample, tmp_path / "b.zarr", st.Recipe(tile=st.TileSpec(size=256)))

    def replace(progress):
        if progress.shards_done == 3:
            store.path.rename(tmp_path / "old.zarr")
            other.path.rename(store.path)

    # Between the two renames, a reader at work meanwhile finds no store at all.
    with pytest.raises(st.StoreError, match=r"was (replaced or changed|deleted or moved) since"):
        st.export_store(store, tmp_path / "out", kind, on_progress=replace)
    assert not (tmp_path / "out").exists()


def test_what_is_there_is_replaced_only_where_it_is_ours(stores, tmp_path, cli):
    store, path = stores("native"), tmp_path / "a.tif"
    command = ("export", store.path, "--to", "ome-tiff", "-o", path)
    assert cli(*command).exit_code == 0
    first = path.read_bytes()
    refused = cli(*command, "--codec", "deflate")
    assert (refused.exit_code, "exists already, made of another" in refused.output) == (1, True)
    assert cli(*command, "--overwrite").exit_code == 0
    assert path.read_bytes() == first
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), bigtiff=True)
    refused = cli(*command, "--overwrite")
    assert refused.exit_code == 1
    assert "and not an OME-TIFF that slidetile has written" in refused.output
    inside = cli("export", store.path, "--to", "ome-tiff", "-o", store.path / "a.tif")
    assert (inside.exit_code, "lies in the store" in inside.output) == (1, True)


def test_what_was_begun_is_deleted_only_where_that_is_asked_for(stores, tmp_path, stop, stopped):
    store, path = stores("native"), tmp_path / "a.tif"
    begun, other = tmp_path / ("a.tif" + UNFINISHED_SUFFIX), st.OmeTiffExport(anonymous=True)
    with pytest.raises(stopped):
        st.export_store(store, path, "ome-tiff", on_progress=stop(9))
    seen = []
    again = st.OmeTiffExport(existing="restart")
    st.export_store(store, path, again, on_progress=seen.append)
    assert seen[0].shards_done == 1
    before = path.read_bytes()
    replacing = st.OmeTiffExport(anonymous=True, existing="overwrite")
    with pytest.raises(stopped):
        st.export_store(store, path, replacing, on_progress=stop(9))
    assert path.read_bytes() == before, "the old file stays until the new one is whole"
    seen.clear()
    st.export_store(store, path, replacing, on_progress=seen.append)
    assert seen[0].shards_done == 10
    path.unlink()
    st.export_store(store, tmp_path / "b.tif", other)
    begun.mkdir()
    (begun / "mine.txt").write_text("mine")
    with pytest.raises(st.StoreExistsError, match="is not slidetile's, so it is not removed"):
        st.export_store(store, path, again)
    assert (begun / "mine.txt").read_text() == "mine"


def test_two_do_not_write_the_same(stores, tmp_path):
    store, path, refused = stores("native"), tmp_path / "a.tif", []

    def write_too(progress):
        if progress.shards_done == 5:
            for existing in ("continue", "restart", "overwrite"):
                with pytest.raises(st.StoreBusyError) as raised:
                    st.export_store(store, path, st.OmeTiffExport(existing=existing))
                refused.append(str(raised.value))

    st.export_store(store, path, "ome-tiff", on_progress=write_too)
    assert len(refused) == 3
    check_openslide(path, store)


ENCODERS = {
    "jpeg2000": (33005, lambda cell: imagecodecs.jpeg2k_encode(cell, level=40, codecformat="j2k")),
    "webp": (50001, lambda cell: imagecodecs.webp_encode(cell, level=85, lossless=False)),
}


@pytest.mark.parametrize("stream", ENCODERS)
def test_other_streams_are_copied_where_a_reader_knows_them(sample, tmp_path, stream):
    with st.open_slide(sample) as slide:
        pixels = slide.read_region(st.Region(x=1024, y=768, width=512, height=512))
    compression, encode = ENCODERS[stream]
    cells = [pixels[y : y + 256, x : x + 256] for y in (0, 256) for x in (0, 256)]
    tifffile.imwrite(
        tmp_path / "a.tif",
        (bytes(encode(np.ascontiguousarray(cell))) for cell in cells),
        shape=pixels.shape,
        dtype=np.uint8,
        tile=(256, 256),
        compression=compression,
        photometric="rgb",
        metadata=None,
        resolution=(20_000, 20_000),
        resolutionunit="CENTIMETER",
    )
    recipe = st.Recipe(
        codec="native",
        tile=st.TileSpec(size=256),
        detector=lambda image: np.ones(image.shape[:2], np.bool_),
    )
    store = st.tile_slide(tmp_path / "a.tif", tmp_path / "a.zarr", recipe)
    assert store.metadata.chunk_codec.stream == stream
    told = st.export_store(store, tmp_path / "a.ome.tif", "ome-tiff")
    check_tifffile(tmp_path / "a.ome.tif", store)
    assert len(told.notes) == 1
    st.export_store(store, tmp_path / "b.ome.tif", st.OmeTiffExport(codec="deflate"))
    check_openslide(tmp_path / "b.ome.tif", store)
    st.export_store(store, tmp_path / "dcm", "dicom")  # WebP has no transfer syntax
    check_openslide(tmp_path / "dcm" / "level-0.dcm", store)
    again = st.tile_slide(tmp_path / "dcm" / "level-0.dcm", tmp_path / "again.zarr", recipe)
    if stream == "jpeg2000":
        assert again.read_chunk_bytes(1, 1) == store.read_chunk_bytes(1, 1)


def test_a_store_without_pixels_is_exported_from_its_slide(sample, tmp_path):
    recipe = st.Recipe(codec="reference", tile=st.TileSpec(size=512))
    store = st.tile_slide(sample, tmp_path / "a.zarr", recipe)
    st.export_store(store, tmp_path / "a.ome.tif", st.OmeTiffExport(codec="jpeg"))
    check_openslide(tmp_path / "a.ome.tif", store, tolerance=40)
    st.export_store(store, tmp_path / "dcm", st.DicomExport(codec="jpeg"))
    check_openslide(tmp_path / "dcm" / "level-0.dcm", store, tolerance=40)


def test_a_full_disk_is_told_and_the_next_run_goes_on(stores, small_disk, tmp_path):
    disk, mount = small_disk
    store = stores("native")
    with pytest.raises(OSError, match="No space left"):
        st.export_store(store, disk / "a.tif", "ome-tiff")
    assert not (disk / "a.tif").exists()
    assert mount(5000)
    seen = []
    st.export_store(store, disk / "a.tif", "ome-tiff", on_progress=seen.append)
    assert seen[0].shards_done > 1, "what was written was kept"
    st.export_store(store, tmp_path / "a.tif", "ome-tiff")
    assert (disk / "a.tif").read_bytes() == (tmp_path / "a.tif").read_bytes()


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"codec": "lzw"}, "must be one of auto, native, jpeg, deflate, zstd, not 'lzw'"),
        ({"codec": "jpeg", "jpeg_quality": 101}, "1–100, but it is 101"),
        ({"jpeg_quality": 90}, "jpeg_quality 90 is of the codec jpeg, not of auto"),
        ({"existing": "keep"}, "existing must be one of"),
        ({"memory_bytes": 0}, "at least 1, but it is 0"),
    ],
)
def test_choices_are_checked_at_birth(choices, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        st.OmeTiffExport(**choices)


def test_what_cannot_be_copied_is_refused_with_the_reason(stores, tmp_path, cli):
    path = tmp_path / "a.tif"
    command = ("export", stores("zstd").path, "--to", "ome-tiff", "--codec", "native", "-o", path)
    result = cli(*command)
    assert result.exit_code == 2
    assert "cannot be copied: its codec is zstd" in result.output
    assert not list(tmp_path.glob("a.tif*"))


def test_frames_whose_sides_are_no_multiples_of_16_are_not_copied(shared_slides, tmp_path):
    store = st.tile_slide(
        shared_slides / "sm_image.dcm", tmp_path / "a.zarr", st.Recipe(min_piece_area_um2=0)
    )
    if store.codec == "native":
        with pytest.raises(ValueError, match="the sides of tiles of a TIFF are multiples of 16"):
            st.export_store(store, tmp_path / "a.tif", st.OmeTiffExport(codec="native"))
    st.export_store(store, tmp_path / "b.tif", "ome-tiff")
    check_tifffile(tmp_path / "b.tif", store)
