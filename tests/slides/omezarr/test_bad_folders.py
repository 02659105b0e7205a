"""OME-Zarr folders that nobody should trust: refused in words, or their damage marked."""

import gzip
import os
import tracemalloc

import numcodecs
import numpy as np
import pytest
import zarr
import zarr.codecs
import zarr.codecs.numcodecs
from google_crc32c import value as crc32c
from ome_zarr import change, image_metadata, write_image
from pictures import pattern

import slidetile as st
from slidetile.errors import DamagedPixelsError, SlideReadError, UnsupportedSlideError
from slidetile.raster.region import Region
from slidetile.slides.reader import FinalRefusalError

LEVEL = pattern(300, 421)


@pytest.fixture
def folder(tmp_path):
    return write_image(tmp_path / "slide.zarr", [LEVEL])


def refused(folder, match, kind=FinalRefusalError):
    with pytest.raises(kind, match=match) as caught:
        st.open_slide(folder)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("dtype", "words"),
    [
        ("uint32", "32-bit unsigned numbers"),
        ("float64", "64-bit floating-point numbers"),
        ("int8", "8-bit signed numbers"),
        ("bool", "1 bit: it is a mask"),
    ],
)
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_other_numbers_are_refused_by_name(tmp_path, dtype, words, zarr_format):
    levels = [LEVEL.astype(dtype)]
    folder = write_image(tmp_path / "a.zarr", levels, zarr_format=zarr_format)
    refused(folder, words)


def test_real_images_of_floats_are_refused(shared_slides):
    for name in ("blobs_image_v04.ome.zarr", "blobs_image_v05.ome.zarr"):
        refused(shared_slides / "omezarr" / name, "64-bit floating-point numbers.*round")


def test_more_channels_than_a_store_has_are_refused_unless_some_are_chosen(tmp_path):
    folder = write_image(tmp_path / "a.zarr", [np.zeros((8, 8, 65), np.uint8)])
    refused(folder, "has 65 channels.*--channels")
    with st.open_slide(folder, channels=["64"]) as slide:
        assert slide.channels == 1


@pytest.mark.parametrize("axis", ["z", "t"])
def test_depths_and_times_are_refused_with_their_number(tmp_path, axis):
    folder = tmp_path / "a.zarr"
    group = zarr.open_group(folder, mode="w")
    group.create_array("0", shape=(5, 300, 421), chunks=(1, 64, 64), dtype="uint8")
    group.attrs["ome"] = image_metadata(1, f"{axis}yx")
    refused(folder, f"5 (depths|times).*--{axis} 0 to 4")
    with st.open_slide(folder, **{axis: 4}) as slide:
        assert slide.levels[0].size == (421, 300)


@pytest.mark.parametrize(
    "path", ["../b.zarr/0", "/etc", "", "0/..", "0//0", "./0", "a\\b", 7, "x" * 2000, "\x00"]
)
def test_levels_lie_within_the_folder(folder, path):
    def edit(node):
        node["attributes"]["ome"]["multiscales"][0]["datasets"][0]["path"] = path

    change(folder / "zarr.json", edit)
    refused(folder, "must lie within the image's folder")


@pytest.mark.parametrize("what", ["0", "0/c", "0/c/0/0/0"])
def test_links_out_of_the_folder_are_not_followed(folder, tmp_path, what):
    moved = tmp_path / "elsewhere"
    (folder / what).rename(moved)
    (folder / what).symlink_to(moved)

    def read():
        with st.open_slide(folder) as slide:
            slide.read_region(slide.bounds)

    with pytest.raises(SlideReadError, match="leads out of the slide's folder"):
        read()


def test_metadata_that_are_a_link_are_not_read(folder, tmp_path):
    (folder / "0" / "zarr.json").rename(tmp_path / "zarr.json")
    (folder / "0" / "zarr.json").symlink_to(tmp_path / "zarr.json")
    refused(folder, "cannot be read", SlideReadError)


def edit_array(folder, **members):
    change(folder / "0" / "zarr.json", lambda node: node.update(members))


def grid(*shape):
    return {"name": "regular", "configuration": {"chunk_shape": list(shape)}}


