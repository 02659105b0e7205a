"""The page in a real Chromium: looked at, zoomed, clicked, moved, copied, damaged and replaced."""

import io
import json
import re
import shlex
import shutil

import numpy as np
import pyarrow.compute as pc
import pytest
from PIL import Image
from tampering import damage_chunk

import slidetile as st
from slidetile.raster.grid import TileGrid
from slidetile.viewer.pictures.picture import slide_picture
from slidetile.viewer.scene.columns import Column
from slidetile.viewer.scene.scene import Area, Overlay, Tiles
from slidetile.viewer.views.plain import PlainView
from slidetile.viewer.views.slide import live_plan_view, slide_view
from slidetile.viewer.views.store import StoreView

pytestmark = pytest.mark.slow

HOSTILE = "<img src=x onerror=document.title='broken'><b>&amp;.svs"


def shot(tab):
    """What is on the screen: uint8 [row, column, 3]."""
    with Image.open(io.BytesIO(tab.page.screenshot())) as image:
        return np.asarray(image.convert("RGB"))


def pixel(tab, x, y):
    """What is seen at a level-0 pixel."""
    across, down = tab.on_screen(x, y)
    return shot(tab)[round(down), round(across)].astype(int)


def hide(tab, *layers):
    for name in layers:
        tab.page.uncheck(f"input[name={name}]")


@pytest.fixture
def native(stores):
    return st.open_store(stores / "native.zarr")


