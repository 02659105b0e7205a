"""OME-Zarr folders on the command line: a slide for every command that takes one."""

import json

import pytest
from ome_zarr import image_metadata, write_image

import slidetile as st


@pytest.fixture
def folder(tmp_path, sample, monkeypatch):
    """The sample slide as an OME-Zarr folder, in a folder of its own."""
    with st.open_slide(sample) as slide:
        levels = [slide.read_region(slide.bounds, level=n) for n in range(len(slide.levels))]
        ome = image_metadata(len(levels))
        for level, dataset in zip(slide.levels, ome["multiscales"][0]["datasets"], strict=True):
            across, down = level.downsample
            scale = {"type": "scale", "scale": [1, 0.5 * down, 0.5 * across]}
            dataset["coordinateTransformations"] = [scale]
    monkeypatch.chdir(tmp_path)
    options = {"chunks": 256, "shards": 1024, "ome": ome}
    return write_image(tmp_path / "slides" / "slide.ome.zarr", levels, **options)


def test_every_command_takes_it(cli, folder, tmp_path):
    result = cli("info", folder, "--json")
    assert result.exit_code == 0
    facts = json.loads(result.stdout)
    assert (facts["kind"], facts["reader"], facts["mpp_um"]) == ("slide", "ome-zarr", [0.5, 0.5])
    result = cli("plan", folder, "--tile-size", 512)
    assert (result.exit_code, result.stderr) == (0, "")
    result = cli("tile", folder, "--tile-size", 512)
    assert (result.exit_code, "warning" in result.stderr) == (0, False)
    store = tmp_path / "slide.zarr"
    result = cli("verify", store, "--slide", folder, "--deep")
    assert (result.exit_code, result.stdout) == (0, "findings: 0\n")


def test_a_batch_tiles_it_and_a_second_is_already_done(cli, folder, tmp_path):
    for status in ("ok", "already done"):
        result = cli("batch", folder.parent, "-o", tmp_path / "stores", "--tile-size", 512)
        assert result.exit_code == 0
        assert status in (tmp_path / "stores" / "summary.csv").read_text()
    assert (tmp_path / "stores" / "slide.zarr" / "zarr.json").exists()


def test_a_folder_of_both_tells_slides_from_stores(cli, folder):
    store = folder.parent / "store.zarr"
    assert cli("tile", folder, "-o", store, "--tile-size", 512).exit_code == 0
    result = cli("verify", folder.parent)
    assert (result.exit_code, result.stdout) == (0, f"{store}: findings: 0\n")
    result = cli("info", folder.parent, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert [each["slide_path"] for each in found["slides"]] == [str(folder)]
    assert [each["store_path"] for each in found["stores"]] == [str(store)]


def test_a_store_never_replaces_it(cli, folder):
    before = sorted(folder.rglob("*"))
    for more in ([], ["--overwrite"]):
        result = cli("tile", folder, "-o", folder, "--tile-size", 512, *more)
        assert result.exit_code == 1
        assert "is not a store, so it is not overwritten" in result.stderr
    result = cli("tile", folder, "-o", folder / "inner.zarr", "--tile-size", 512)
    assert result.exit_code == 1
    assert sorted(folder.rglob("*")) == before
