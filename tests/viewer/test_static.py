"""Pages beside stores, behind servers of files: with ranges, without, and with damage."""

import base64
import io
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from range_server import file_server
from tampering import chunks_of, damage_chunk, packed, shards

import slidetile as st
from slidetile.cli.commands import main
from slidetile.cohort.inputs.folder import find_slides
from slidetile.viewer.doors.files.static import write_static
from slidetile.viewer.views.store import StoreView

HOSTILE = "<img src=x onerror=document.title='broken'>&amp;#%2e.zarr"

TILE = """async ([level, column, row]) => {
  const blob = await slidetile.source.tile(level, column, row);
  if (blob === null) return null;
  const url = await new Promise(done => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.readAsDataURL(blob);
  });
  return [blob.type, url.split(',')[1]];
}"""
FAILS = """async ([level, column, row]) => {
  try { await slidetile.source.tile(level, column, row); return null; }
  catch (error) { return [error.state, error.message]; }
}"""


@pytest.fixture(scope="module")
def folder(stores, tmp_path_factory, needs_page) -> Path:  # noqa: ARG001
    """A folder of stores with its pages; for reading alone."""
    folder = tmp_path_factory.mktemp("static") / "stores"
    shutil.copytree(stores, folder)
    write_static(folder)
    return folder


@pytest.fixture
def copy(store_copy, needs_page) -> Path:  # noqa: ARG001
    """A native store of its own, alone in its folder."""
    return store_copy


@pytest.fixture
def shown(tab):
    """Open the pages of a folder behind a server."""
    servers = []

    def show(folder, key=None, *, state="open", **how):
        context = file_server(folder, **how)
        server = context.__enter__()
        servers.append(context)
        number = "" if key is None else f"#{key}"
        tab.open(SimpleNamespace(address=server.address), number, state)
        return server

    yield show
    tab.page.goto("about:blank")  # it asks no more
    for context in servers:
        context.__exit__(None, None, None)


def tile(tab, level, column, row):
    found = tab.run(TILE, [level, column, row])
    return None if found is None else (found[0], base64.b64decode(found[1]))


def pixels(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


NUMBERS = {name: number for number, name in enumerate(("jpeg", "native", "raw", "zstd"))}


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["native", "jpeg"])
def test_chunks_come_out_of_the_shards_as_they_are(tab, shown, folder, stores, codec):
    server = shown(folder, NUMBERS[codec])
    tab.drawn()
    store = st.open_store(stores / f"{codec}.zarr")
    columns, rows = store.grid(0).chunk_columns, store.grid(0).chunk_rows
    for column in range(0, columns, 2):
        for row in range(0, rows, 3):
            stored = store.read_chunk_bytes(column, row)
            found = tile(tab, 0, column, row)
            assert found == (None if stored is None else ("image/jpeg", stored))
    pages = [path for path, part in server.asked if part is None]
    assert all("/c/" not in path for path in pages)
    assert any("/0/c/" in path for path, part in server.asked if part is not None)


@pytest.mark.slow
def test_a_level_between_is_drawn_from_the_finer_one(tab, shown, folder, stores):
    """The sample has levels of 1 and 4: that of 2 is made in the browser, from few requests."""
    server = shown(folder, NUMBERS["native"])
    view = StoreView(st.open_store(stores / "native.zarr"))
    assert tab.run("slidetile.scene.levels.map(l => l.downsample[0])")[:3] == [1, 2, 4]
    tab.drawn()
    cells = [(column, row) for row in range(5) for column in range(8)]
    mine = {cell: view.tile(1, *cell) for cell in cells}
    there = [cell for cell, found in mine.items() if found is not None]
    assert len(there) > 20
    server.asked.clear()
    for cell in there:
        found, expected = pixels(tile(tab, 1, *cell)[1]), pixels(mine[cell].data)
        height, width = expected.shape[:2]
        assert np.abs(found[:height, :width] - expected).mean() < 6
    asked = [path for path, part in server.asked if "/0/c/" in path and part is not None]
    assert len(asked) <= len(there) + 1  # one each, of up to four chunks, and once the index


@pytest.mark.slow
def test_other_codecs_show_the_overview_and_say_why(tab, shown, folder):
    shown(folder, NUMBERS["zstd"])
    tab.drawn()
    assert "codec is zstd, which browsers do not decode" in tab.page.locator(".notes").inner_text()
    assert tile(tab, 0, 0, 0) is not None


@pytest.mark.slow
def test_damage_of_a_small_store_of_another_codec_is_marked(tab, shown, tmp_path, needs_page):  # noqa: ARG001
    """Its own pixels are saved beside the page, since the overview is no coarser."""
    pixels = np.random.default_rng(0).integers(0, 200, (300, 400, 3), np.uint8)
    slide, spec = st.ArraySlide(pixels, mpp=8.0), st.TileSpec(size=256, min_tissue_fraction=0)
    plan = st.plan_tiles(slide, st.find_tissue(slide), spec)
    st.write_tiles(slide, plan, tmp_path / "small.zarr", codec="zstd")
    damage_chunk(tmp_path / "small.zarr", 0, 0)
    pages = write_static(tmp_path)
    assert (pages.stores, pages.refused) == (1, ())
    shown(tmp_path, 0)
    assert tab.run(FAILS, [0, 0, 0])[0] == "damaged"