def test_scores_colour_the_tiles_at_once_until_another_column_is_chosen(tab, served, native):
    scores = {"score": np.linspace(0, 1, len(native)), "other": np.zeros(len(native))}
    tab.open(served(StoreView(native, scores=scores)))
    chosen = tab.page.get_by_label("colour tiles by")
    assert chosen.input_value() == "score"
    last = native.tile_region(len(native) - 1)
    yellow = pixel(tab, last.x + last.width // 2, last.y + last.height // 2)
    assert yellow[0] - yellow[2] > 60
    chosen.select_option("")
    plain = pixel(tab, last.x + last.width // 2, last.y + last.height // 2)
    assert np.abs(plain - yellow).max() > 20
    tab.open(served(native.path))
    assert tab.page.get_by_label("colour tiles by").input_value() == ""


@pytest.mark.parametrize("codec", ["native", "jpeg", "zstd", "raw"])
def test_what_is_seen_is_what_is_stored(tab, served, stores, codec):
    store = st.open_store(stores / f"{codec}.zarr")
    tab.open(served(stores / f"{codec}.zarr"))
    hide(tab, "outlines", "tiles")
    tile = store.tile_region(40)
    width = tab.run("slidetile.viewer.canvas.clientWidth")
    tab.look_at(tile.x - 50, tile.y - 50, width)  # a pixel of the screen is one of level 0
    tab.drawn()
    left, top = (round(at) for at in tab.on_screen(tile.x, tile.y))
    seen = shot(tab).astype(int)

    def difference(right, down):
        part = seen[top + down : top + down + 256, left + right : left + right + 256]
        return np.abs(part - store[40]).mean()

    # Tiles are drawn a pixel wider than they are, against seams: that blurs them by half a pixel.
    assert difference(0, 0) < 13
    assert difference(0, 0) < 0.7 * min(difference(3, 0), difference(-3, 0), difference(0, 3))


def test_nothing_is_asked_of_anybody_else(tab, served, stores):
    server = served(stores / "native.zarr")
    tab.open(server).drawn()
    assert all(url.startswith((server.address, "data:", "blob:")) for url in tab.asked)
    assert any("/tiles/" in url for url in tab.asked)


def test_wheel_and_drag_zoom_and_pan(tab, served, stores):
    tab.open(served(stores / "native.zarr")).drawn()
    x, y = (round(at) for at in tab.on_screen(1900, 1200))
    zoom = "slidetile.viewer.viewport.getZoom()"
    before = tab.run(zoom)
    tab.page.mouse.move(x, y)
    tab.page.mouse.wheel(0, -400)
    tab.wait(f"() => {zoom} > {before * 1.1}")
    centre = "slidetile.viewer.viewport.getCenter().x"
    was = tab.run(centre)
    tab.page.mouse.down()
    tab.page.mouse.move(x - 200, y, steps=5)
    tab.page.mouse.up()
    tab.wait(f"() => {centre} > {was} + 0.02")
    tab.page.get_by_label("whole slide").click()
    tab.wait(f"() => Math.abs({zoom} - slidetile.viewer.viewport.getHomeZoom()) < 0.01")


def test_a_click_shows_the_row_and_the_tile(tab, served, native):
    tab.open(served(native.path)).drawn()
    index = 40
    region = native.tile_region(index)
    tab.page.mouse.click(*tab.on_screen(region.x + 128, region.y + 128))
    tab.page.wait_for_selector(".tile canvas[data-drawn='40']")
    rows = tab.page.locator(".tile tr").all_inner_texts()
    told = dict(row.split("\t") for row in rows)
    facts = native.tiles.slice(index, 1).to_pylist()[0]
    assert list(told) == native.tiles.column_names
    assert told["tile_id"] == "40"
    assert told["status"] == "ok"
    assert float(told["tissue_fraction"]) == pytest.approx(facts["tissue_fraction"], abs=1e-3)
    shown = tab.run(
        "() => { const c = document.querySelector('.tile canvas');"
        "return [c.width, c.height, [...c.getContext('2d').getImageData(0, 0, 256, 256).data]] }"
    )
    assert shown[:2] == [256, 256]
    pixels = np.array(shown[2]).reshape(256, 256, 4)[..., :3]
    assert np.abs(pixels - native[index].astype(int)).max() <= 3
    tab.page.mouse.click(*tab.on_screen(10, 10))
    tab.page.wait_for_selector(".tile", state="hidden")


def copied(tab, button):
    tab.page.get_by_role("button", name=button).click()
    tab.page.wait_for_selector(f"button[data-copied]:text('{button}')")
    return tab.run("navigator.clipboard.readText()")


MOVES = (
    {},
    {"tissue_fraction": (700, None)},
    {"tissue_fraction": (300, 900), "laplacian_variance": (None, 500)},
    {"region": (500, None), "bytes": (100, 800), "mean_red": (200, 999)},
    {"pen_fraction": (1, None)},
)


@pytest.mark.parametrize("moves", MOVES)
def test_the_copied_expression_selects_what_is_seen(tab, served, native, moves):
    tab.open(served(native.path))
    for name, ends in moves.items():
        for which, position in zip(("least", "most"), ends, strict=True):
            slider = tab.page.locator(f"[data-column={name}] input.{which}")
            if position is not None and slider.count():
                slider.fill(str(position))
    chosen = eval(copied(tab, "copy as Python"), {"store": native, "pc": pc})  # noqa: S307
    assert len(chosen) == tab.count
    kept = tab.run("[...slidetile.choice.kept].flatMap((k, i) => (k ? [i] : []))")
    assert kept == chosen.tile_ids.tolist()
    mm2 = (chosen.tiles["width"].to_numpy() * chosen.tiles["height"].to_numpy()).sum() * 0.25e-6
    told = tab.page.locator(".counts").inner_text()
    assert f"{tab.count} of {len(native)} tiles" in told
    assert float(re.search(r"· ([\d.]+) mm²", told)[1]) == pytest.approx(mm2, rel=1e-3)


def test_typed_limits_are_exact_to_the_last_bit(tab, served, native):
    """A limit that is a tile's own value keeps that tile, in the browser as in pyarrow."""
    tab.open(served(native.path))
    values = sorted(native.tiles["tissue_fraction"].to_pylist())
    for value in (values[20], 0.3, values[50], round(values[60], 3)):
        tab.page.get_by_label("least tissue_fraction, typed").fill(repr(value))
        chosen = eval(copied(tab, "copy as Python"), {"store": native, "pc": pc})  # noqa: S307
        assert tab.count == len(chosen) == sum(each >= value for each in values)


def test_each_filter_says_what_it_drops(tab, served, native):
    tab.open(served(native.path))
    tab.page.get_by_label("least tissue_fraction, typed").fill("0.5")
    tab.page.get_by_label("most mean_red, typed").fill("200")
    table = native.tiles
    pale, red = (table["tissue_fraction"].to_numpy() < 0.5, table["mean_red"].to_numpy() > 200)
    for name, drops, others in (("tissue_fraction", pale, red), ("mean_red", red, pale)):
        told = tab.page.locator(f"[data-column={name}] .drops").inner_text()
        assert told == f"drops {drops.sum()}, {(drops & ~others).sum()} alone"
    assert tab.count == (~pale & ~red).sum()
    assert copied(tab, "copy as options") == "--min-tissue-fraction 0.5"
    assert "mean_red" in tab.page.locator(".controls p").inner_text()
    tab.page.get_by_role("button", name="all tiles").click()
    assert tab.count == len(native)
    assert tab.page.get_by_role("button", name="copy as options").is_disabled()
    assert tab.page.locator("[data-copied]").count() == 0


def test_tiles_are_coloured_by_a_column(tab, served, native):
    tab.open(served(native.path)).drawn()
    region = native.tile_region(40)
    middle = region.x + 128, region.y + 128
    plain = pixel(tab, *middle)
    tab.page.select_option("select", "tissue_fraction")
    tab.drawn()
    assert np.abs(pixel(tab, *middle) - plain).max() > 20
    assert tab.page.locator(".limits").first.inner_text() == "0.05176 – 1"


def test_a_scale_bar_is_as_long_as_it_says(tab, served, native):
    tab.open(served(native.path)).drawn()
    width = tab.run("document.querySelector('.scale').getBoundingClientRect().width") - 4
    um = int(tab.page.locator(".scale span").inner_text().removesuffix(" µm"))
    (a, _), (b, _) = tab.on_screen(0, 0), tab.on_screen(1000, 0)
    assert width / (b - a) * 500 == pytest.approx(um, rel=0.02)


def test_without_mpp_nothing_is_measured(tab, served):
    pixels = np.random.default_rng(0).integers(0, 255, (700, 900, 3), np.uint8)
    tab.open(served(live_plan_view(st.ArraySlide(pixels))))
    assert tab.page.locator(".scale").is_hidden()
    assert re.search(r"\d Mpx · .* Mpx of tissue", tab.page.locator(".counts").inner_text())


def test_without_tissue_the_slide_is_seen(tab, served):
    glass = st.ArraySlide(np.full((600, 800, 3), 240, np.uint8), mpp=0.5)
    tab.open(served(live_plan_view(glass))).drawn()
    assert "No tissue was found." in tab.page.locator(".notes").inner_text()
    assert tab.count == 0
    assert np.abs(pixel(tab, 400, 300) - 240).max() <= 1


def test_unreadable_tiles_are_red(tab, served, damaged_sample, tmp_path):
    recipe = st.Recipe(tile=st.TileSpec(size=256))
    store = st.tile_slide(damaged_sample, tmp_path / "damaged.zarr", recipe)
    (index,) = (i for i, status in enumerate(store.tiles["status"].to_pylist()) if status != "ok")
    tab.open(served(store.path)).drawn()
    region = store.tile_region(index)
    red, green, blue = pixel(tab, region.x + 100, region.y + 150)
    assert red > 180
    assert max(green, blue) < 130
    assert "1 tile could not be read" in tab.page.locator(".notes").inner_text()


def test_a_damaged_chunk_is_marked_and_told(tab, served, store_copy):
    store = st.open_store(store_copy)
    row = store.tiles.slice(40, 1).to_pylist()[0]
    damage_chunk(store_copy, row["column"], row["row"])
    tab.expects("status of 422")
    tab.open(served(store_copy))
    hide(tab, "outlines", "tiles")
    tab.look_at(row["x"] - 100, row["y"] - 100, 600)
    tab.drawn()
    assert "is damaged" in tab.page.locator(".trouble").inner_text()
    (left, top), (right, bottom) = (tab.on_screen(row["x"] + at, row["y"] + at) for at in (0, 256))
    marked = shot(tab)[round(top) : round(bottom), round(left) : round(right)].astype(int)
    reddish = (marked[..., 0] > 180) & (marked[..., 0] - marked[..., 2] > 20)
    assert reddish.mean() > 0.9


def test_a_store_that_is_replaced_is_a_state_of_the_page(tab, served, store_copy, stores):
    tab.open(served(store_copy)).drawn()
    tab.expects("status of 410")
    shutil.rmtree(store_copy)
    tab.look_at(1500, 900, 300)
    tab.page.wait_for_selector("#page[data-state=gone]")
    assert "deleted or moved" in tab.page.locator(".gone").inner_text()
    shutil.copytree(stores / "zstd.zarr", store_copy)
    tab.page.get_by_role("button", name="open again").click()
    tab.page.wait_for_selector("#page[data-state=open]")
    assert "zstd" in tab.page.locator(".facts").inner_text()
    tab.drawn()


def test_a_server_that_has_ended_is_told(tab, served, stores):
    server = served(stores / "native.zarr")
    tab.open(server).drawn()
    tab.expects("ERR_")
    server.server.stop()
    tab.look_at(1500, 900, 300)
    tab.page.wait_for_selector("#page[data-state=gone]")
    assert "does not answer" in tab.page.locator(".gone").inner_text()


def test_a_plan_follows_its_settings(tab, served, sample):
    tab.open(served(sample))
    first = tab.count
    tab.page.get_by_label("tile size, typed").fill("256")
    tab.wait("() => slidetile.table.size === 256 && !slidetile.isPlanning")
    assert tab.count > first
    before = len(tab.run("slidetile.overlay.outlines.flatMap(o => [...o.ring])"))
    tab.page.locator("[data-setting=tissue_margin_um] input[type=range]").fill("100")
    tab.page.locator("[data-setting=min_tissue_fraction] input[type=range]").fill("0.4")
    tab.wait("() => !slidetile.isPlanning")
    assert len(tab.run("slidetile.overlay.outlines.flatMap(o => [...o.ring])")) != before
    recipe = eval(copied(tab, "copy as Python"), {"st": st})  # noqa: S307
    with st.open_slide(sample) as slide:
        plan = recipe.plan(slide)
    assert (plan.spec.size, recipe.tissue_margin_um) == (256, 100)
    assert len(plan) == tab.count
    assert tab.run("[...slidetile.table.columns]") == plan.columns.tolist()
    options = shlex.split(copied(tab, "copy as options"))
    assert options[:2] == ["--tile-size", "256"]
    assert options[-2:] == ["--tissue-margin-um", "100"]


def test_what_is_typed_between_two_steps_of_a_slider_counts(tab, served, sample):
    tab.open(served(sample))
    typed = {"minimum tissue fraction": 0.055, "least stain density": 0.0473}
    for label, value in typed.items():
        tab.page.get_by_label(f"{label}, typed").fill(str(value))
    tab.wait("() => !slidetile.isPlanning")
    recipe = eval(copied(tab, "copy as Python"), {"st": st})  # noqa: S307
    assert recipe.tile.min_tissue_fraction == 0.055
    assert recipe.detector.min_density == 0.0473


def test_any_number_can_be_typed(tab, served, sample):
    """Sliders move in steps; slidetile takes what lies between, or says why not."""
    tab.open(served(sample))
    before = tab.count
    slider = tab.page.locator("[data-setting=min_tissue_fraction] input[type=range]")
    assert slider.input_value() == "0.05"
    tab.page.get_by_label("minimum tissue fraction, typed").fill("0.4321")
    tab.wait("() => !slidetile.isPlanning")
    assert tab.count < before
    assert copied(tab, "copy as options") == "--min-tissue-fraction 0.4321"
    tab.expects("status of 400")
    tab.page.get_by_label("tile size, typed").fill("1000")
    tab.page.wait_for_selector(".notes :text('multiple of 16')")


def test_a_setting_out_of_range_is_told(tab, served, sample):
    tab.open(served(sample))
    before = tab.count
    tab.expects("status of 400")
    tab.run("slidetile.settings.size = 100")
    tab.page.get_by_label("minimum tissue fraction, typed").fill("0.1")
    tab.page.wait_for_selector(".notes :text('multiple of 16')")
    assert tab.count == before


def test_markup_in_names_is_text(tab, served):
    pixels = np.full((600, 800, 3), 240, np.uint8)
    slide = st.ArraySlide(pixels, mpp=0.5, name=HOSTILE)
    ring = np.array([(100, 100), (500, 100), (300, 400)], float)
    view = PlainView(
        HOSTILE,
        "slide",
        lambda: slide_picture(slide),
        facts={HOSTILE: HOSTILE},
        mpp=None,
        size=(800, 600),
        overlay=Overlay(notes=(HOSTILE,), left_out=(HOSTILE,)),
    )
    view._areas = (Area(class_name=HOSTILE, rings=(ring,)),)
    tab.open(served(view, slide_view(slide))).drawn()
    assert tab.page.locator("h1").inner_text() == HOSTILE
    assert tab.page.locator("dt").inner_text() == HOSTILE
    assert tab.page.locator("nav a").first.inner_text() == f"{HOSTILE} slide"
    assert tab.page.locator("#page b, #page img, nav b, nav img, [onerror]").count() == 0
    assert tab.page.title() == f"{HOSTILE} – slidetile"


def test_several_are_chosen_from(tab, served, stores, sample):
    tab.open(served(stores / "zstd.zarr", sample))
    assert tab.page.locator("h1").inner_text() == "zstd.zarr"
    tab.page.get_by_role("link", name="sample.svs").click()
    tab.page.wait_for_selector("h1:has-text('sample.svs')")
    tab.page.wait_for_selector("#page[data-state=open]")
    assert tab.page.locator("[aria-current]").inner_text().startswith("sample.svs")


def test_annotations_are_drawn(tab, served):
    pixels = np.full((600, 800, 3), 240, np.uint8)
    ring = np.array([(100, 100), (500, 100), (500, 400), (100, 400)], float)
    area = st.Annotation(class_name="tumour", rings=(ring,))
    tab.open(served(slide_view(st.ArraySlide(pixels, mpp=0.5), areas=[area]))).drawn()
    assert np.abs(pixel(tab, 500, 250) - 240).max() > 30
    assert "tumour" in tab.page.locator(".layers").inner_text()
    hide(tab, "areas")
    tab.drawn()
    assert np.abs(pixel(tab, 500, 250) - 240).max() <= 1


@pytest.mark.parametrize("factors", [(1, 4, 16), (1,)])
def test_every_zoom_shows_the_slide(tab, served, factors):
    """Left of the middle the slide is blue, right of it red, whatever level is drawn."""
    whole = np.zeros((3000, 4000, 3), np.uint8)
    whole[:, :2000], whole[:, 2000:] = (40, 60, 200), (200, 60, 40)
    levels = [np.ascontiguousarray(whole[::f, ::f]) for f in factors]
    tab.open(served(slide_view(st.ArraySlide(levels, mpp=0.5))))
    for width in (5000, 3100, 1600, 900, 300):
        tab.look_at(2000 - width / 2, 1500 - width / 3, width)
        tab.drawn()
        step = width / 50
        assert pixel(tab, 2000 - step, 1500).argmax() == 2
        assert pixel(tab, 2000 + step, 1500).argmax() == 0


def test_a_million_tiles_are_drawn_as_far_as_they_are_seen(tab, served):
    side, size = 1000, 64
    rows, columns = (each.ravel().astype(np.int32) for each in np.indices((side, side)))
    values = np.linspace(0, 1, side * side, dtype=np.float32)
    tiles = Tiles(
        grid=TileGrid(width=side * size, height=side * size, size=size, stride=size),
        columns=columns,
        rows=rows,
        values=(Column("tissue_fraction", values),),
    )
    small = st.ArraySlide(np.full((500, 500, 3), 240, np.uint8))
    view = PlainView(
        "million",
        "store",
        lambda: slide_picture(small),
        facts={},
        mpp=(0.5, 0.5),
        size=(side * size, side * size),
        overlay=Overlay(tiles=tiles),
    )
    tab.open(served(view))
    assert tab.count == 1_000_000
    tab.page.get_by_label("least tissue_fraction, typed").fill("0.25")
    assert tab.count == (values >= 0.25).sum()
    tab.page.select_option("select", "tissue_fraction")
    tab.run("slidetile.overlay.draw()")
    assert tab.run("slidetile.overlay.drawnTiles") == 1_000_000
    tab.look_at(6400, 6400, 640)
    tab.run("slidetile.overlay.draw()")
    assert 0 < tab.run("slidetile.overlay.drawnTiles") < 400
    index = tab.run("slidetile.table.at(6400 + 70, 6400 + 10)")
    assert index == 100 * side + 101


def test_two_tabs_have_plans_of_their_own(tab, served, sample):
    server = served(sample)
    tab.open(server)
    other = tab.beside().open(server)
    before = other.count
    tab.page.get_by_label("tile size, typed").fill("256")
    tab.wait("() => slidetile.table.size === 256 && !slidetile.isPlanning")
    assert (other.count, other.run("slidetile.table.size")) == (before, 1024)
    other.page.get_by_label("tile size, typed").fill("512")
    other.wait("() => slidetile.table.size === 512 && !slidetile.isPlanning")
    tab.run(f"slidetile.choose({tab.count - 1})")
    tab.page.wait_for_selector(f".tile canvas[data-drawn='{tab.count - 1}']")
    assert other.unexpected == []


def test_the_copied_options_write_the_kept_tiles(tab, served, native, sample, cli, tmp_path):
    tab.open(served(native.path))
    tab.page.get_by_label("least tissue_fraction, typed").fill("0.5")
    options = shlex.split(copied(tab, "copy as options"))
    done = cli("tile", sample, "-o", tmp_path / "chosen.zarr", "--tile-size", 256, *options)
    assert done.exit_code == 0
    kept = tab.run("[...slidetile.choice.kept].flatMap((k, i) => (k ? [i] : []))")
    expected = native.tiles.take(kept)
    written = st.open_store(tmp_path / "chosen.zarr").tiles
    for name in ("column", "row"):
        assert written[name].to_pylist() == expected[name].to_pylist()
    assert 0 < len(written) < len(native)


def test_the_copied_option_keeps_the_same_tiles_at_its_very_bound(tab, served, tmp_path):
    """The table has fractions as float32, of which 0.7 is less than 0.7 and 0.6 is more."""
    slide = st.ArraySlide(np.full((160, 1600, 3), 200, np.uint8), mpp=0.5)
    overview = st.read_overview(slide, mpp=8.0)
    mask = np.zeros(overview.image.shape[:2], np.bool_)
    for tenths in range(1, 11):
        mask[:, 10 * (tenths - 1) :][:, :tenths] = True
    tissue = st.TissueMask.from_mask(mask, overview)
    plan = st.plan_tiles(slide, tissue, st.TileSpec(size=160, min_tissue_fraction=0.15))
    store = st.write_tiles(slide, plan, tmp_path / "tenths.zarr", codec="zstd")
    tab.open(served(store.path))
    for least in ("0.7", "0.6", "0.9", "0.5"):
        tab.page.get_by_label("least tissue_fraction, typed").fill(least)
        flag, value = copied(tab, "copy as options").split()
        assert flag == "--min-tissue-fraction"
        spec = st.TileSpec(size=160, min_tissue_fraction=float(value))
        kept = tab.run("[...slidetile.choice.kept].flatMap((k, i) => (k ? [i] : []))")
        planned = st.plan_tiles(slide, tissue, spec).columns.tolist()
        assert planned == store.tiles["column"].take(kept).to_pylist()
    tab.page.get_by_label("least tissue_fraction, typed").fill("0.1")  # drops none of the stored
    assert tab.page.get_by_role("button", name="copy as options").is_disabled()


def test_a_store_of_jpeg_xl_is_seen(tab, served, sample, tmp_path):
    store = st.tile_slide(sample, tmp_path / "store.zarr", st.Recipe(codec="jxl"))
    tab.open(served(store.path))
    hide(tab, "outlines", "tiles")
    tile = store.tile_region(0)
    tab.look_at(tile.x, tile.y, 1024)
    tab.drawn()
    across, down = tile.x + 512, tile.y + 300
    near = store[0][280:320, 492:532].reshape(-1, 3).mean(axis=0)
    left, top = (round(at) for at in tab.on_screen(across - 20, down - 20))
    right, bottom = (round(at) for at in tab.on_screen(across + 20, down + 20))
    seen = shot(tab)[top:bottom, left:right].reshape(-1, 3).mean(axis=0)
    assert np.abs(seen - near).max() < 8


def whole_store(slide, folder, size, codec):
    """Store all of a slide."""
    (right, bottom), drawn = slide.levels[0].size, folder / "all.geojson"
    ring = [[0, 0], [right, 0], [right, bottom], [0, bottom], [0, 0]]
    drawn.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    tissue = st.draw_tissue(slide, st.read_annotations(drawn, slide))
    plan = st.plan_tiles(slide, tissue, st.TileSpec(size=size))
    return st.write_tiles(slide, plan, folder / "store.zarr", codec=codec)


@pytest.mark.parametrize("codec", ["zstd", "jxl"])
def test_stores_of_sixteen_bits_are_seen(tab, served, codec, tmp_path):
    """Left is bright and right is dark; the brightest value is far below 65,535."""
    deep = np.full((1024, 2048, 1), 300, np.uint16)
    deep[:, :1024] = 4000
    deep += np.random.default_rng(0).integers(0, 40, deep.shape, np.uint16)
    slide = st.ArraySlide(deep, mpp=0.5)
    store = whole_store(slide, tmp_path, 256, codec)
    assert store.metadata.bits == 16
    tab.open(served(store.path))
    hide(tab, "outlines", "tiles")
    for width in (3000, 1500, 400):
        tab.look_at(1024 - width / 2, 512 - width / 4, width)
        tab.drawn()
        step = width / 20
        bright, dark = pixel(tab, 1024 - step, 512), pixel(tab, 1024 + step, 512)
        assert bright.min() - dark.max() > 100


def test_limits_beyond_the_whole_numbers_of_float32_select_what_is_seen(tab, served, tmp_path):
    noise = np.random.default_rng(0).integers(0, 65536, (512, 2048, 1), np.uint16)
    noise[:, :1024] //= 2
    store = whole_store(st.ArraySlide(noise, mpp=4.0), tmp_path, 256, "zstd")
    least = sum(store.tiles["laplacian_variance"].to_pylist()) // len(store)
    assert least > 1 << 24
    tab.open(served(store.path))
    limits = {"least laplacian_variance": int(least), "most bytes": "20000000.5"}
    for label, value in limits.items():
        tab.page.get_by_label(f"{label}, typed").fill(str(value))
    chosen = eval(copied(tab, "copy as Python"), {"store": store, "pc": pc})  # noqa: S307
    assert 0 < len(chosen) < len(store)
    kept = tab.run("[...slidetile.choice.kept].flatMap((k, i) => (k ? [i] : []))")
    assert kept == chosen.tile_ids.tolist()


@pytest.mark.parametrize("levels", [(1,), (1, 4, 16)])
def test_every_zoom_shows_the_store(tab, served, tmp_path, levels):
    whole = np.zeros((3072, 4096, 3), np.uint8)
    whole[:, :2048], whole[:, 2048:] = (40, 60, 200), (200, 60, 40)
    slide = st.ArraySlide([np.ascontiguousarray(whole[::f, ::f]) for f in levels], mpp=0.5)
    store = whole_store(slide, tmp_path, 512, "jpeg")
    tab.open(served(store.path))
    hide(tab, "outlines", "tiles")
    for width in (5000, 3100, 1600, 900, 300):
        tab.look_at(2048 - width / 2, 1536 - width / 3, width)
        tab.drawn()
        step = width / 50
        assert pixel(tab, 2048 - step, 1536).argmax() == 2
        assert pixel(tab, 2048 + step, 1536).argmax() == 0
