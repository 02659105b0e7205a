"""The page in one file: what fits into it, and how it opens without any server."""

import json
import re
import zlib
from types import SimpleNamespace

import numpy as np
import pyarrow.compute as pc
import pytest
from click.testing import CliRunner
from tampering import damage_chunk

import slidetile as st
from slidetile.cli.commands import main
from slidetile.raster.grid import TileGrid
from slidetile.viewer.doors.files.fitted import fitted_scene
from slidetile.viewer.doors.files.saved import LEAST_BYTES, MOST_BYTES, save_page
from slidetile.viewer.pictures.zoom import ZoomLevel
from slidetile.viewer.scene.columns import Column
from slidetile.viewer.scene.scene import Overlay, Scene, Tiles
from slidetile.viewer.views.slide import live_plan_view, plan_view
from slidetile.viewer.views.store import StoreView

BREAKS = "document.title='broken'"
HOSTILE = f"</script><img src=x onerror={BREAKS}><script>{BREAKS}</script>"


def opened(tab, path):
    return tab.open(SimpleNamespace(address=path.as_uri()))


@pytest.fixture
def native(stores):
    return st.open_store(stores / "native.zarr")


@pytest.mark.usefixtures("needs_page")
def test_the_picture_is_as_fine_as_fits(native, tmp_path):
    large = save_page(StoreView(native), tmp_path / "large.html")
    small = save_page(StoreView(native), tmp_path / "small.html", most_bytes=LEAST_BYTES)
    assert large.downsample == 1
    assert 1 < small.downsample <= 8
    for saved, most in ((large, MOST_BYTES), (small, LEAST_BYTES)):
        assert saved.path.stat().st_size == saved.size_bytes <= most
        assert saved.left_out == ()


def test_annotations_that_are_too_many_leave_room_for_the_tiles(native):
    corners = np.random.default_rng(0).random((20_000, 5, 2)) * 3000
    cells = [st.Annotation(class_name="cell", rings=(ring,)) for ring in corners]
    scene = StoreView(native, areas=cells).scene().json
    few = fitted_scene(scene, 300_000)
    told = json.loads(zlib.decompress(few.packed))
    assert len(few.packed) <= 300_000
    assert few.left_out == ("The page has no room for the 20,000 annotations.",)
    assert told["overlay"]["notes"] == [*few.left_out]
    assert (told["areas"], told["overlay"]["tiles"]["count"]) == ([], len(native))
    assert fitted_scene(scene, 1 << 30).left_out == ()