@pytest.mark.parametrize(
    ("members", "match"),
    [
        ({"shape": [3, 1 << 30, 421]}, "4194304 a side"),
        ({"shape": [3, 0, 421]}, "as a shape"),
        ({"shape": [3, -1, 421]}, "as a shape"),
        ({"shape": [3, 1e9, 421]}, "as a shape"),
        ({"shape": [3, 300]}, "another number of axes"),
        ({"chunk_grid": grid(3, 1 << 20, 1 << 20)}, "more than 256 MiB each"),
        ({"chunk_grid": grid(3, 64)}, "another number of axes"),
        ({"chunk_grid": {"name": "rectilinear"}}, "by the rule rectilinear"),
        ({"node_type": "group"}, "not an array"),
        ({"codecs": [{"name": "numcodecs.pickle"}]}, "for objects and not for pixels"),
        ({"codecs": [{"name": "nobody-knows"}]}, "zarr-python does not open"),
        ({"codecs": []}, "zarr-python does not open"),
    ],
)
def test_arrays_that_no_slide_has(folder, members, match):
    edit_array(folder, **members)
    refused(folder, match)


def test_shards_of_too_many_chunks(folder):
    inner = {"chunk_shape": [1, 1, 1], "codecs": [{"name": "bytes"}]}
    codecs = [{"name": "sharding_indexed", "configuration": inner}]
    edit_array(folder, chunk_grid=grid(3, 2048, 2048), codecs=codecs)
    refused(folder, "chunks each, more than 1048576")


def test_a_filter_that_runs_code_is_not_run(tmp_path):
    folder = write_image(tmp_path / "a.zarr", [LEVEL], zarr_format=2)
    change(folder / "0" / ".zarray", lambda node: node.update(filters=[{"id": "pickle"}]))
    refused(folder, "encoded by pickle")


def test_metadata_too_large_are_not_parsed(folder):
    (folder / "0" / "zarr.json").write_text(" " * (5 << 20))
    refused(folder, "larger than the 4194304 bytes", SlideReadError)
    (folder / "0" / "zarr.json").write_text("[" * 300_000)
    refused(folder, "commas, colons and brackets", SlideReadError)
    (folder / "0" / "zarr.json").write_text('{"a":' * 50_000)
    refused(folder, "as JSON", SlideReadError)


def test_too_many_levels(folder):
    def edit(node):
        multiscale = node["attributes"]["ome"]["multiscales"][0]
        multiscale["datasets"] = multiscale["datasets"] * 33

    change(folder / "zarr.json", edit)
    refused(folder, "33 levels")


def test_levels_from_coarse_to_fine(tmp_path):
    refused(write_image(tmp_path / "a.zarr", [pattern(75, 105), LEVEL]), "from fine to coarse")


def test_levels_of_other_channels(tmp_path):
    levels = [LEVEL, LEVEL[:150, :210, :1]]
    refused(write_image(tmp_path / "a.zarr", levels), "levels have 3 and 1 channels")


@pytest.mark.parametrize("axes", [["c", "y", "x"], None, [{"name": "y"}], [{"name": "x"}] * 2])
def test_axes_of_other_versions(folder, axes):
    def edit(node):
        node["attributes"]["ome"]["multiscales"][0]["axes"] = axes

    change(folder / "zarr.json", edit)
    refused(folder, "axes are")


def test_labels_are_no_slide(folder):
    change(folder / "zarr.json", lambda node: node["attributes"]["ome"].update({"image-label": {}}))
    refused(folder, "holds labels")


def test_other_folders_are_no_slides(tmp_path, folder):
    zarr.open_group(tmp_path / "plain.zarr", mode="w")
    for path in (tmp_path / "plain.zarr", folder / "0", tmp_path):
        what = "is a folder, not a slide" if path == tmp_path else "is a Zarr folder, but not"
        for reader in (None, "ome-zarr", "tiff"):
            with pytest.raises(SlideReadError, match=what):
                st.open_slide(path, reader=reader)


@pytest.mark.parametrize("reader", [None, "ome-zarr"])
def test_metadata_that_are_cut_short_are_told(folder, reader):
    file = folder / "zarr.json"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(SlideReadError, match=r"zarr\.json cannot be read as JSON"):
        st.open_slide(folder, reader=reader)


def test_plates_and_wells_say_how_to_name_an_image(tmp_path):
    for kind, path in (("plate", "A/1/0"), ("well", "0")):
        group = zarr.open_group(tmp_path / kind, mode="w")
        group.attrs["ome"] = {kind: {}}
        refused(tmp_path / kind, f"is an OME-Zarr {kind}, .* such as {kind}/{path}")


def test_another_reader_leaves_a_sound_folder_to_ours(folder):
    for reader in ("openslide", "tiff"):
        match = f"an OME-Zarr folder, which the reader ome-zarr reads, and {reader} does not"
        with pytest.raises(UnsupportedSlideError, match=match):
            st.open_slide(folder, reader=reader)


