"""A network of one's own: tiny ones, made here, whose answer is known beforehand."""

import pickle
import subprocess
import sys
import tracemalloc

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import slidetile as st
from slidetile.recipe.comparing import matches
from slidetile.slides.frame import Frame, read_frame
from slidetile.tissue.onnx import OnnxDetector

ROWS, COLUMNS = np.mgrid[:600, :900]
DISC = (ROWS - 300) ** 2 + (COLUMNS - 500) ** 2 < 220**2


def slide_of(mask=DISC, mpp=2.0):
    """White glass with pink where the mask is."""
    pixels = np.full((*mask.shape, 3), 240, np.uint8)
    pixels[mask] = (220, 120, 180)
    return st.ArraySlide(pixels, mpp=mpp)


def save(path, nodes, shape, *, out=None, type_=TensorProto.FLOAT, weights=()):
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", type_, shape)],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(array, name) for name, array in weights],
    )
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


@pytest.fixture
def greenless(tmp_path):
    """A network that answers 8 × (0.7 − green): positive in what absorbs green."""
    weight = np.zeros((1, 3, 1, 1), np.float32)
    weight[0, 1] = -8
    bias = np.array([8 * 0.7], np.float32)
    node = helper.make_node("Conv", ["image", "weight", "bias"], ["answer"])
    shape = ["n", 3, "h", "w"]
    weights = [("weight", weight), ("bias", bias)]
    return save(tmp_path / "greenless.onnx", [node], shape, weights=weights)


@pytest.mark.parametrize("network_mpp", [2.0, 1.3, 4.0, 11.0])
@pytest.mark.parametrize("tile", [(256, 32), (97, 0)])
def test_what_the_network_says_is_tissue_at_any_resolution(greenless, network_mpp, tile):
    detector = OnnxDetector(
        model=greenless,
        mpp=network_mpp,
        tile_px=tile[0],
        overlap_px=tile[1],
        activation="sigmoid",
    )
    tissue = st.find_tissue(
        slide_of(), mpp=8, detector=detector, min_hole_area_um2=0, min_piece_area_um2=0
    )
    truth = DISC.reshape(150, 4, 225, 4).mean(axis=(1, 3))
    assert tissue.mask[truth == 1].mean() > (0.99 if network_mpp > 8 else 0.9999)
    assert tissue.mask[truth == 0].mean() < (0.01 if network_mpp > 8 else 0.0001)


def test_tiles_leave_no_seams(tmp_path):
    """A network that looks 7 pixels far gives the same mask whatever the tiles are."""
    weight = np.full((1, 3, 15, 15), 1 / (3 * 225), np.float32)
    node = helper.make_node("Conv", ["image", "weight"], ["answer"], pads=[7, 7, 7, 7])
    path = save(tmp_path / "mean.onnx", [node], ["n", 3, "h", "w"], weights=[("weight", weight)])
    noise = np.random.default_rng(0).integers(0, 256, (320, 480, 3), np.uint8)
    slide = st.ArraySlide(noise, mpp=1.0)
    masks = [
        st.find_tissue(
            slide,
            mpp=4.0,
            detector=OnnxDetector(model=path, mpp=2.0, tile_px=tile, overlap_px=8),
        ).mask
        for tile in (64, 128, 512)
    ]
    inside = (slice(8, -8), slice(8, -8))  # the slide's edge: background or not, by the tile
    assert 0.2 < masks[0].mean() < 0.8
    assert all(np.array_equal(masks[0][inside], mask[inside]) for mask in masks[1:])


def test_layout_channel_softmax_and_coarser_output(tmp_path):
    """NHWC uint8 in, two classes at half the resolution out."""
    weight = np.zeros((2, 3, 2, 2), np.float32)
    weight[1, 1] = -1 / 4
    bias = np.array([-180, 0], np.float32)  # class 1 where green is below 180
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "weight", "bias"], ["classes"], strides=[2, 2]),
        helper.make_node("Transpose", ["classes"], ["answer"], perm=[0, 2, 3, 1]),
    ]
    path = save(
        tmp_path / "classes.onnx",
        nodes,
        [1, 128, 128, 3],
        type_=TensorProto.UINT8,
        weights=[("weight", weight), ("bias", bias)],
    )
    options = {"model": path, "mpp": 4.0, "layout": "NHWC", "activation": "softmax", "channel": 1}
    tissue = st.find_tissue(
        slide_of(), mpp=8, detector=OnnxDetector(tile_px=128, overlap_px=16, **options)
    )
    assert (tissue.mask == DISC[2::4, 2::4]).mean() > 0.99
    message = r"an input of the shape \(1, 64, 64, 3\), but it takes \(1, 128, 128, 3\)"
    with pytest.raises(ValueError, match=message):
        st.find_tissue(slide_of(), detector=OnnxDetector(tile_px=64, overlap_px=8, **options))


def test_fluorescence_is_given_as_grey(greenless):
    slide = st.ArraySlide(np.zeros((300, 300, 1), np.uint8), mpp=4.0)
    detector = OnnxDetector(model=greenless, mpp=4.0, threshold=0.0)
    assert st.find_tissue(slide, detector=detector).tissue_fraction == 1


def test_means_and_deviations_are_those_of_training(greenless):
    green = 120 / 255
    mean, std = (0.0, green - 0.7, 0.0), (1.0, 1.0, 1.0)  # pink becomes exactly the boundary
    slide = slide_of()
    for nudge, share in ((-1e-3, 0.0), (1e-3, DISC.mean())):
        detector = OnnxDetector(
            model=greenless, mpp=2.0, mean=(0, mean[1] + nudge, 0), std=std, threshold=0.0
        )
        assert st.find_tissue(slide, detector=detector).tissue_fraction == pytest.approx(
            share, abs=0.01
        )


