"""Vendors whose own description lists the levels: Philips, Leica, Ventana; OpenSlide's pixels."""

import json

import numpy as np
import pytest
from pictures import pattern
from vendor_files import write_ventana

import slidetile as st
from slidetile.errors import UnsupportedSlideError
from slidetile.format.table import OK
from slidetile.raster.region import Region
from slidetile.slides.reader import FinalRefusalError

PHILIPS, LEICA = "made/philips.tiff", "made/leica.scn"


def stained(height, width):
    """Return a picture as purple as tissue."""
    return (pattern(height, width) % 20 + np.array([150, 80, 140])).astype(np.uint8)


def ventana(path, **options):
    return write_ventana(path, stained(1500, 1100), **options)


def compare(path, *, corner=(0, 0)):
    """Compare all levels with OpenSlide's, of which a corner of level 0 is ours."""
    with st.open_slide(path) as ours, st.open_slide(path, reader="openslide") as oracle:
        assert ours.reader == "tiff"
        assert (ours.mpp, ours.objective_power) == (oracle.mpp, oracle.objective_power)
        assert (ours.vendor, ours.background) == (oracle.vendor, oracle.background)
        assert [level.downsample for level in ours.levels] == [
            level.downsample for level in oracle.levels
        ]
        for number, level in enumerate(ours.levels):
            across, down = map(int, level.downsample)
            size = level.width * across, level.height * down
            at = Region(x=corner[0], y=corner[1], width=size[0], height=size[1])
            whole = ours.read_region(Region(x=0, y=0, width=size[0], height=size[1]), level=number)
            theirs = oracle.read_region(at, level=number)[: level.height, : level.width]
            np.testing.assert_array_equal(whole[: level.height, : level.width], theirs)


def copied(path, out):
    """Tile a slide, and compare the store with it deeply."""
    store = st.tile_slide(path, out)
    assert store.codec == "native"
    assert set(store.tiles["status"].to_pylist()) == {OK}
    with st.open_slide(path) as slide:
        assert not list(st.verify_store(store.path, slide=slide, deep=True))
    return store


def test_philips_is_openslides(shared_slides):
    compare(shared_slides / PHILIPS)
    with st.open_slide(shared_slides / PHILIPS) as slide:
        assert [level.size for level in slide.levels] == [(2048, 2560), (1024, 1280), (512, 640)]


def test_philips_is_copied_and_what_is_not_stored_is_absent(shared_slides, tmp_path):
    path = shared_slides / PHILIPS
    store = copied(path, tmp_path / "a.zarr")
    with st.open_slide(path) as slide:
        native = slide.native_tiles(0)
        assert native.fetch([(3, 0)]).streams() == [None]
        glass = slide.read_region(Region(x=3 * 512, y=0, width=512, height=512))
    assert (glass == 255).all()
    assert len(store.levels) == 3


def test_leica_is_the_scan_area_of_openslides_canvas(shared_slides):
    path = shared_slides / LEICA
    with st.open_slide(path, reader="openslide") as oracle, st.open_slide(path) as slide:
        area = oracle.scan_area
        assert (slide.width, slide.height) == (area.width, area.height)
        assert slide.scan_area == slide.bounds
    compare(path, corner=(area.x, area.y))


def test_leica_is_copied(shared_slides, tmp_path):
    copied(shared_slides / LEICA, tmp_path / "a.zarr")


def changed(shared_slides, tmp_path, name, old, new):
    """Write a slide with other words of the same length in its description."""
    data = (shared_slides / name).read_bytes()
    assert data.count(old) >= 1
    assert len(old) == len(new)
    path = tmp_path / "changed.tiff"
    path.write_bytes(data.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b'offsetX="0" offsetY="0"', b'offsetX="9" offsetY="0"', "of 2 scan areas"),
        (b'ifd="1"', b'ifd="2"', "whose levels have other sizes"),
        (b'ifd="2"', b'ifd="7"', "that lists images which it does not hold"),
        (b"<collection", b"<kollection", "no plain XML"),
    ],
)
def test_leica_that_is_laid_out_otherwise_is_left(shared_slides, tmp_path, old, new, why):
    path = changed(shared_slides, tmp_path, LEICA, old, new)
    with pytest.raises(UnsupportedSlideError, match=why):
        st.open_slide(path, reader="tiff")


