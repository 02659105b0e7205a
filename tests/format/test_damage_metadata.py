import json

import pytest
from paths import SAMPLES

import slidetile as st
from slidetile.errors import StoreError
from slidetile.format.metadata.damage import MOST_WRITTEN, DamageFacts
from slidetile.format.metadata.node import parse_json, to_json
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.metadata.unfinished import UnfinishedNote
from slidetile.format.reason import OTHERS

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


def test_reasons_of_files_are_escaped_and_bounded():
    odd = {
        "\x1b]0;pwned\x07": 3,
        "a\r\nb": 2,
        "": 1,
        "x" * 5000: 1,
        "\ud800": 1,
        "\u202ereverse": 1,
    }
    facts = DamageFacts.of(odd, {})
    assert facts.reasons == {
        r"\x1b]0;pwned\x07": 3,
        "a b": 2,
        "does not decode": 1,
        "x" * 199 + "…": 1,
        r"\ud800": 1,
        r"\u202ereverse": 1,
    }
    assert DamageFacts.from_node(parse_json(to_json(facts.to_node()))) == facts


def test_reasons_that_become_the_same_are_counted_together():
    long = "y" * 300
    assert DamageFacts.of({long: 2, long + "z": 3, "a\tb": 1, "a b": 1}, {}).reasons == {
        "y" * 199 + "…": 5,
        "a b": 2,
    }


def test_of_many_reasons_the_rarest_are_one_in_whatever_order():
    reasons = {f"reason {number:03}": 1 + number % 7 for number in range(500)}
    facts = DamageFacts.of(reasons, {})
    backward = DamageFacts.of(dict(reversed(reasons.items())), {})
    assert facts == backward
    assert len(facts.unreadable) == MOST_WRITTEN
    assert sum(facts.reasons.values()) == sum(reasons.values())
    assert facts.unreadable[0].reason == OTHERS
    assert facts.reasons["reason 006"] == 7


def test_a_store_that_tells_a_reason_twice_has_its_tiles_together():
    twice = {**FACTS, "unreadable": [{"reason": "x", "tiles": 2}, {"reason": "x", "tiles": 3}]}
    assert DamageFacts.from_node(parse_json(to_json(twice))).reasons == {"x": 5}