@pytest.mark.parametrize("content", [b"", b"nonsense", os.urandom(3000), bytes(20_000)])
def test_a_damaged_chunk_is_marked(folder, content):
    (folder / "0" / "c" / "0" / "1" / "2").write_bytes(content)
    with st.open_slide(folder) as slide:
        with pytest.raises(DamagedPixelsError, match=r"of level 0 of slide\.zarr do not decode"):
            slide.read_region(slide.bounds)
        sound = Region(x=0, y=0, width=64, height=64)
        np.testing.assert_array_equal(slide.read_region(sound), LEVEL[:64, :64])
        shown = slide.fetch_shown(slide.bounds, level=0).pixels()
        expected = LEVEL.copy()
        expected[64:128, 128:192] = slide.background
        np.testing.assert_array_equal(shown, expected)


def test_a_damaged_shard_is_marked_chunk_by_chunk(tmp_path):
    folder = write_image(tmp_path / "a.zarr", [LEVEL], shards=128)
    shard = folder / "0" / "c" / "0" / "0" / "0"
    data = bytearray(shard.read_bytes())
    data[:40] = bytes(40)  # the first of its chunks
    shard.write_bytes(data)
    with st.open_slide(folder) as slide:
        with pytest.raises(DamagedPixelsError):
            slide.read_region(Region(x=0, y=0, width=10, height=10))
        sound = Region(x=64, y=64, width=300, height=200)
        np.testing.assert_array_equal(slide.read_region(sound), LEVEL[sound.slices])


def test_a_chunk_longer_than_can_be_true_is_damage(folder):
    with (folder / "0" / "c" / "0" / "0" / "0").open("r+b") as file:
        file.truncate(1 << 34)  # it takes no room
    tracemalloc.start()
    with st.open_slide(folder) as slide, pytest.raises(DamagedPixelsError, match="at most"):
        slide.read_region(slide.bounds)
    assert tracemalloc.get_traced_memory()[1] < 1 << 26
    tracemalloc.stop()


BOMBS = {
    "zstd": (zarr.codecs.ZstdCodec, numcodecs.Zstd()),
    "blosc": (zarr.codecs.BloscCodec, numcodecs.Blosc()),
    "gzip": (zarr.codecs.GzipCodec, numcodecs.GZip(9)),
    "zlib": (zarr.codecs.numcodecs.Zlib, numcodecs.Zlib(9)),
    "bz2": (zarr.codecs.numcodecs.BZ2, numcodecs.BZ2()),
    "lzma": (zarr.codecs.numcodecs.LZMA, numcodecs.LZMA()),
}


