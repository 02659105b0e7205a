"""JPEG 2000 and WebP tiles are copied as JPEG ones are: the same pixels, or marked as damaged."""

import json
import shutil

import imagecodecs
import numpy as np
import pytest
import tifffile
import zarr
from paths import SHARED
from pictures import pattern

import slidetile as st
from slidetile.errors import NotNativeError
from slidetile.format.codecs.native import NativeCodec
from slidetile.raster.block_means import area_average
from slidetile.raster.jpeg2000 import plain_codestream
from slidetile.recipe.comparing import same_codec

SIDE, TILE, COARSE = 1024, 128, 4
MADE = SHARED / "slides" / "made"
APERIO_RGB, JPEG2000, WEBP = 33005, 34712, 50001


def jpeg2000(cell, **options):
    choices = {"level": 40, "codecformat": "j2k", "mct": True} | options
    return bytes(imagecodecs.jpeg2k_encode(cell, **choices))


def jp2(cell):
    return jpeg2000(cell, codecformat="jp2")


def lossless(cell):
    return jpeg2000(cell, level=0, reversible=True)


def untransformed(cell):
    return jpeg2000(cell, mct=False)


def webp(cell):
    return bytes(imagecodecs.webp_encode(cell, level=85, lossless=False))


def lossless_webp(cell):
    return bytes(imagecodecs.webp_encode(cell, lossless=True))


def extended_webp(cell):
    """Return a WebP with metadata, which have no place in a store."""
    stream = webp(cell)
    flags, size = b"\x08\0\0\0", (TILE - 1).to_bytes(3, "little") * 2
    body = b"VP8X\x0a\0\0\0" + flags + size + stream[12:] + b"EXIF\x06\0\0\0Muster"
    return b"RIFF" + (4 + len(body)).to_bytes(4, "little") + b"WEBP" + body


