"""What `export` makes of a store in a bucket, in every format, on a disk and in the bucket."""

import json
import pickle
import shutil

import numpy as np
import pytest

import slidetile as st
from slidetile.cloud.objects import read_object, write_object


@pytest.fixture
def whole(sample, lab, tmp_path):
    """A store on a disk and in a bucket."""
    st.tile_slide(sample, tmp_path / "a.zarr")
    return tmp_path / "a.zarr", lab.put(tmp_path / "a.zarr")


@pytest.fixture
def referring(sample, lab, tmp_path):
    """A store without pixels, on a disk and in a bucket, and its slide in both places."""
    slide = tmp_path / "slides" / "a.svs"
    slide.parent.mkdir()
    shutil.copy(sample, slide)
    st.tile_slide(slide, tmp_path / "r.zarr", st.Recipe(codec="reference"))
    return tmp_path / "r.zarr", lab.put(tmp_path / "r.zarr"), slide, lab.put(slide, "slides/a.svs")


def test_geojson_of_a_store_in_a_bucket(cli, whole, tmp_path):
    here, there = whole
    for store, name in ((here, "here"), (there, "there")):
        done = cli("export", store, "-o", tmp_path / f"{name}.geojson", "--json")
        assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["store_path"] == str(there)
    assert (tmp_path / "here.geojson").read_bytes() == (tmp_path / "there.geojson").read_bytes()


def test_geojson_may_lie_in_a_bucket(cli, whole, lab, tmp_path):
    here, there = whole
    cli("export", here, "-o", tmp_path / "a.geojson")
    place = lab.home / "drawn" / "a.geojson"
    done = cli("export", there, "-o", place, "--json")
    assert done.exit_code == 0, done.stderr
    assert read_object(place, 1 << 24) == (tmp_path / "a.geojson").read_bytes()


def test_only_geojson_is_replaced_and_none_lies_in_a_store(cli, whole, lab):
    _, there = whole
    place = lab.home / "a.geojson"
    write_object(place, [b"my own"])
    assert "is not replaced" in cli("export", there, "-o", place).stderr
    assert read_object(place, 10) == b"my own"
    assert "lies in the store" in cli("export", there, "-o", there / "a.geojson").stderr
    web = cli("export", there, "-o", "https://127.0.0.1:1/a.geojson")
    assert "a web server is read only" in web.stderr


def test_a_whole_store_is_copied_and_not_exported(cli, whole, tmp_path):
    _, there = whole
    done = cli("export", there, "--to", "zarr", "-o", tmp_path / "w.zarr")
    assert done.exit_code == 1
    assert f"{there} holds its pixels already (codec native)" in done.stderr


@pytest.mark.parametrize("slide_is", ["where the store says", "here", "in the bucket"])
def test_a_reference_store_in_a_bucket(cli, referring, lab, tmp_path, tree, slide_is):
    _, there, slide, remote = referring
    st.tile_slide(slide, tmp_path / "whole.zarr")
    told = {"where the store says": (), "here": ("--slide", slide)}.get(
        slide_is, ("--slide", remote)
    )
    if slide_is == "in the bucket":
        slide.unlink()
    done = cli("export", there, *told, "--to", "zarr", "-o", tmp_path / "w.zarr")
    assert done.exit_code == 0, done.stderr
    assert tree(tmp_path / "w.zarr") == tree(tmp_path / "whole.zarr")
    done = cli("export", there, *told, "--to", "zarr", "-o", lab.home / "w.zarr")
    assert done.exit_code == 0, done.stderr
    assert lab.tree(lab.home / "w.zarr") == tree(tmp_path / "whole.zarr")
    for store, name in ((there, "r"), (tmp_path / "whole.zarr", "w")):
        words = told if name == "r" else ()
        assert cli("export", store, *words, "-o", tmp_path / f"{name}.geojson").exit_code == 0
    assert (tmp_path / "r.geojson").read_bytes() == (tmp_path / "w.geojson").read_bytes()
    with st.open_slide(told[1] if told else slide) as opened:
        store = st.open_store(there, slide=None if not told else told[1])
        assert np.array_equal(store[0], opened.read_region(store.tile_region(0)))
        again = pickle.loads(pickle.dumps(store))  # noqa: S301  our own
        assert np.array_equal(again[0], store[0])


def test_a_slide_that_is_not_there_or_another_is_told(cli, referring, lab, tmp_path):
    _, there, slide, remote = referring
    slide.unlink()
    done = cli("export", there, "--to", "zarr", "-o", tmp_path / "w.zarr")
    assert done.exit_code == 1
    assert "a.svs does not exist" in done.stderr
    write_object(remote, [b"II*\0 another"])
    done = cli("export", there, "--slide", remote, "--to", "zarr", "-o", tmp_path / "w.zarr")
    assert done.exit_code == 1
    assert f"{remote} is another one or has changed" in done.stderr
    none = lab.home / "none.svs"
    done = cli("export", there, "--slide", none, "-o", tmp_path / "w.geojson")
    assert done.exit_code == 1
    assert "no such object" in done.stderr