@pytest.mark.slow
def test_a_server_without_ranges_gets_a_clear_word(tab, shown, folder):
    shown(folder, NUMBERS["native"], state="failed", ranges=False)
    assert "python -m http.server" in tab.page.locator(".failure").inner_text()


@pytest.mark.slow
@pytest.mark.parametrize("encodes", ["part", "whole", "nothing of ranges"])
def test_a_server_that_compresses_parts_gets_the_reason(tab, shown, folder, encodes):
    tab.expects("416", "ERR_CONTENT_DECODING_FAILED")
    shown(folder, NUMBERS["native"], state="failed", encodes=encodes)
    told = tab.page.locator(".failure").inner_text()
    assert "compresses parts of files on their way (Content-Encoding, such as gzip)" in told
    assert "`gzip off;`" in told


@pytest.mark.slow
def test_tiles_that_are_compressed_on_their_way_are_not_taken_for_another_store(tab, shown, folder):
    """The files of some kinds alone are compressed, and the first that was asked for was not."""
    tab.expects("416", "ERR_CONTENT_DECODING_FAILED")
    server = shown(folder, NUMBERS["native"])
    tab.drawn()
    server.encodes = "whole"
    state, words = tab.run(FAILS, [0, 2, 3])
    assert (state, "compresses parts of files" in words) == ("gone", True)


@pytest.mark.slow
def test_a_part_that_the_browsers_cache_cut_short_is_asked_for_past_it(tab, shown, folder, stores):
    shown(folder, NUMBERS["native"], is_short=lambda path, cache: "/c/" in path and cache is None)
    tab.drawn()
    stored = st.open_store(stores / "native.zarr").read_chunk_bytes(2, 3)
    assert tile(tab, 0, 2, 3) == ("image/jpeg", stored)
    assert tab.page.locator(".trouble").count() == 0


@pytest.mark.slow
def test_so_is_a_part_of_the_pages_own_tiles(tab, shown, folder):
    shown(folder, NUMBERS["zstd"], is_short=lambda path, cache: ".tiles" in path and cache is None)
    tab.drawn()
    assert tile(tab, 0, 0, 0) is not None
    assert tab.page.locator(".trouble, .gone").count() == 0


@pytest.mark.slow
def test_a_part_that_is_always_cut_short_is_told(tab, shown, folder):
    shown(folder, NUMBERS["native"], is_short=lambda path, cache: "/0/c/" in path)  # noqa: ARG005
    assert "was cut short on its way" in tab.run(FAILS, [0, 2, 3])[1]


@pytest.mark.slow
def test_a_page_that_is_opened_as_a_file_gets_a_clear_word(tab, folder):
    tab.expects("file:///", "ERR_FAILED")
    tab.page.goto((folder / "index.html").as_uri())
    tab.page.wait_for_selector(".failure")
    assert "through a server" in tab.page.locator(".failure").inner_text()


@pytest.mark.slow
def test_cards_lead_to_stores(tab, shown, folder):
    shown(folder, state="cards")
    assert tab.page.locator(".card").count() == 4
    tab.page.wait_for_function(
        "() => [...document.querySelectorAll('.card img')].every(i => i.naturalWidth > 100)"
    )
    tab.page.locator(".card[data-key=jpeg] h2 a").click()
    tab.page.wait_for_selector("#page[data-state=open]")
    tab.drawn()
    assert tab.page.locator("h1").inner_text() == "jpeg.zarr"
    tab.page.get_by_role("link", name="all slides").click()
    tab.page.wait_for_selector("#page[data-state=cards]")


