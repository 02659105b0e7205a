"""A folder of stores as cards: warnings first, chosen by sliders, each leading to its store."""

import base64
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

import slidetile as st
from slidetile.cli.several import things_meant
from slidetile.viewer.cards.folder import FolderCards
from slidetile.viewer.cards.quantiles import KEPT, MOST_COLUMNS, ranks, table_quantiles
from slidetile.viewer.views.opened import OpenedView

HOSTILE = "<img src=x onerror=document.title='broken'>.zarr"


@pytest.fixture
def folder(stores, tmp_path) -> Path:
    """Three stores, one damaged and one whose name is markup."""
    shutil.copytree(stores / "native.zarr", tmp_path / HOSTILE)
    shutil.copytree(stores / "jpeg.zarr", tmp_path / "jpeg.zarr")
    shutil.copytree(stores / "zstd.zarr", tmp_path / "zzz.zarr")
    (tmp_path / "zzz.zarr" / "tiles" / "tiles.parquet").write_bytes(b"damaged")
    return tmp_path


def cards_of(folder):
    places = sorted(folder.glob("*.zarr"))
    views = [OpenedView(place) for place in places]
    return FolderCards(folder, places, views), views


@pytest.fixture
def shown(tab, served, folder):
    """The page of the folder."""
    cards, views = cards_of(folder)
    server = served(*views, folder=cards)
    tab.open(SimpleNamespace(address=server.address), state="cards")
    return tab


def test_failures_come_first(folder):
    cards = cards_of(folder)[0].cards()
    assert cards[0]["key"] == "zzz"
    assert cards[0]["status"] == "damaged store"
    assert cards[0]["view"] is None
    assert {card["view"] for card in cards[1:]} == {0, 1}
    assert cards[1]["numbers"]["tiles"] == 99


def test_a_server_of_no_folder_has_no_cards(served, stores):
    server = served(stores / "native.zarr")
    status, _, body = server.ask("cards")
    assert (status, json.loads(body)) == (200, None)
    assert server.ask("cards/0")[0] == 404


@pytest.mark.slow
def test_cards_lead_to_the_pages_of_their_stores(shown):
    shown.page.wait_for_function(
        "() => [...document.querySelectorAll('.card img')].every(i => i.naturalWidth > 100)"
    )
    assert shown.page.locator(".card").count() == 3
    assert "tiles.parquet" in shown.page.locator(".card.bad .trouble").inner_text()
    shown.page.locator(".card[data-key=jpeg] h2 a").click()
    shown.page.wait_for_selector("#page[data-state=open]")
    shown.drawn()
    assert shown.page.locator("h1").inner_text() == "jpeg.zarr"
    shown.page.get_by_role("link", name="all slides").click()
    shown.page.wait_for_selector("#page[data-state=cards]")


@pytest.mark.slow
def test_sliders_choose_slides(shown):
    assert shown.count == 3
    shown.page.get_by_label("least bytes of tiles, typed").fill("1000001")
    assert shown.count == 2 - (shown.count == 1)
    assert "drops" in shown.page.locator("[data-column=tile_bytes] .drops").inner_text()
    shown.page.get_by_role("button", name="all slides").click()
    assert shown.count == 3
    shown.page.get_by_label("failures and warnings only").check()
    assert shown.count == 1
    shown.page.get_by_label("failures and warnings only").uncheck()
    shown.page.get_by_label("search").fill("JPEG")
    assert shown.count == 1


@pytest.mark.slow
def test_markup_in_names_is_text(shown):
    key = HOSTILE.removesuffix(".zarr")
    assert key in shown.page.locator(".folder").inner_text()
    assert shown.page.locator("[onerror]").count() == 0
    assert shown.page.title() == "slidetile"


@pytest.mark.parametrize("count", [0, 1, 2, KEPT, KEPT + 1, 1000])
def test_what_is_kept_of_a_column_is_bounded_and_has_both_ends(count):
    rng = np.random.default_rng(0)
    table = pa.table(
        {f"c{number}": rng.random(count, np.float32) for number in range(MOST_COLUMNS + 5)}
    )
    kept = table_quantiles(table)
    assert [each["name"] for each in kept] == table.column_names[:MOST_COLUMNS]
    assert len(ranks(count)) == min(count, KEPT)
    for each in kept:
        values = np.frombuffer(base64.b64decode(each["data"]), "<f4")
        assert values.tolist() == np.sort(table[each["name"]].to_numpy())[ranks(count)].tolist()


def test_a_missing_value_is_none_of_those_that_are_kept():
    (kept,) = table_quantiles(pa.table({"pen_fraction": [0.5, None, 0.25, float("nan")]}))
    assert kept["known"] == 2
    assert np.frombuffer(base64.b64decode(kept["data"]), "<f8").tolist() == [0.25, 0.5]


def test_thousands_of_slides_are_a_few_megabytes(stores):
    kept = table_quantiles(st.open_store(stores / "native.zarr").tiles)
    assert 3000 * len(json.dumps(kept)) < 12_000_000


def told_range(text):
    """The two ends of "3 of", "3–5 of"."""
    low, high = re.search(r"(?:(\d+)–)?(\d+)\sof", text).groups()
    return int(low or high), int(high)


@pytest.mark.slow
def test_sliders_choose_tiles_of_every_slide(shown, folder):
    """What a card says of its tiles holds what `store.select` keeps."""
    store = st.open_store(folder / "jpeg.zarr")
    card = shown.page.locator(".card[data-key=jpeg] .limits")
    tables = store.tiles["tissue_fraction"].to_numpy(), store.tiles["mean_red"].to_numpy()
    for least, most in ((0.3, None), (0.5, 200), (0.999, 190), (None, 180)):
        shown.page.get_by_role("button", name="all slides").click()
        keeps = np.ones(len(store), bool)
        if least is not None:
            shown.page.get_by_label("least tissue_fraction, typed").fill(str(least))
            keeps &= tables[0] >= least
        if most is not None:
            shown.page.get_by_label("most mean_red, typed").fill(str(most))
            keeps &= tables[1] <= most
        low, high = told_range(card.inner_text())
        assert low <= keeps.sum() <= high
        if None in (least, most):  # of one filter at most a thirty-second is not known
            assert high - low <= len(store) / (KEPT - 1)
    told = shown.page.locator("[data-column='tiles.mean_red'] .drops").inner_text()
    assert told.startswith("drops ")
    assert " of 198 tiles" in shown.page.locator(".counts").inner_text()
    shown.page.get_by_label("least tissue_fraction, typed").fill("2")
    assert shown.count == 1  # the damaged one has no tiles that could be dropped


def test_a_folder_in_a_bucket_has_the_same_cards(folder, lab):
    pytest.importorskip("obstore", reason="the extra cloud is not installed")
    (folder / HOSTILE).rename(folder / "plain.zarr")
    here = cards_of(folder)[0].cards()
    there = lab.put(folder)
    places = things_meant([there]).paths
    cards = FolderCards(there, places, [OpenedView(place) for place in places])
    told = cards.cards()
    assert [each["key"] for each in told] == [each["key"] for each in here]
    assert [each["tile_columns"] for each in told] == [each["tile_columns"] for each in here]
    assert [each["view"] for each in told] == [None, 0, 1]
    assert cards.picture(0) is not None