def test_a_store_tells_which_model_but_not_where_it_lay(greenless, tmp_path):
    detector = OnnxDetector(model=greenless, mpp=2.0, threshold=0.0, threads=2)
    recipe = st.Recipe(detector=detector, tile=st.TileSpec(size=256), codec="zstd")
    with slide_of() as slide:
        store = st.write_tiles(slide, recipe.plan(slide), tmp_path / "s.zarr")
        told = store.attributes["parameters"]["tissue"]["detector"]
        assert told["name"] == "OnnxDetector"
        assert len(told["model_sha256"]) == 64
        assert str(tmp_path) not in str(store.attributes)
        assert matches(recipe, store, slide)
        sent = pickle.loads(pickle.dumps(recipe))  # noqa: S301  our own
        assert matches(sent, store, slide)
        greenless.write_bytes(greenless.read_bytes() + b"\x00")
        assert not matches(recipe, store, slide)
        assert not matches(st.Recipe(tile=recipe.tile, codec="zstd"), store, slide)


def test_memory_is_flat(greenless):
    side = 12_000
    pixels = np.broadcast_to(np.uint8(200), (side, side, 3))
    detector = OnnxDetector(model=greenless, mpp=16.0)
    slide = st.ArraySlide(pixels, mpp=0.5)
    frame = Frame(x_um=0, y_um=0, mpp=16.0, width=512, height=512)
    read_frame(slide_of(), frame)
    tracemalloc.start()
    st.find_tissue(slide, detector=detector)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50 << 20


def test_resampled_frames_fit_together():
    noise = np.random.default_rng(0).integers(0, 256, (700, 500, 3), np.uint8)
    slide = st.ArraySlide([noise, noise[::2, ::2].copy()], mpp=(0.5, 0.7))
    frame = Frame(x_um=-10, y_um=13.3, mpp=1.7, width=90, height=110)
    whole = read_frame(slide, frame)
    part = st.Region(x=30, y=41, width=20, height=33)
    differences = whole[part.slices].astype(int) - read_frame(slide, frame.part(part))
    assert np.abs(differences).max() <= 1
    assert (whole[:, :4] == 255).all()  # left of the slide


def test_without_mpp_there_is_no_saying(greenless):
    detector = OnnxDetector(model=greenless, mpp=2.0)
    slide = st.ArraySlide(np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(st.MissingResolutionError, match=r"works at 2 µm per pixel.*slide_mpp"):
        st.find_tissue(slide, detector=detector)


def test_tiles_smaller_than_an_overview_pixel_are_refused(greenless):
    detector = OnnxDetector(model=greenless, mpp=0.5, tile_px=32, overlap_px=9)
    with pytest.raises(ValueError, match=r"14 pixels of 0\.5 µm.*overview pixel of 8 µm"):
        st.find_tissue(slide_of(), mpp=8, detector=detector)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"model": "no.onnx"}, FileNotFoundError, "The model no.onnx does not exist"),
        ({"model": 3}, TypeError, "model must be a path, but it is a int"),
        ({"mpp": 0}, ValueError, r"mpp must be from 0.05 to 500, but it is 0"),
        ({"tile_px": 8}, ValueError, "tile_px must be from 16 to 4096"),
        ({"overlap_px": 256}, ValueError, "overlap_px must be from 0 to 255"),
        ({"layout": "CHW"}, ValueError, "layout must be one of NCHW, NHWC"),
        ({"activation": "relu"}, ValueError, "activation must be one of none"),
        ({"channel": -1}, ValueError, "channel must be from 0"),
        ({"threshold": float("nan")}, ValueError, "threshold must be a finite number"),
        ({"std": (1, 0, 1)}, ValueError, "no std may be 0"),
        ({"mean": (1,)}, ValueError, "a number for red, green and blue"),
        ({"threads": 0}, ValueError, "threads must be from 1"),
    ],
)
def test_impossible_options_are_refused_at_birth(greenless, options, error, message):
    with pytest.raises(error, match=message):
        OnnxDetector(**{"model": greenless, "mpp": 2.0, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "other"}, "outputs are answer, not 'other'"),
        ({"channel": 1}, "have channel 1, but its shape is"),
        ({"layout": "NHWC"}, r"an input of the shape \(1, 512, 512, 3\), but it takes"),
    ],
)
def test_what_does_not_fit_the_network_is_said(greenless, options, message):
    with pytest.raises(ValueError, match=message):
        st.find_tissue(slide_of(), detector=OnnxDetector(model=greenless, mpp=2.0, **options))


def test_a_file_that_is_not_a_model_is_refused(tmp_path):
    path = tmp_path / "no.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(ValueError, match="is not a model that can be run"):
        st.find_tissue(slide_of(), detector=OnnxDetector(model=path, mpp=2.0))


def test_without_onnxruntime_the_remedy_is_told(greenless):
    code = (
        "import sys; sys.modules['onnxruntime'] = None\n"
        "from slidetile.tissue import OnnxDetector\n"
        f"OnnxDetector(model={str(greenless)!r}, mpp=2.0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (
        "ImportError: OnnxDetector needs onnxruntime: pip install 'slidetile[onnx]'" in done.stderr
    )


def test_nothing_heavy_is_imported_for_it():
    code = "import sys, slidetile; sys.exit('onnxruntime' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