@pytest.mark.slow
def test_a_damaged_chunk_is_marked(tab, shown, copy):
    write_static(copy)
    row = st.open_store(copy).tiles.slice(40, 1).to_pylist()[0]
    column, down = row["column"], row["row"]
    damage_chunk(copy, column, down)
    shown(copy.parent)
    tab.look_at(row["x"] - 100, row["y"] - 100, 600)
    tab.drawn()
    assert "is damaged" in tab.page.locator(".trouble").inner_text()
    assert tab.run(FAILS, [0, column, down])[0] == "damaged"
    joined = pixels(tile(tab, 1, column // 2, down // 2)[1])
    at = 128 * (column % 2), 128 * (down % 2)
    part = joined[at[1] : at[1] + 128, at[0] : at[0] + 128]
    assert (part[..., 0] - part[..., 1] > 20).mean() > 0.9  # red stripes


@pytest.mark.slow
def test_a_chunk_that_is_missing_is_no_glass(tab, shown, copy):
    write_static(copy)
    store = st.open_store(copy)
    row = store.tiles.slice(40, 1).to_pylist()[0]
    (name,) = shards(copy)
    grid = store.grid(0)
    chunks = chunks_of((copy / name).read_bytes(), grid.chunks_per_shard)
    size = (copy / name).stat().st_size
    place = row["row"] * grid.chunks_across + row["column"]
    lost = len(chunks.pop(place))
    data = packed(copy, name, chunks)
    index = 16 * grid.chunks_per_shard + 4
    # As long as it was: what is gone is told by the table alone.
    (copy / name).write_bytes(data[:-index] + bytes(lost) + data[-index:])
    assert (copy / name).stat().st_size == size
    shown(copy.parent)
    state, words = tab.run(FAILS, [0, row["column"], row["row"]])
    assert state == "damaged"
    assert "is missing" in words
    assert tile(tab, 0, 0, 0) is None  # no tile lies there


@pytest.mark.slow
def test_a_shard_that_is_gone_is_damage(tab, shown, copy):
    write_static(copy)
    row = st.open_store(copy).tiles.slice(40, 1).to_pylist()[0]
    (name,) = shards(copy)
    (copy / name).unlink()
    tab.expects("status of 404")
    shown(copy.parent)
    state, words = tab.run(FAILS, [0, row["column"], row["row"]])
    assert (state, words) == ("damaged", "copy.zarr/0/c/0/0/0 is not on the server.")
    tab.drawn()


@pytest.mark.slow
def test_a_store_that_was_replaced_is_told(tab, shown, copy, stores):
    write_static(copy)
    shutil.rmtree(copy)
    shutil.copytree(stores / "jpeg.zarr", copy)
    shown(copy.parent, state="failed")
    assert "has changed since this page was made" in tab.page.locator(".failure").inner_text()


@pytest.mark.slow
def test_markup_in_names_is_text(tab, shown, copy):
    named = copy.rename(copy.with_name(HOSTILE))
    shutil.copytree(named, copy.with_name("other.zarr"))
    write_static(copy.parent)
    shown(copy.parent, state="cards")
    assert tab.page.locator(".card").count() == 2
    tab.page.locator(".card h2 a").first.click()
    tab.page.wait_for_selector("#page[data-state=open]")
    tab.drawn()
    assert tab.page.locator("h1").inner_text() == HOSTILE
    assert tab.page.locator("#page img, [onerror]").count() == 0
    assert tile(tab, 0, 5, 5) is not None


def test_only_its_own_files_are_replaced(copy):
    folder = copy.parent
    (folder / "index.html").write_text("mine")
    with pytest.raises(FileExistsError, match="is not a page of slidetile's"):
        write_static(folder)
    (folder / "index.html").unlink()
    (folder / "slidetile-pages").mkdir()
    with pytest.raises(FileExistsError, match="is not slidetile's"):
        write_static(folder)
    (folder / "slidetile-pages").rmdir()
    first = write_static(folder)
    assert (first.stores, first.refused) == (1, ())
    before = {path.name for path in (folder / "slidetile-pages").iterdir()}
    copy.rename(copy.with_name("renamed.zarr"))
    write_static(folder)
    after = {path.name for path in (folder / "slidetile-pages").iterdir()}
    assert len(after) == len(before)
    assert after != before


def test_stores_are_not_touched(copy):
    assert write_static(copy).path == copy.parent / "index.html"
    assert st.verify_store(copy, deep=True) == ()


def test_a_damaged_store_has_a_card(copy, stores):
    shutil.copytree(stores / "jpeg.zarr", copy.with_name("whole.zarr"))
    (copy / "1" / "zarr.json").write_text("{}")
    pages = write_static(copy.parent)
    assert pages.stores == 1
    assert [name for name, _ in pages.refused] == ["copy.zarr"]


def test_the_pages_are_not_taken_for_what_somebody_put_there(folder, caplog):
    assert find_slides([folder], tells_stores=False) == []
    assert caplog.messages == []


def test_slides_without_a_store_are_not_counted(tmp_path, sample, needs_page):  # noqa: ARG001
    broken, out = tmp_path / "broken.svs", tmp_path / "stores"
    broken.write_bytes(b"no slide")
    CliRunner().invoke(main, ["batch", str(sample), str(broken), "-o", str(out), "--workers", "1"])
    told = []
    pages = write_static(out, lambda *each: told.append(each))
    assert told == [(out / "sample.zarr", 1, 1)]
    assert pages.stores == 1


def test_the_command_says_where_the_pages_are(copy):
    found = CliRunner().invoke(main, ["view", "--static", str(copy.parent)], catch_exceptions=False)
    assert found.exit_code == 0
    assert found.stdout.startswith(f"{copy.parent / 'index.html'}: pages of 1 store")
    empty = copy.parent / "empty"
    empty.mkdir()
    none = CliRunner().invoke(main, ["view", "--static", str(empty)])
    assert none.exit_code != 0
    assert list(empty.iterdir()) == []
