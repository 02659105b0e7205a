"""Coordinates files, read as the pipelines' own code reads them, and the slide read at them."""

import json

import h5py
import numpy as np
import openslide
import pytest
import tifffile
from tampering import edit_json

import slidetile as st
from slidetile.choices import UnfitChoiceError

KINDS = {"trident": st.TridentExport, "clam": st.ClamExport, "hs2p": st.Hs2pExport}


@pytest.fixture(scope="module")
def store(sample, tmp_path_factory):
    return st.tile_slide(sample, tmp_path_factory.mktemp("store") / "sample.zarr")


@pytest.fixture(scope="module")
def coarse_store(sample, tmp_path_factory):
    """At twice the slide's mpp, so that its pixels are not the slide's."""
    folder = tmp_path_factory.mktemp("coarse")
    return st.tile_slide(
        sample, folder / "coarse.zarr", st.Recipe(mpp=1.0, tile=st.TileSpec(size=256))
    )


@pytest.fixture(scope="module")
def damaged_store(damaged_sample, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    return st.tile_slide(
        damaged_sample, folder / "damaged.zarr", st.Recipe(tile=st.TileSpec(size=256))
    )


def coords_of(path):
    """What ``read_coords`` of TRIDENT returns, and CLAM's dataset reads."""
    with h5py.File(path, "r") as file:
        return dict(file["coords"].attrs), file["coords"][:]


def hs2p_of(folder, name):
    facts = json.loads((folder / f"{name}.coordinates.meta.json").read_text())
    with np.load(folder / f"{name}.coordinates.npz", allow_pickle=False) as arrays:
        return facts, {key: arrays[key] for key in arrays}


def trident_region(attributes, slide):
    """The level, and the pixels of it, that TRIDENT's patcher asks for."""
    own, target = attributes["level0_magnification"], attributes["target_magnification"]
    downsample = (10 / target) / (10 / own)
    steps = slide.level_downsamples
    near = [n for n, step in enumerate(steps) if abs(step - downsample) <= 0.1]
    level = near[0] if near else max(n for n, step in enumerate(steps) if step <= downsample)
    extent = round(attributes["patch_size"] * downsample)
    return level, round(extent / int(steps[level]))


def read(slide, corner, level, side):
    region = slide.read_region(tuple(int(n) for n in corner), level, (side, side))
    return np.asarray(region.convert("RGB"))


def test_trident_reads_the_very_windows(store, sample, tmp_path):
    path = tmp_path / "patches" / "sample_patches.h5"
    exported = st.export_store(store, path, "trident")
    attributes, coords = coords_of(path)
    windows = store.windows()
    assert exported.counts == {"windows": len(windows)}
    assert exported.size_bytes == path.stat().st_size
    assert coords.dtype == np.int64
    np.testing.assert_array_equal(coords, windows.coordinates)
    ours = json.loads(attributes.pop("slidetile"))
    assert (ours["store"], ours["slidetile"]) == ("sample.zarr", st.__version__)
    assert ours["slide_fingerprint"] == store.metadata.source.fingerprint
    assert attributes == {
        "patch_size": 256,
        "patch_size_level0": 256,
        "level0_magnification": 20,
        "target_magnification": 20,
        "overlap": 0,
        "name": "sample",
        "savetodir": ".",
        "level0_width": 3840,
        "level0_height": 2560,
    }
    with openslide.OpenSlide(sample) as slide:
        assert trident_region(attributes, slide) == (0, 256)
        for corner, window in zip(coords, windows, strict=True):
            np.testing.assert_array_equal(read(slide, corner, 0, 256), window)


def test_trident_reads_the_very_windows_of_a_coarser_level(store, sample, tmp_path):
    spec = st.TridentExport(size=64, stride=48, mpp=2.0)
    st.export_store(store, tmp_path / "a.h5", spec)
    attributes, coords = coords_of(tmp_path / "a.h5")
    assert attributes["patch_size_level0"] == 256
    assert (attributes["target_magnification"], attributes["overlap"]) == (5, 16)
    windows = store.windows(size=64, stride=48, mpp=2.0)
    with openslide.OpenSlide(sample) as slide:
        assert trident_region(attributes, slide) == (1, 64)
        for corner, window in zip(coords, windows, strict=True):
            np.testing.assert_array_equal(read(slide, corner, 1, 64), window)


@pytest.mark.parametrize(("mpp", "magnification"), [(0.7, 20 / 1.4), (1.25, 8)])
def test_magnifications_hold_any_mpp(store, sample, tmp_path, mpp, magnification):
    st.export_store(store, tmp_path / "a.h5", st.TridentExport(size=200, mpp=mpp))
    attributes, coords = coords_of(tmp_path / "a.h5")
    assert attributes["target_magnification"] == pytest.approx(magnification)
    assert attributes["patch_size_level0"] == round(200 * mpp / 0.5)
    with openslide.OpenSlide(sample) as slide:
        assert trident_region(attributes, slide) == (0, round(200 * mpp / 0.5))
    assert (coords + attributes["patch_size_level0"] <= (3840, 2560)).all()


def test_coordinates_are_the_slides_own_whatever_the_stores_resolution(coarse_store, tmp_path):
    st.export_store(coarse_store, tmp_path / "a.h5", st.TridentExport(size=100, stride=75))
    attributes, coords = coords_of(tmp_path / "a.h5")
    windows = coarse_store.windows(size=100, stride=75)
    np.testing.assert_array_equal(coords, windows.coordinates * 2)
    assert attributes["level0_magnification"] == 20
    assert attributes["target_magnification"] == 10
    assert attributes["patch_size_level0"] == 200
    assert attributes["overlap"] == 25
    assert (attributes["level0_width"], attributes["level0_height"]) == (3840, 2560)


def test_they_count_from_the_slides_corner_not_from_the_scan_area(scanned_slide, tmp_path):
    with st.open_slide(scanned_slide) as slide:
        assert (slide.scan_area.x, slide.scan_area.y) == (128, 96)
        store = written(slide, tmp_path / "s.zarr")
    choices = {"size": 64, "min_tissue_fraction": 0}
    st.export_store(store, tmp_path / "a.h5", st.TridentExport(**choices))
    _, coords = coords_of(tmp_path / "a.h5")
    inside = [n for n, (x, y) in enumerate(coords.tolist()) if x in (128, 192) and y in (128, 192)]
    assert len(inside) == 4
    with openslide.OpenSlide(scanned_slide) as slide:
        for n in inside:
            found = read(slide, coords[n], 0, 64)
            np.testing.assert_array_equal(found, store.windows(**choices)[n])
            assert found.std() > 10


def test_a_slide_that_is_one_area_of_the_glass_is_placed_on_it(one_area_slide, tmp_path):
    with st.open_slide(one_area_slide) as slide:
        assert (slide.width, slide.height) == (256, 192)
        store = written(slide, tmp_path / "s.zarr")
    assert store.attributes["source"]["canvas"] == [-128, -96, 1000, 800]
    assert st.verify_store(store.path) == ()
    choices = {"size": 64, "min_tissue_fraction": 0}
    st.export_store(store, tmp_path / "a.h5", st.TridentExport(**choices))
    attributes, coords = coords_of(tmp_path / "a.h5")
    assert (attributes["level0_width"], attributes["level0_height"]) == (1000, 800)
    assert coords.min(axis=0).tolist() == [128, 96]
    with openslide.OpenSlide(one_area_slide) as slide:
        for corner, window in zip(coords, store.windows(**choices), strict=True):
            np.testing.assert_array_equal(read(slide, corner, 0, 64), window)


def test_a_store_that_does_not_tell_where_the_area_lay_is_refused(one_area_slide, tmp_path):
    with st.open_slide(one_area_slide) as slide:
        store = written(slide, tmp_path / "s.zarr")
    edit_json(store.path, "zarr.json", lambda root: ours(root)["source"].pop("canvas"))
    spec = st.TridentExport(size=64, min_tissue_fraction=0)
    with pytest.raises(UnfitChoiceError, match="Tile the slide again"):
        st.export_store(st.open_store(store.path), tmp_path / "a.h5", spec)


def ours(root):
    return root["attributes"]["slidetile"]


def test_clam_reads_a_level_of_the_slide(store, sample, tmp_path):
    st.export_store(store, tmp_path / "sample.h5", st.ClamExport(size=64, mpp=2.0))
    attributes, coords = coords_of(tmp_path / "sample.h5")
    assert attributes["patch_level"] == 1
    assert attributes["patch_size"] == 64
    assert tuple(attributes["level_dim"]) == (960, 640)
    assert tuple(attributes["downsample"]) == (4, 4)
    assert attributes["name"] == "sample"
    windows = store.windows(size=64, mpp=2.0)
    with openslide.OpenSlide(sample) as slide:
        assert slide.level_dimensions[1] == (960, 640)
        for corner, window in zip(coords, windows, strict=True):
            np.testing.assert_array_equal(read(slide, corner, 1, 64), window)


def test_clam_reads_the_finer_level_where_none_has_the_windows_mpp(store, tmp_path):
    st.export_store(store, tmp_path / "sample.h5", st.ClamExport(size=128, mpp=1.0))
    attributes, coords = coords_of(tmp_path / "sample.h5")
    assert (attributes["patch_level"], attributes["patch_size"]) == (0, 256)
    np.testing.assert_array_equal(coords, store.windows(size=128, mpp=1.0).coordinates)


@pytest.mark.parametrize(
    "name", ["CMU-1-Small-Region.svs", "CMU-1-small.tiff", "test3-DAPI.ndpi", "yb10kx5k.zstd.tiff"]
)
def test_levels_are_numbered_as_openslide_numbers_them(shared_slides, name):
    path = shared_slides / name
    try:
        oracle = openslide.OpenSlide(path)
    except openslide.OpenSlideError as error:
        pytest.skip(f"OpenSlide does not open it: {error}")
    with oracle, st.open_slide(path) as slide:
        ours = [sum(level.downsample) / 2 for level in slide.levels]
        theirs = list(oracle.level_downsamples[: len(ours)])  # we leave out the coarsest of NDPI
        assert ours == pytest.approx(theirs, rel=0.01)


def test_hs2p_gets_every_key_it_asks_for(store, sample, tmp_path):
    spec = st.Hs2pExport(size=64, stride=32, mpp=2.0, image_path=str(sample))
    exported = st.export_store(store, tmp_path / "tiles" / "sample.coordinates.npz", spec)
    facts, arrays = hs2p_of(tmp_path / "tiles", "sample")
    windows = store.windows(size=64, stride=32, mpp=2.0)
    assert exported.counts == {"windows": len(windows)}
    assert {name: array.dtype for name, array in arrays.items() if name != "slidetile"} == {
        "tile_index": np.int32,
        "x": np.int64,
        "y": np.int64,
        "tissue_fractions": np.float32,
    }
    np.testing.assert_array_equal(arrays["tile_index"], np.arange(len(windows)))
    found = list(zip(arrays["x"].tolist(), arrays["y"].tolist(), strict=True))
    assert found == sorted(map(tuple, windows.coordinates.tolist()))
    shares = dict(
        zip(map(tuple, windows.coordinates.tolist()), windows.tissue_fractions, strict=True)
    )
    assert [shares[place] for place in found] == arrays["tissue_fractions"].tolist()
    assert {part: len(values) for part, values in facts.items()} == {
        "artifact": 5,
        "filtering": 13,
        "provenance": 8,
        "segmentation": 16,
        "slide": 3,
        "tiling": 12,
    }
    assert facts["tiling"] == {
        "requested_tile_size_px": 64,
        "requested_spacing_um": 2.0,
        "read_level": 1,
        "read_tile_size_px": 64,
        "read_spacing_um": 2.0,
        "tile_size_lv0": 256,
        "tolerance": 0.05,
        "step_px_lv0": 128,
        "overlap": 0.5,
        "min_tissue_fraction": 0.05,
        "is_within_tolerance": True,
        "n_tiles": len(windows),
    }
    assert facts["provenance"]["sample_id"] == "sample"
    assert facts["provenance"]["image_path"] == str(sample)
    assert facts["slide"]["dimensions"] == [3840, 2560]
    assert json.loads(str(arrays["slidetile"]))["export"] == "hs2p"


def test_hs2p_finds_coordinates_by_their_name(store, tmp_path):
    with pytest.raises(UnfitChoiceError, match=r"SLIDE\.coordinates\.npz, not a\.npz"):
        st.export_store(store, tmp_path / "a.npz", "hs2p")


@pytest.mark.parametrize("kind", ["trident", "clam", "hs2p"])
class TestEachKind:
    def output(self, kind, folder):
        return folder / ("a.coordinates.npz" if kind == "hs2p" else "a.h5")

    def test_the_same_windows_give_the_same_bytes(self, store, tmp_path, kind):
        first, second = self.output(kind, tmp_path), self.output(kind, tmp_path / "again")
        st.export_store(store, first, kind)
        st.export_store(store, second, kind)
        assert first.read_bytes() == second.read_bytes()

    def test_its_own_file_is_replaced_and_no_other(self, store, tmp_path, kind):
        output = self.output(kind, tmp_path)
        st.export_store(store, output, kind)
        st.export_store(store, output, KINDS[kind](size=128))
        with h5py.File(tmp_path / "other.h5", "w") as file:
            file.create_dataset("coords", data=np.zeros((3, 2), np.int64))
        np.savez(tmp_path / "other.npz", x=np.zeros(3))
        other = tmp_path / ("other.npz" if kind == "hs2p" else "other.h5")
        content = other.read_bytes()
        output.write_bytes(content)
        with pytest.raises(FileExistsError, match="was not written by slidetile"):
            st.export_store(store, output, kind)
        assert output.read_bytes() == content

    def test_a_slide_is_never_replaced(self, store, sample, tmp_path, kind):
        output = self.output(kind, tmp_path)
        output.write_bytes(sample.read_bytes())
        with pytest.raises(FileExistsError, match="is not replaced"):
            st.export_store(store, output, kind)
        assert output.read_bytes() == sample.read_bytes()

    def test_a_window_larger_than_the_slide_is_told(self, store, tmp_path, kind):
        with pytest.raises(UnfitChoiceError, match=r"covers 16384×16384 px .* has 3840×2560"):
            st.export_store(store, self.output(kind, tmp_path), KINDS[kind](size=4096, mpp=2.0))
        assert not list(tmp_path.iterdir())

    def test_a_choice_that_leaves_no_window_is_told(self, store, tmp_path, kind):
        spec = KINDS[kind](size=2000, min_tissue_fraction=1)
        with pytest.raises(UnfitChoiceError, match=r"No window of 2000 px .* at least 100% tissue"):
            st.export_store(store, self.output(kind, tmp_path), spec)

    def test_an_mpp_finer_than_the_store_is_told(self, store, tmp_path, kind):
        with pytest.raises(UnfitChoiceError, match="finer than what is stored"):
            st.export_store(store, self.output(kind, tmp_path), KINDS[kind](mpp=0.1))

    def test_windows_on_unreadable_tiles_are_counted(self, damaged_store, tmp_path, kind):
        windows = damaged_store.windows(size=128)
        assert windows.unreadable == windows[1:].unreadable == 4
        exported = st.export_store(
            damaged_store, self.output(kind, tmp_path), KINDS[kind](size=128)
        )
        assert exported.left_out == {"windows on unreadable tiles": 4}
        assert exported.counts == {"windows": len(windows)}

    def test_or_raised_as_asked(self, damaged_store, tmp_path, kind):
        spec = KINDS[kind](size=128, unreadable="raise")
        with pytest.raises(
            st.StoreError, match="4 windows would need tiles that could not be read"
        ):
            st.export_store(damaged_store, self.output(kind, tmp_path), spec)

    def test_a_store_without_tiles_gives_no_windows(self, tmp_path, kind):
        store = blank_store(tmp_path)
        output = self.output(kind, tmp_path / "out")
        assert st.export_store(store, output, kind).counts == {"windows": 0}
        if kind == "hs2p":
            assert hs2p_of(tmp_path / "out", "a")[0]["tiling"]["n_tiles"] == 0
        else:
            assert coords_of(output)[1].shape == (0, 2)

    def test_a_replaced_store_is_told(self, sample, tmp_path, kind):
        store = st.tile_slide(sample, tmp_path / "a.zarr")
        other = st.Recipe(tile=st.TileSpec(size=512))
        st.tile_slide(
            sample, tmp_path / "a.zarr", other, options=st.WriteOptions(existing="overwrite")
        )
        with pytest.raises(st.StoreError, match="replaced"):
            st.export_store(store, self.output(kind, tmp_path), kind)

    def test_choices_are_checked_at_once(self, kind):
        for wrong in (
            {"size": 0},
            {"stride": 0},
            {"mpp": -1.0},
            {"edge": "x"},
            {"unreadable": "x"},
        ):
            with pytest.raises(ValueError, match=r"."):
                KINDS[kind](**wrong)


def blank_store(folder):
    path = folder / "blank.tiff"
    tifffile.imwrite(
        path,
        np.full((512, 512, 3), 255, np.uint8),
        tile=(256, 256),
        photometric="rgb",
        resolution=(20000, 20000),
        resolutionunit="CENTIMETER",
    )
    return st.tile_slide(path, folder / "blank.zarr")


@pytest.fixture
def store_without_mpp(tmp_path):
    pixels = np.random.default_rng(0).integers(60, 200, (512, 512, 3), np.uint8)
    return written(st.ArraySlide(pixels), tmp_path / "a.zarr")


def written(slide, path):
    """The store of all of a slide, in tiles of 64 px."""
    overview = st.read_overview(slide)
    tissue = st.TissueMask.from_mask(np.ones(overview.image.shape[:2], bool), overview)
    plan = st.plan_tiles(slide, tissue, st.TileSpec(size=64))
    return st.write_tiles(slide, plan, path)


def test_without_an_mpp_a_magnification_must_be_given(store_without_mpp, tmp_path):
    with pytest.raises(st.MissingResolutionError, match="--magnification"):
        st.export_store(store_without_mpp, tmp_path / "a.h5", "trident")
    assert not (tmp_path / "a.h5").exists()
    st.export_store(store_without_mpp, tmp_path / "a.h5", st.TridentExport(magnification=40))
    attributes, coords = coords_of(tmp_path / "a.h5")
    assert (attributes["level0_magnification"], attributes["target_magnification"]) == (40, 40)
    assert len(coords) == 4


def test_clam_counts_pixels_so_it_needs_no_mpp(store_without_mpp, tmp_path):
    st.export_store(store_without_mpp, tmp_path / "a.h5", "clam")
    assert coords_of(tmp_path / "a.h5")[0]["patch_size"] == 256


def test_hs2p_needs_an_mpp(store_without_mpp, tmp_path):
    with pytest.raises(st.MissingResolutionError, match="by their mpp"):
        st.export_store(store_without_mpp, tmp_path / "a.coordinates.npz", "hs2p")
    assert not (tmp_path / "a.coordinates.npz").exists()


def test_an_anonymous_store_names_no_slide(sample, tmp_path):
    store = st.tile_slide(sample, tmp_path / "x1.zarr", options=st.WriteOptions(anonymous=True))
    st.export_store(store, tmp_path / "case_patches.h5", "trident")
    attributes, _ = coords_of(tmp_path / "case_patches.h5")
    assert attributes["name"] == "case"
    assert "store" not in json.loads(attributes["slidetile"])
    assert b"sample" not in (tmp_path / "case_patches.h5").read_bytes()


def test_a_magnification_is_positive():
    with pytest.raises(ValueError, match=r"positive number, but this one is 0"):
        st.TridentExport(magnification=0)
