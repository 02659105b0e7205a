"""A folder of stores as cards: warnings first, chosen by sliders, each leading to its store."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from slidetile.viewer.folder import FolderCards
from slidetile.viewer.opened import OpenedView

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
