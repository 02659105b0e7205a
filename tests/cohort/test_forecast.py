"""A dry run: what a batch would do, and nothing done."""

import json
import shutil

import pytest
from batches import tile_here

import slidetile as st


@pytest.fixture
def slides(sample, tmp_path):
    """A slide that is done, one that was begun, one that is new, and one that is none."""
    folder = tmp_path / "slides"
    folder.mkdir()
    for name in ("begun", "done", "new"):
        shutil.copy(sample, folder / f"{name}.svs")
    (folder / "text.svs").write_text("no slide")
    recipe = st.Recipe(tile=st.TileSpec(size=512))
    tile_here([folder / "done.svs"], tmp_path / "out", recipe)

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        st.tile_slide(
            folder / "begun.svs", tmp_path / "out" / "begun.zarr", recipe, on_progress=stop
        )
    return folder


def told(result):
    facts = json.loads(result.stdout)
    return facts, {each["key"]: each for each in facts["slides"]}


def test_it_tells_what_would_be_done(cli, slides, tree, tmp_path):
    out = tmp_path / "out"
    before = tree(out)
    line = ("batch", slides, "-o", out, "--tile-size", 512, "--dry-run", "--processes", 0)
    result = cli(*line, "--json")
    assert result.exit_code == 1  # one would fail
    facts, found = told(result)
    assert {key: each["action"] for key, each in found.items()} == {
        "begun": "continue",
        "done": "already done",
        "new": "tile",
        "text": "fail",
    }
    assert (facts["to_do"], facts["already_done"], facts["failing"]) == (2, 1, 1)
    store = st.open_store(out / "done.zarr")
    assert found["new"]["tiles"] == found["done"]["tiles"] == len(store)
    assert found["new"]["codec"] == "native"
    levels = sum(path.stat().st_size for path in (store.path).glob("[0-9]*/c/**/*"))
    assert found["new"]["store_bytes"] == pytest.approx(levels, rel=0.1)
    assert facts["tiles"] == 2 * len(store)
    assert facts["fits"] is True
    assert found["new"]["seconds"] > 0
    assert "it is a text file" in found["text"]["reason"]
    assert tree(out) == before
    text = cli(*line).stdout
    assert f"{slides / 'new.svs'}: tile: {len(store)} tiles, native, " in text
    assert "to do: 2 slides" in text


def test_it_makes_no_folder(cli, sample, tmp_path):
    result = cli("batch", sample, "-o", tmp_path / "out", "--dry-run", "--processes", 0)
    assert result.exit_code == 0
    assert not (tmp_path / "out").exists()


def test_changed_settings_would_make_a_store_anew(cli, slides, tmp_path):
    line = ("batch", slides / "done.svs", "-o", tmp_path / "out", "--tile-size", 256)
    facts, found = told(cli(*line, "--dry-run", "--json", "--processes", 0))
    assert found["done"]["action"] == "make anew"
    assert "the slide or the settings have changed" in found["done"]["reason"]
    assert facts["to_do"] == 1
