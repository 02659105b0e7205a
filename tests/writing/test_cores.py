"""Stores whose tiles are named by the cores of a microarray."""

import json

import microarrays
import pyarrow.parquet as pq
import pytest
import tifffile
import zarr
from geojson_features import unmeasured
from PIL import Image
from tampering import TABLE, change_row, edit_json, told

import slidetile as st
from slidetile.format.metadata.cores import CoreFacts, CoreGridFacts

THERE = [
    f"{row}-{column}"
    for row in "ABCD"
    for column in range(1, 6)
    if f"{row}-{column}" not in microarrays.MISSING
]


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    path = tmp_path_factory.mktemp("microarray") / "tma.png"
    Image.fromarray(microarrays.picture()).save(path)
    return path


def recipe(**more):
    tile = st.TileSpec(size=64, min_tissue_fraction=0.1)
    return st.Recipe(**{"cores": True, "tile": tile, "slide_mpp": microarrays.MPP} | more)


@pytest.fixture
def store(slide, tmp_path):
    return st.tile_slide(slide, tmp_path / "tma.zarr", recipe())


def test_the_table_names_each_tiles_core(store):
    names = store.tiles["core"].to_pylist()
    assert sorted({name for name in names if name}) == THERE
    for row, name in zip(store.tiles.to_pylist(), names, strict=True):
        centre = row["x"] + row["width"] / 2, row["y"] + row["height"] / 2
        assert microarrays.core_at(*centre) in (name, None)
    plain = pq.read_table(store.path / TABLE)  # as any other program reads it
    assert plain["core"].to_pylist() == names
    assert plain.column_names.index("core") == plain.column_names.index("slide") + 1


def test_the_store_says_where_cores_are_and_which_are_missing(store):
    grid = store.cores
    assert (grid.rows, grid.columns, len(grid.cores), grid.missing) == (4, 5, 20, 2)
    assert [core.name for core in grid.cores if core.is_missing] == list(microarrays.MISSING)
    for core in grid.cores:
        row, column = "ABCD".index(core.name[0]), int(core.name[2]) - 1
        wanted = [(each + 0.5) * microarrays.PITCH_PX for each in (column, row)]
        assert core.centre == pytest.approx(wanted, abs=6)
        assert core.bounds.contains(
            st.Region(x=int(wanted[0]), y=int(wanted[1]), width=1, height=1)
        )
    recorded = zarr.open_group(store.path, mode="r").attrs["slidetile"]["cores"]
    assert recorded["cores"][8] == {
        "name": "B-4",
        "centre": list(grid.cores[8].centre),
        "bounds": [getattr(grid.cores[8].bounds, side) for side in ("x", "y", "width", "height")],
        "missing": True,
    }


def test_such_a_store_is_sound_and_done(slide, store):
    assert not st.verify_store(store.path, deep=True)
    assert st.tile_slide(slide, store.path, recipe()).path == store.path
    with pytest.raises(st.StoreExistsError, match="other settings"):
        st.tile_slide(slide, store.path, recipe(cores=False))


def test_stores_without_cores_have_no_such_column(slide, tmp_path):
    store = st.tile_slide(slide, tmp_path / "x.zarr", recipe(cores=False))
    assert "core" not in store.tiles.column_names
    assert store.cores is None
    assert "cores" not in store.attributes
    with pytest.raises(st.StoreExistsError, match="other settings"):
        st.tile_slide(slide, store.path, recipe())


def test_a_slide_without_tissue_has_an_empty_grid(tmp_path):
    path = tmp_path / "glass.png"
    Image.new("RGB", (300, 200), (243, 243, 243)).save(path)
    store = st.tile_slide(path, tmp_path / "glass.zarr", recipe())
    assert (len(store), store.cores) == (0, CoreGridFacts(rows=0, columns=0, cores=()))
    assert store.tiles.column_names.count("core") == 1
    assert not st.verify_store(store.path)


def test_a_whole_store_of_a_reference_store_has_the_same_cores(tmp_path):
    fields = {"codec": "reference", "tile": st.TileSpec(size=64)}
    source = tmp_path / "tma.tif"
    tifffile.imwrite(
        source, microarrays.picture(), tile=(64, 64), photometric="rgb", compression="jpeg"
    )
    quick = st.tile_slide(source, tmp_path / "quick.zarr", recipe(**fields))
    whole = st.write_whole_store(quick, tmp_path / "whole.zarr")
    direct = st.tile_slide(source, tmp_path / "direct.zarr", recipe(tile=fields["tile"]))
    assert whole.cores == quick.cores == direct.cores
    assert (whole.path / TABLE).read_bytes() == (direct.path / TABLE).read_bytes()
    edit_json(
        quick.path,
        "zarr.json",
        lambda root: root["attributes"]["slidetile"]["cores"]["cores"][0].update(centre=[1, 1]),
    )
    with pytest.raises(st.StoreError, match="are not found again"):
        st.write_whole_store(st.open_store(quick.path), tmp_path / "other.zarr")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("D-5", "its core is 'D-5', which does not lie there"),
        ("B-4", "its core is 'B-4', which does not lie there"),
        ("Z-9", "its core is 'Z-9', which does not lie there"),
    ],
)
def test_verify_finds_a_wrong_name(store, name, what):
    assert store.tiles["core"][0].as_py() == "A-1"
    change_row(store.path, 0, "core", name)
    assert what in told(st.verify_store(store.path))