@pytest.mark.usefixtures("needs_page")
def test_a_file_of_somebody_else_is_not_replaced(native, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("<!doctype html>\nmine")
    with pytest.raises(FileExistsError, match="not a page of slidetile's"):
        save_page(StoreView(native), path)
    path.write_bytes(b"")
    save_page(StoreView(native), path)
    save_page(StoreView(native), path)


def test_too_few_bytes_are_refused(native, tmp_path):
    with pytest.raises(ValueError, match="at least 1,000,000 bytes"):
        save_page(StoreView(native), tmp_path / "page.html", most_bytes=999_999)


def million():
    """A scene of a million tiles, whose columns do not pack."""
    side = 1000
    rows, columns = np.divmod(np.arange(side * side, dtype=np.int32), side)
    noise = np.random.default_rng(0).random((3, side * side), np.float32)
    names = ("sharpness", "tissue_fraction", "mean_red")
    tiles = Tiles(
        grid=TileGrid(width=256 * side, height=256 * side, size=256, stride=256, edge="keep"),
        columns=columns,
        rows=rows,
        values=tuple(Column(name, values) for name, values in zip(names, noise, strict=True)),
    )
    level = ZoomLevel(
        width=500, height=500, downsample=(512.0, 512.0), tile_width=512, tile_height=512
    )
    size = 256 * side, 256 * side
    return Scene(name="m", kind="store", size=size, levels=[level], overlay=Overlay(tiles=tiles))


def test_a_million_tiles_fit_with_the_columns_that_there_is_room_for():
    scene = million().json
    whole = fitted_scene(scene, 1 << 30)
    assert whole.left_out == ()
    some = fitted_scene(scene, 6_000_000)
    told = json.loads(zlib.decompress(some.packed))["overlay"]
    assert len(some.packed) <= 6_000_000
    assert [column["name"] for column in told["tiles"]["values"]] == ["tissue_fraction"]
    assert told["notes"] == [*some.left_out]
    assert some.left_out == ("The page has no room for the columns sharpness, mean_red.",)
    none = json.loads(zlib.decompress(fitted_scene(scene, 3000).packed))["overlay"]
    assert none["tiles"] is None
    assert "no room for the 1,000,000 tiles" in none["notes"][0]


def test_the_command_writes_it_and_shows_nothing(needs_page, stores, tmp_path):  # noqa: ARG001
    path = tmp_path / "page.html"
    command = ["view", str(stores / "zstd.zarr"), "--save", str(path), "--save-mb", "2"]
    found = CliRunner().invoke(main, command, catch_exceptions=False)
    assert found.exit_code == 0
    assert found.stdout.startswith(f"{path}: ")
    assert path.stat().st_size <= 2_000_000
    both = CliRunner().invoke(main, [*command, "--static"])
    assert both.exit_code == 2
    two = CliRunner().invoke(main, ["view", *map(str, stores.glob("*.zarr")), "--save", str(path)])
    assert two.exit_code == 2
    assert "4 were given" in two.stderr


@pytest.mark.slow
def test_it_is_looked_at_without_any_server(tab, needs_page, native, tmp_path):  # noqa: ARG001
    saved = save_page(StoreView(native), tmp_path / "page.html")
    opened(tab, saved.path).drawn()
    assert [url for url in tab.asked if not url.startswith(("blob:", "data:"))] == [
        saved.path.as_uri()
    ]
    tab.page.get_by_label("least tissue_fraction, typed").fill("0.5")
    text = tab.page.locator(".expression").inner_text().splitlines()[0]
    chosen = eval(text, {"store": native, "pc": pc})  # noqa: S307
    assert tab.count == len(chosen) < len(native)
    tile = native.tile_region(40)
    tab.page.mouse.click(*tab.on_screen(tile.x + 128, tile.y + 128))
    tab.page.wait_for_selector(".tile canvas[data-drawn='40']")
    rows = dict(row.split("\t") for row in tab.page.locator(".tile tr").all_inner_texts())
    assert rows["tile_id"] == "40"
    facts = native.tiles.slice(40, 1).to_pylist()[0]
    assert float(rows["mean_red"]) == pytest.approx(facts["mean_red"], rel=1e-3)
    shown = tab.run(
        "() => [...document.querySelector('.tile canvas').getContext('2d')"
        ".getImageData(0, 0, 256, 256).data]"
    )
    pixels = np.array(shown).reshape(256, 256, 4)[..., :3]
    assert np.abs(pixels - native[40].astype(int)).max() <= 3


@pytest.mark.slow
def test_the_table_lists_the_kept_tiles(tab, needs_page, native, tmp_path):  # noqa: ARG001
    opened(tab, save_page(StoreView(native), tmp_path / "page.html").path)
    tab.page.get_by_text("Table of tiles").click()
    shown = ".tiles tbody tr"
    assert tab.page.locator(shown).count() == len(native)
    tab.page.get_by_label("least tissue_fraction, typed").fill("0.9")
    assert tab.page.locator(shown).count() == tab.count < len(native)
    name = tab.page.locator(".tiles th button", has_text="tissue_fraction")
    name.click()
    name.click()
    best = int(tab.page.locator(shown).first.get_attribute("data-tile"))
    fractions = native.tiles["tissue_fraction"].to_numpy()
    assert fractions[best] == fractions.max()
    tab.page.locator(shown).first.click()
    tab.page.wait_for_selector(f".tile canvas[data-drawn='{best}']")


@pytest.mark.slow
def test_a_plan_is_saved_as_it_is(tab, needs_page, sample, tmp_path):  # noqa: ARG001
    with st.open_slide(sample) as slide:
        view = live_plan_view(slide, st.Recipe(tile=st.TileSpec(size=512)))
        tiles = len(view._plan)
        path = save_page(view, tmp_path / "plan.html").path
    opened(tab, path).drawn()
    assert tab.count == tiles
    assert tab.page.locator(".setting").count() == 0


@pytest.mark.slow
def test_damage_is_saved_as_damage(tab, needs_page, store_copy, tmp_path):  # noqa: ARG001
    row = st.open_store(store_copy).tiles.slice(40, 1).to_pylist()[0]
    damage_chunk(store_copy, row["column"], row["row"])
    opened(tab, save_page(StoreView(st.open_store(store_copy)), tmp_path / "page.html").path)
    tab.look_at(row["x"] - 100, row["y"] - 100, 600)
    tab.drawn()
    assert "is damaged" in tab.page.locator(".trouble").inner_text()


@pytest.mark.slow
def test_markup_in_names_is_text(tab, needs_page, sample, tmp_path):  # noqa: ARG001
    with st.open_slide(sample) as slide:
        plan = st.Recipe().plan(slide)
    path = save_page(plan_view(plan, name=HOSTILE), tmp_path / "page.html").path
    opened(tab, path).drawn()
    assert tab.page.locator("h1").inner_text() == HOSTILE
    assert tab.page.title() == f"{HOSTILE} – slidetile"
    assert tab.page.locator("img, [onerror]").count() == 0


@pytest.mark.slow
def test_a_page_that_was_cut_short_says_so(tab, needs_page, native, tmp_path):  # noqa: ARG001
    path = save_page(StoreView(native), tmp_path / "page.html").path
    page = path.read_text(encoding="utf-8")
    scene = re.search(r'id="scene">([^<]*)<', page)[1]
    path.write_text(page.replace(scene, scene[: len(scene) // 2 // 4 * 4]), encoding="utf-8")
    tab.page.goto(path.as_uri())
    tab.page.wait_for_selector(".failure")
    assert "cut short" in tab.page.locator(".failure").inner_text()