@pytest.mark.parametrize("shards", [None, 64, 128])
@pytest.mark.parametrize("codec", BOMBS)
@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")
def test_a_chunk_that_becomes_gigabytes_is_damage(tmp_path, codec, shards):
    ours, theirs = BOMBS[codec]
    folder = write_image(tmp_path / "a.zarr", [LEVEL], shards=shards, compressors=ours())
    bomb = theirs.encode(bytes(1 << 20))
    chunk = folder / "0" / "c" / "0" / "0" / "0"
    if shards is None:
        chunk.write_bytes(bomb)
    else:
        count = (shards // 64) ** 2
        index = np.full((count, 2), (1 << 64) - 1, "<u8")
        index[0] = 0, len(bomb)
        data = index.tobytes()
        chunk.write_bytes(bomb + data + crc32c(data).to_bytes(4, "little"))
    with st.open_slide(folder) as slide, pytest.raises(DamagedPixelsError, match="more than 98304"):
        slide.read_region(Region(x=0, y=0, width=128, height=128))


ZSTD = numcodecs.Zstd()
SKIPPABLE = bytes.fromhex("502a4d18 04000000") + bytes(4)


@pytest.mark.parametrize("before", [ZSTD.encode(b"1"), SKIPPABLE], ids=["frame", "skippable frame"])
def test_all_frames_of_zstandard_count(tmp_path, before):
    folder = write_image(tmp_path / "a.zarr", [LEVEL])
    (folder / "0" / "c" / "0" / "0" / "0").write_bytes(before + ZSTD.encode(bytes(1 << 20)))
    with st.open_slide(folder) as slide, pytest.raises(DamagedPixelsError, match="more than 98304"):
        slide.read_region(Region(x=0, y=0, width=64, height=64))


def odd_header(member):
    """Return a gzip member that Python reads and zlib does not: a reserved flag is set."""
    return member[:3] + bytes([member[3] | 0x80]) + member[4:]


@pytest.mark.parametrize(
    "bomb",
    [
        gzip.compress(b"1") + gzip.compress(bytes(1 << 20)),
        gzip.compress(b"1") + bytes(9) + gzip.compress(bytes(1 << 20)),
        odd_header(gzip.compress(bytes(1 << 20))),
        gzip.compress(bytes(1 << 20))[:-20],
    ],
    ids=["in two members", "after padding", "with an odd header", "cut short"],
)
def test_a_gzip_bomb_is_measured_as_its_codec_reads_it(tmp_path, bomb):
    folder = write_image(tmp_path / "a.zarr", [LEVEL], compressors=zarr.codecs.GzipCodec())
    (folder / "0" / "c" / "0" / "0" / "0").write_bytes(bomb)
    with st.open_slide(folder) as slide, pytest.raises(DamagedPixelsError, match="more than 98304"):
        slide.read_region(Region(x=0, y=0, width=64, height=64))


def test_a_chunk_of_deflate_is_not_held_while_it_is_measured(tmp_path):
    folder = write_image(tmp_path / "a.zarr", [LEVEL], compressors=zarr.codecs.GzipCodec())
    (folder / "0" / "c" / "0" / "0" / "0").write_bytes(gzip.compress(bytes(1 << 26)))
    with st.open_slide(folder) as slide:
        tracemalloc.start()
        with pytest.raises(DamagedPixelsError, match="more than 98304"):
            slide.read_region(Region(x=0, y=0, width=64, height=64))
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
        tracemalloc.stop()


GZIP = {"name": "gzip", "configuration": {"level": 1}}


def sharded(codecs, **members):
    configuration = {
        "chunk_shape": [3, 64, 64],
        "codecs": codecs,
        "index_codecs": [{"name": "bytes"}, {"name": "crc32c"}],
    }
    return {"name": "sharding_indexed", "configuration": configuration | members}


@pytest.mark.parametrize(
    ("codecs", "match"),
    [
        (["bytes", GZIP, GZIP], r"of which several \(gzip, gzip\) make many bytes of few"),
        (["bytes", {"name": "numcodecs.zlib"}, GZIP], r"several \(zlib, gzip\)"),
        ([{"name": "numcodecs.packbits"}, "bytes", GZIP], r"several \(packbits, gzip\)"),
        (
            [{"name": "numcodecs.delta", "configuration": {"dtype": "<f8"}}, "bytes", GZIP],
            r"several \(delta, gzip\)",
        ),
        (["bytes", GZIP, {"name": "numcodecs.shuffle"}], "behind gzip, which compresses"),
        (
            ["bytes", GZIP, {"name": "numcodecs.crc32c", "configuration": {"location": "start"}}],
            "behind gzip, which compresses",
        ),
        (
            ["bytes", {"name": "numcodecs.lzma", "configuration": {"format": 3}}],
            "lzma without a header",
        ),
        ([sharded(["bytes", GZIP, GZIP])], r"several \(gzip, gzip\)"),
        ([sharded([sharded(["bytes"])])], "are nested"),
        ([sharded(["bytes"]), GZIP], "are encoded once more"),
        ([sharded(["bytes"], index_codecs=["bytes", GZIP])], "the index of the shards"),
        ([sharded(["bytes"], index_location="middle")], "stands at middle"),
    ],
)
def test_chunks_whose_size_cannot_be_bounded_are_refused(folder, codecs, match):
    edit_array(folder, chunk_grid=grid(3, 64, 64), codecs=codecs)
    refused(folder, match)


@pytest.mark.parametrize(
    ("filters", "compressor"),
    [([{"id": "zlib"}], {"id": "gzip"}), ([{"id": "zlib"}, {"id": "bz2"}], None)],
)
def test_filters_that_inflate_are_refused(tmp_path, filters, compressor):
    folder = write_image(tmp_path / "a.zarr", [LEVEL], zarr_format=2)
    members = {"filters": filters, "compressor": compressor}
    change(folder / "0" / ".zarray", lambda node: node.update(members))
    refused(folder, "make many bytes of few")


def test_filters_that_keep_the_size_are_read(tmp_path):
    filters = [numcodecs.Delta("u1"), numcodecs.Shuffle(1), numcodecs.Fletcher32()]
    options = {"zarr_format": 2, "filters": filters, "compressors": numcodecs.Zlib()}
    with st.open_slide(write_image(tmp_path / "a.zarr", [LEVEL], **options)) as slide:
        np.testing.assert_array_equal(slide.read_region(slide.bounds), LEVEL)


def test_filters_that_keep_the_size_of_16_bits_are_read(tmp_path):
    filters = [numcodecs.Delta("<u2"), numcodecs.Shuffle(2)]
    options = {"zarr_format": 2, "filters": filters, "compressors": numcodecs.Zlib()}
    pixels = LEVEL.astype(np.uint16) * 257
    with st.open_slide(write_image(tmp_path / "a.zarr", [pixels], **options)) as slide:
        np.testing.assert_array_equal(slide.read_region(slide.bounds), pixels)


def test_filters_that_make_16_bits_of_8_are_refused(tmp_path):
    folder = write_image(tmp_path / "a.zarr", [LEVEL.astype(np.uint16)], zarr_format=2)
    delta = {"id": "delta", "dtype": "<u2", "astype": "|u1"}
    members = {"filters": [delta], "compressor": {"id": "zlib"}}
    change(folder / "0" / ".zarray", lambda node: node.update(members))
    refused(folder, "make many bytes of few")


@pytest.mark.parametrize("location", ["start", "end"])
def test_a_chunk_as_long_as_the_index_of_its_shard_is_measured(tmp_path, location):
    codec = zarr.codecs.GzipCodec()
    folder = write_image(tmp_path / "a.zarr", [LEVEL], shards=64 * 8, compressors=codec)

    def edit(node):
        node["codecs"][0]["configuration"]["index_location"] = location

    change(folder / "0" / "zarr.json", edit)
    bomb = gzip.compress(bytes(1 << 19))
    length = 64 * 16 + 4
    bomb = gzip.compress(os.urandom(length - len(bomb) - 40)) + bomb
    bomb += bytes(length - len(bomb))
    index = np.full((64, 2), (1 << 64) - 1, "<u8")
    index[0] = length if location == "start" else 0, length
    stored = index.tobytes()
    stored += crc32c(stored).to_bytes(4, "little")
    shard = stored + bomb if location == "start" else bomb + stored
    (folder / "0" / "c" / "0" / "0" / "0").write_bytes(shard)
    with st.open_slide(folder) as slide, pytest.raises(DamagedPixelsError, match="more than 98304"):
        slide.read_region(Region(x=0, y=0, width=64, height=64))


def test_an_index_that_is_its_own_chunk_is_damage(tmp_path):
    folder = write_image(tmp_path / "a.zarr", [LEVEL], shards=512)

    def edit(node):
        node["codecs"][0]["configuration"]["index_location"] = "start"

    change(folder / "0" / "zarr.json", edit)
    index = np.full((64, 2), (1 << 64) - 1, "<u8")
    index[1] = 0, 64 * 16 + 4
    stored = index.tobytes()
    shard = folder / "0" / "c" / "0" / "0" / "0"
    shard.write_bytes(stored + crc32c(stored).to_bytes(4, "little"))
    with st.open_slide(folder) as slide, pytest.raises(DamagedPixelsError, match="a chunk itself"):
        slide.read_region(Region(x=64, y=0, width=64, height=64))


def test_a_pipe_is_not_waited_for(folder):
    chunk = folder / "0" / "c" / "0" / "0" / "0"
    chunk.unlink()
    os.mkfifo(chunk)
    with st.open_slide(folder) as slide, pytest.raises(SlideReadError, match="cannot be read"):
        slide.read_region(slide.bounds)


def test_its_fingerprint_waits_for_no_pipe_and_follows_no_link(folder, tmp_path):
    chunk = folder / "0" / "c" / "0" / "0" / "0"
    chunk.rename(tmp_path / "chunk")
    with st.open_slide(folder) as slide:
        chunk.symlink_to(tmp_path / "chunk")
        with pytest.raises(SlideReadError, match="leads out of"):
            _ = slide.source
        chunk.unlink()
        os.mkfifo(chunk)
        with pytest.raises(SlideReadError, match="cannot be read"):
            _ = slide.source


def test_a_folder_that_vanishes_is_no_background(folder, tmp_path):
    with st.open_slide(folder) as slide:
        folder.rename(tmp_path / "gone")
        with pytest.raises(SlideReadError) as caught:
            slide.read_region(slide.bounds)
        assert not isinstance(caught.value, DamagedPixelsError)


def test_a_file_is_no_folder(sample):
    with pytest.raises(UnsupportedSlideError, match="is a file"):
        st.open_slide(sample, reader="ome-zarr")


def test_more_chunks_than_can_be_read_are_refused(tmp_path):
    level = pattern(100, 60)
    folder = write_image(tmp_path / "a.zarr", [level], chunks=1)
    refused(folder, "is cut into 6000 chunks of 1×1 pixels")
    few = write_image(tmp_path / "b.zarr", [level], chunks=7)
    with st.open_slide(few) as slide:
        np.testing.assert_array_equal(slide.read_region(slide.bounds), level)