def test_a_name_that_no_core_has_is_refused(store):
    change_row(store.path, 3, "core", "Q-1")
    with pytest.raises(st.StoreError, match="its tile 3 has the core 'Q-1', but"):
        _ = st.open_store(store.path).tiles


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda cores: cores.update(rows=3), "cores has 20 items, but 3 rows and 5 columns"),
        (lambda cores: cores["cores"][1].update(name="A-3"), r"cores\[1\].name is 'A-3'"),
        (lambda cores: cores["cores"][1].update(missing=1), r"cores\[1\].missing is 1"),
        (lambda cores: cores.update(rows=1 << 20), "cores.rows is 1048576"),
        (lambda cores: cores["cores"][0].pop("bounds"), "bounds"),
    ],
)
def test_metadata_that_cannot_be_are_refused(store, change, what):
    edit_json(
        store.path, "zarr.json", lambda root: change(root["attributes"]["slidetile"]["cores"])
    )
    with pytest.raises(st.StoreError, match=what):
        st.open_store(store.path)


def test_core_facts_are_checked():
    with pytest.raises(ValueError, match="name is ''"):
        CoreFacts(
            name="", centre=(0, 0), bounds=st.Region(x=0, y=0, width=1, height=1), is_missing=False
        )


def features(path, kind):
    found = json.loads(path.read_text())["features"]
    return [each for each in found if each["properties"]["objectType"] == kind]


def test_geojson_has_cores_as_qupath_has_them(slide, store, tmp_path, cli):
    of_plan, of_store = tmp_path / "plan.geojson", tmp_path / "store.geojson"
    options = ("--cores", "--tile-size", 64, "--min-tissue-fraction", 0.1, "--slide-mpp", 8)
    result = cli("plan", slide, *options, "--geojson", of_plan)
    assert result.exit_code == 0, result.stderr
    assert "18 in 4 rows and 5 columns; missing: 2" in " ".join(result.stdout.split())
    assert cli("export", store.path, "-o", of_store).exit_code == 0
    assert unmeasured(of_plan) == unmeasured(of_store)
    cores = features(of_store, "tma_core")
    assert len(cores) == 20
    assert [c["properties"]["name"] for c in cores if c["properties"]["isMissing"]] == list(
        microarrays.MISSING
    )
    tiles = features(of_store, "tile")
    assert [t["properties"].get("name") for t in tiles] == store.tiles["core"].to_pylist()
    with st.open_slide(slide, mpp=8.0) as opened:
        drawn = st.read_annotations(of_store, opened)
        assert drawn.left_out["cores that were found, not drawn"] == 20
        back = st.draw_tissue(opened, drawn)
    assert (back.mask == (store.tissue > 0)).all()


def test_the_command_line_counts_cores(slide, tmp_path, cli):
    path = tmp_path / "x.zarr"
    wanted = {"rows": 4, "columns": 5, "cores": 20, "missing": 2}
    options = ("--tile-size", 64, "--slide-mpp", 8)
    planned = cli("plan", slide, "--cores", *options, "--json")
    assert json.loads(planned.stdout)["cores"] == wanted
    made = cli("tile", slide, "--cores", *options, "-o", path, "--json")
    assert json.loads(made.stdout)["store"]["cores"] == wanted
    assert json.loads(cli("info", path, "--json").stdout)["cores"] == wanted
    shown = " ".join(cli("info", path).stdout.split())
    assert "cores 18 in 4 rows and 5 columns; missing: 2" in shown


def test_a_batch_goes_on_where_a_slide_is_no_microarray(slide, sample, tmp_path, cli):
    result = cli("batch", slide, sample, "-o", tmp_path, "--cores", "--tile-size", 64, "--json")
    assert result.exit_code == 1
    good, bad = json.loads(result.stdout)["slides"]
    assert good["status"] == "ok"
    assert "does not lie in a regular grid" in bad["error"]["message"]
    assert "--cores" in bad["error"]["message"]
    one = cli("tile", sample, "--cores", "-o", tmp_path / "one.zarr")
    assert one.exit_code == 2
    assert "does not lie in a regular grid" in one.stderr