def picture():
    random = np.random.default_rng(3)
    image = np.kron(pattern(SIDE // 8, SIDE // 8), np.ones((8, 8, 1), np.uint8))
    return (image // 2 + random.integers(60, 90, image.shape)).astype(np.uint8)


def write(path, encode, compression, spoil=(), *, factors=(1, COARSE), coarse=None):
    """Write a slide; ``spoil`` has what becomes of the stream of a (level, number)."""
    scale = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path) as file:
        for level, factor in enumerate(factors):
            smaller = area_average(picture(), factor)
            encoder, number = coarse if coarse and level else (encode, compression)
            streams = [
                encoder(np.ascontiguousarray(cell))
                for row in np.split(smaller, len(smaller) // TILE)
                for cell in np.split(row, row.shape[1] // TILE, axis=1)
            ]
            for (where, tile), change in dict(spoil).items():
                if where == level:
                    streams[tile] = change(streams[tile])
            file.write(
                iter(streams), shape=smaller.shape, dtype="uint8", tile=(TILE, TILE),
                compression=number, photometric="rgb", subfiletype=int(level > 0),
                metadata=None, **scale,
            )  # fmt: skip
    return path


def tile(slide, out, **choices):
    """Tile all of a slide."""
    everything = st.AnnotationsSpec(path=slide.parent / "all.geojson")
    ring = [[0, 0], [SIDE, 0], [SIDE, SIDE], [0, SIDE], [0, 0]]
    feature = {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {},
    }
    everything.path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    recipe = st.Recipe(tile=st.TileSpec(size=256), annotations=everything, **choices)
    return st.tile_slide(slide, out, recipe)


def unreadable(store):
    rows = store.tiles.select(["column", "row", "status"]).to_pylist()
    return {(row["column"], row["row"]) for row in rows if row["status"] == "unreadable"}


KINDS = {
    "Aperio 33005": (jpeg2000, APERIO_RGB, "jpeg2000"),
    "34712": (lossless, JPEG2000, "jpeg2000"),
    "34712 without a transform": (untransformed, JPEG2000, "jpeg2000"),
    "34712 as JP2": (jp2, JPEG2000, "jpeg2000"),
    "WebP": (webp, WEBP, "webp"),
    "lossless WebP": (lossless_webp, WEBP, "webp"),
    "extended WebP": (extended_webp, WEBP, "webp"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_pixels_are_those_of_decoding_for_every_reader(tmp_path, kind):
    encode, compression, stream = KINDS[kind]
    slide = write(tmp_path / "a.tif", encode, compression)
    store = tile(slide, tmp_path / "a.zarr", codec="native")
    assert store.metadata.chunk_codec == NativeCodec(stream=stream)
    assert store.attributes["parameters"]["codec"] == {"stream": stream}
    with st.open_slide(slide) as opened:
        assert st.verify_store(store.path, slide=opened, deep=True) == ()
        assert opened.reader == "tiff"
    group = zarr.open_group(store.path, mode="r")
    for level in range(2):
        by_tifffile = tifffile.imread(slide, key=level)
        np.testing.assert_array_equal(group[str(level)][:].transpose(1, 2, 0), by_tifffile)
    assert not [p for p in store.path.rglob("*") if p.is_file() and b"Muster" in p.read_bytes()]


@pytest.mark.parametrize("kind", ["Aperio 33005", "WebP"])
def test_a_chunk_is_the_files_bytes_with_no_text_in_them(tmp_path, kind):
    encode, compression, _ = KINDS[kind]
    store = tile(
        write(tmp_path / "a.tif", encode, compression), tmp_path / "a.zarr", codec="native"
    )
    stored = b"".join(p.read_bytes() for p in store.path.glob("0/c/**/*") if p.is_file())
    for row in np.split(picture(), SIDE // TILE)[:2]:
        stream = encode(np.ascontiguousarray(row[:, :TILE]))
        assert (stream[stream.find(b"\xff\x90") :] if kind != "WebP" else stream) in stored
    assert b"OpenJPEG" not in stored


@pytest.mark.parametrize(("kind", "codec"), [("Aperio 33005", "zstd"), ("WebP", "native")])
def test_auto_copies_what_decodes_about_as_fast_as_jpeg(tmp_path, caplog, kind, codec):
    encode, compression, _ = KINDS[kind]
    slide = write(tmp_path / "a.tif", encode, compression)
    with caplog.at_level("INFO"):
        store = tile(slide, tmp_path / "a.zarr")
    assert store.codec == codec
    assert ("the codec native copies them all the same" in caplog.text) == (codec == "zstd")
    native = tile(slide, tmp_path / "n.zarr", codec="native").metadata.chunk_codec
    with st.open_slide(slide) as opened:
        assert same_codec(st.Recipe(), native, opened) == (codec == "native")
        assert same_codec(st.Recipe(codec="native"), native, opened)


def cut(stream):
    return stream[: len(stream) // 2]


def garbage(stream):
    return np.random.default_rng(1).bytes(len(stream))


def noise(stream):
    third = len(stream) // 3
    return stream[:third] + np.random.default_rng(2).bytes(third) + stream[2 * third :]


DAMAGE = [
    ("Aperio 33005", cut, "does not decode: a part of it is cut short"),
    ("Aperio 33005", garbage, "does not decode: the stored bytes are no codestream"),
    ("Aperio 33005", noise, "does not decode: a marker amid its data"),
    ("Aperio 33005", lambda s: s[:-2], "does not decode: no end marker"),
    ("WebP", cut, "does not decode: it is cut short"),
    ("WebP", garbage, "does not decode: the stored bytes are not WebP"),
]


@pytest.mark.parametrize("check", ["scan", "decode"])
@pytest.mark.parametrize(("kind", "spoil", "reason"), DAMAGE)
def test_damage_is_found_without_decoding_all_and_told(tmp_path, kind, spoil, reason, check):
    encode, compression, _ = KINDS[kind]
    slide = write(tmp_path / "a.tif", encode, compression, {(0, 9): spoil})
    store = tile(slide, tmp_path / "a.zarr", codec="native", check=check)
    assert unreadable(store) == {(0, 0)}
    assert store.unreadable_reasons == {reason: 1}
    with st.open_slide(slide) as opened:
        assert st.verify_store(store.path, deep=True, slide=opened) == ()


def other_size(_stream):
    return jpeg2000(pattern(TILE, 64))


def grey(_stream):
    return jpeg2000(np.ascontiguousarray(pattern(TILE, TILE)[..., 0]), mct=False)


def transparent(_stream):
    pixels = np.dstack((pattern(TILE, TILE), np.arange(TILE * TILE).reshape(TILE, TILE) % 256))
    return bytes(imagecodecs.webp_encode(pixels.astype(np.uint8), lossless=True))


def sycc(_stream):
    stream = jp2(pattern(TILE, TILE))
    return stream.replace(b"colr\x01\0\0\0\0\0\x10", b"colr\x01\0\0\0\0\0\x12")


@pytest.mark.parametrize(
    ("kind", "spoil", "match"),
    [
        ("Aperio 33005", other_size, r"shape \(64, 128, 3\)|shape \(128, 64, 3\)"),
        ("Aperio 33005", grey, r"shape \(128, 128, 1\)"),
        ("34712 as JP2", sycc, "changes its colours"),
        ("WebP", transparent, "transparency"),
    ],
)
def test_what_decodes_to_other_pixels_is_not_copied(tmp_path, kind, spoil, match):
    encode, compression, _ = KINDS[kind]
    slide = write(tmp_path / "a.tif", encode, compression, {(0, 9): spoil})
    with pytest.raises(NotNativeError, match=match):
        tile(slide, tmp_path / "a.zarr", codec="native")


def test_levels_that_are_encoded_in_two_ways_are_decoded(tmp_path):
    slide = write(tmp_path / "a.tif", webp, WEBP, coarse=(jpeg2000, JPEG2000))
    with pytest.raises(NotNativeError, match="level 0 are webp, those of level 1 jpeg2000"):
        tile(slide, tmp_path / "a.zarr", codec="native")
    assert tile(slide, tmp_path / "a.zarr").codec == "zstd"


@pytest.mark.skipif(not MADE.exists(), reason="no ../shared/slides beside the project")
def test_aperios_ycbcr_is_converted_after_decoding_so_it_is_not_copied(tmp_path):
    with pytest.raises(NotNativeError, match="not made of tiles that can be copied"):
        st.tile_slide(MADE / "aperio33003.svs", tmp_path / "a.zarr", st.Recipe(codec="native"))


@pytest.mark.parametrize("check", ["scan", "decode"])
@pytest.mark.parametrize("kind", ["Aperio 33005", "WebP"])
def test_a_damaged_coarse_tile_is_averaged_without_loss_and_known(tmp_path, kind, check):
    encode, compression, stream = KINDS[kind]
    slide = write(tmp_path / "a.tif", encode, compression, {(1, 1): cut})
    store = tile(slide, tmp_path / "a.zarr", codec="native", check=check)
    assert not unreadable(store)
    assert store.metadata.damage.to_node()["replaced"] == [{"level": 1, "blocks": 1}]
    codec = NativeCodec(stream=stream)
    with st.open_slide(slide) as opened:
        assert st.verify_store(store.path, slide=opened, deep=True) == ()
        where = st.Region(x=TILE, y=0, width=TILE, height=TILE)
        shown = opened.fetch_shown(where, level=1).pixels()
    np.testing.assert_array_equal(
        store.read_region(
            st.Region(x=TILE * COARSE, y=0, width=TILE * COARSE, height=TILE * COARSE), level=1
        ),
        shown,
    )
    assert codec.is_averaged(codec.encode_averaged(shown))
    assert not codec.is_averaged(encode(shown))
    group = zarr.open_group(store.path, mode="r")
    found = group["1"][:, :TILE, TILE : 2 * TILE].transpose(1, 2, 0)
    np.testing.assert_array_equal(found, shown)


@pytest.mark.parametrize("kind", ["Aperio 33005", "WebP"])
def test_a_continued_run_writes_what_an_unbroken_one_does(tmp_path, kind):
    encode, compression, _ = KINDS[kind]
    slide = write(tmp_path / "a.tif", encode, compression, {(0, 9): cut, (1, 1): cut})
    store = tile(slide, tmp_path / "a.zarr", codec="native")
    expected = {p.relative_to(store.path): p.read_bytes() for p in files(store.path)}
    shutil.move(store.path, tmp_path / "a.zarr.partial")
    (tmp_path / "a.zarr.partial" / "tiles" / "tiles.parquet").unlink()
    again = tile(slide, tmp_path / "a.zarr", codec="native")
    assert {p.relative_to(again.path): p.read_bytes() for p in files(again.path)} == expected


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_comment_in_the_header_of_a_part_is_left_out():
    pixels = np.ascontiguousarray(picture()[:TILE, :TILE])
    stream = lossless(pixels)
    at = stream.index(b"\xff\x90")
    length = int.from_bytes(stream[at + 6 : at + 10])
    note = b"\xff\x64\x00\x0a\x00\x01Muster"
    told = (length + len(note)).to_bytes(4)
    noted = stream[: at + 6] + told + stream[at + 10 : at + 12] + note + stream[at + 12 :]
    np.testing.assert_array_equal(imagecodecs.jpeg2k_decode(noted), pixels)
    plain = plain_codestream((noted, 0, len(noted)))
    assert plain == plain_codestream((stream, 0, len(stream)))
    np.testing.assert_array_equal(imagecodecs.jpeg2k_decode(plain), pixels)