def test_leica_without_brightfield_is_left(shared_slides, tmp_path):
    data = (shared_slides / LEICA).read_bytes()
    path = tmp_path / "fluorescence.scn"
    path.write_bytes(data.replace(b"brightfield", b"fluorescenc"))
    with pytest.raises(UnsupportedSlideError, match="without brightfield"):
        st.open_slide(path, reader="tiff")


def test_leica_of_several_depths_is_refused(shared_slides, tmp_path):
    path = changed(shared_slides, tmp_path, LEICA, b'r="1" ifd="2"', b'z="1" ifd="2"')
    for reader in (None, "tiff", "openslide"):
        with pytest.raises(FinalRefusalError, match=r"spread over 2 depths"):
            st.open_slide(path, reader=reader)


def test_leica_of_several_areas_is_read_by_openslide(scanned_slide):
    with st.open_slide(scanned_slide) as slide:
        assert slide.reader == "openslide"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b">WSI<", b">XXX<", "of 0 slides"),
        (b"PixelDataRepresentation", b"PixelDataRepresentatiox", "of 3 levels that describes 2"),
        (b"<DataObject ", b"<DataXbject ", "no plain XML"),
        (
            b"&quot;0.002&quot; &quot;0.002&quot;",
            b"&quot;0.0x2&quot; &quot;0.002&quot;",
            "of 3 levels",
        ),
    ],
)
def test_philips_that_is_laid_out_otherwise_is_left(shared_slides, tmp_path, old, new, why):
    path = changed(shared_slides, tmp_path, PHILIPS, old, new)
    with pytest.raises(UnsupportedSlideError, match=why):
        st.open_slide(path, reader="tiff")


def test_a_description_with_a_document_type_is_left(shared_slides, tmp_path):
    old = b'<?xml version="1.0" encoding="UTF-8" ?>'
    path = changed(shared_slides, tmp_path, PHILIPS, old, b"<!DOCTYPE x>".ljust(len(old)))
    with pytest.raises(UnsupportedSlideError, match="no plain XML"):
        st.open_slide(path, reader="tiff")


def test_stitched_ventana_is_openslides_and_copied(tmp_path):
    path = ventana(tmp_path / "a.tif")
    compare(path)
    with st.open_slide(path) as slide:
        assert slide.vendor == "ventana"
        assert (slide.mpp, slide.objective_power) == ((0.465, 0.465), 20.0)
    copied(path, tmp_path / "a.zarr")


def test_ventana_with_overlaps_is_left(tmp_path):
    path = ventana(tmp_path / "a.tif", packet="<EncodeInfo/>")
    with pytest.raises(UnsupportedSlideError, match="whose tiles overlap"):
        st.open_slide(path, reader="tiff")


def test_ventana_whose_levels_are_not_numbered_is_left(tmp_path):
    path = ventana(tmp_path / "a.tif", names=("level=1 mag=20", "level=2 mag=10"))
    with pytest.raises(UnsupportedSlideError, match="not numbered"):
        st.open_slide(path, reader="tiff")


def test_coordinates_of_leicas_canvas_are_placed_on_the_area(shared_slides, tmp_path):
    path = shared_slides / LEICA
    with st.open_slide(path) as ours, st.open_slide(path, reader="openslide") as oracle:
        area = oracle.scan_area
        assert ours.canvas == Region(x=-area.x, y=-area.y, width=oracle.width, height=oracle.height)
        corner = {"slide": (area.x, area.y), "scan-area": (0, 0), "auto": (0, 0)}
        for origin, (x, y) in corner.items():
            ring = [[x + 30, y + 40], [x + 530, y + 40], [x + 530, y + 340], [x + 30, y + 40]]
            shape = {"type": "Polygon", "coordinates": [ring]}
            file = tmp_path / f"{origin}.geojson"
            feature = {"type": "Feature", "geometry": shape, "properties": {}}
            file.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
            (placed,) = st.read_annotations(file, ours, origin=origin).areas
            assert placed.rings[0].min(axis=0).tolist() == [30, 40]
