import json

import pytest
from paths import SAMPLES

import slidetile as st
from slidetile.errors import StoreError
from slidetile.format.metadata.damage import DamageFacts
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.metadata.unfinished import UnfinishedNote

FACTS = {
    "unreadable": [{"reason": "no end marker", "tiles": 2}, {"reason": "cut short", "tiles": 1}],
    "replaced": [{"level": 0, "blocks": 3}, {"level": 2, "blocks": 1}],
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Return the root's metadata of a store, as JSON."""
    path = tmp_path_factory.mktemp("store") / "a.zarr"
    store = st.tile_slide(SAMPLES / "sample.svs", path, st.Recipe(tile=st.TileSpec(max_tiles=1)))
    return json.loads((store.path / "zarr.json").read_text())


def test_without_damage_there_is_no_key(root):
    assert DamageFacts.of({}, {}) is None
    assert "damage" not in root["attributes"]["slidetile"]


def test_damage_is_written_in_one_order_and_read_back(root):
    facts = DamageFacts.of({"cut short": 1, "no end marker": 2}, {2: 1, 0: 3})
    assert facts.to_node() == FACTS
    root["attributes"]["slidetile"]["damage"] = FACTS
    metadata = StoreMetadata.from_json(json.dumps(root).encode())
    assert metadata.damage == facts
    assert metadata.damage.reasons == {"no end marker": 2, "cut short": 1}
    assert json.loads(metadata.to_json()) == root


def test_an_unfinished_store_is_continued_whatever_was_damaged(root):
    root["attributes"]["slidetile"]["damage"] = FACTS
    note = UnfinishedNote.of(StoreMetadata.from_json(json.dumps(root).encode()))
    assert "damage" not in note.attributes


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ({}, "damage.unreadable is missing"),
        ({"unreadable": [], "replaced": [], "more": 1}, "damage.more is unknown"),
        ({**FACTS, "replaced": [{"level": 99, "blocks": 1}]}, r"replaced\[0\].level is 99"),
        ({**FACTS, "unreadable": [{"reason": "", "tiles": 1}]}, r"unreadable\[0\].reason is ''"),
        ({**FACTS, "unreadable": [{"reason": "x", "tiles": 0}]}, r"unreadable\[0\].tiles is 0"),
        ({**FACTS, "unreadable": [{"reason": "x", "tiles": 1}] * 65}, "a list of 65"),
    ],
)
def test_other_damage_is_refused_by_its_key(root, damage, named):
    root["attributes"]["slidetile"]["damage"] = damage
    with pytest.raises(StoreError, match=named):
        StoreMetadata.from_json(json.dumps(root).encode())
