"""Channels and bits on the command line."""

import json

import numpy as np
import pytest
import tifffile
from channel_files import ome_tiff, signal

import slidetile as st


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    return ome_tiff(tmp_path_factory.mktemp("channels") / "a.ome.tif", signal(700, 900, 3))


def test_info_names_channels_and_bits(cli, slide):
    assert "DAPI, CD3, CD8 (16 bits)" in cli("info", slide).stdout
    told = json.loads(cli("info", slide, "--json").stdout)
    assert (told["channel_names"], told["bits"]) == (["DAPI", "CD3", "CD8"], 16)


def test_a_run_from_end_to_end(cli, slide, tmp_path):
    store = tmp_path / "a.zarr"
    options = ["--channels", "cd3, DAPI", "--tissue-channel", "DAPI", "--tile-size", "256"]
    result = cli("tile", slide, "-o", store, *options, "--dtype", "uint8", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)["store"]
    assert told["channel_names"] == ["CD3", "DAPI"]
    assert told["mapping"]["bits"] == 16
    assert len(told["quality"]["channel_means"]) == 2
    assert cli("verify", store, "--slide", slide, "--deep").exit_code == 0
    again = cli("tile", slide, "-o", store, *options, "--dtype", "uint8")
    assert "already done" in again.stdout
    assert "mapped" in cli("info", store).stdout
    preview = tmp_path / "plan.png"
    assert cli("plan", slide, *options, "--preview", preview).exit_code == 0
    assert preview.stat().st_size > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--channels", "CD4"], "There is no channel 'CD4': there are DAPI (0), CD3 (1), CD8 (2)."),
        (["--tissue-channel", "CD4"], "There is no channel 'CD4'"),
        (["--dtype", "uint8", "--window", "9,3"], "from a lower to a higher value, not 9,3"),
        (["--window", "full"], "needs dtype uint8"),
        (["--dtype", "uint8", "--window", "percentile:1,101"], "from 0 to 100"),
        (["--z", "1"], "1 depth, so there is no --z 1"),
        (["--codec", "jpeg"], "use the codec zstd"),
    ],
)
def test_wrong_choices_write_nothing(cli, slide, tmp_path, options, words):
    store = tmp_path / "a.zarr"
    result = cli("tile", slide, "-o", store, *options)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())
    assert not list(tmp_path.iterdir())


def test_depths_are_refused_with_their_numbers(cli, tmp_path):
    path = ome_tiff(tmp_path / "z.ome.tif", np.stack([signal(64, 64, 2)] * 3))
    result = cli("tile", path, "-o", tmp_path / "a.zarr")
    assert result.exit_code == 1
    assert "3 depths" in result.stderr
    assert "--z 0 to 2" in " ".join(result.stderr.split())


def test_fractions_are_refused_with_how_to_convert(cli, tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((64, 64), np.float32), metadata=None)
    result = cli("tile", path, "-o", tmp_path / "a.zarr")
    assert result.exit_code == 1
    assert "round((value − low) / (high − low)" in " ".join(result.stderr.split())
    assert not (tmp_path / "a.zarr").exists()


def test_a_batch_keeps_going_after_a_slide_without_the_channel(cli, slide, tmp_path):
    folder = tmp_path / "slides"
    folder.mkdir()
    (folder / "a.ome.tif").write_bytes(slide.read_bytes())
    ome_tiff(folder / "b.ome.tif", signal(700, 900, 1))
    result = cli("batch", folder, "-o", tmp_path / "out", "--channels", "CD8")
    assert result.exit_code == 1
    assert st.open_store(tmp_path / "out" / "a.ome.zarr").channels[0].name == "CD8"
