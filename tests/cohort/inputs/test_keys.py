"""What slides are called in the folder of their stores: never alike, never changed."""

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from slidetile.cohort.inputs.entry import Entry
from slidetile.cohort.inputs.keys import LONGEST_KEY_BYTES, store_name, with_keys


def keys(slides, known=()):
    entries = with_keys([Entry(slide=Path(slide)) for slide in slides], dict(known))
    return [entry.key for entry in entries]


def test_a_key_is_the_name_and_what_tells_it_from_others():
    assert keys(["/s/a.svs", "/s/b.svs"]) == ["a", "b"]
    assert keys(["/s/a.svs", "/t/a.svs"]) == ["s_a", "t_a"]


def test_what_was_named_before_keeps_its_name():
    assert keys(["/s/a.svs"], {"/s/a.svs": "a"}) == ["a"]
    first, second = keys(["/s/a.svs", "/t/a.svs"], {"/s/a.svs": "a"})
    assert (first, second) == ("a", "t_a")


def test_no_name_of_another_slide_is_taken():
    (key,) = keys(["/t/a.svs"], {"/s/a.svs": "A"})
    assert key.startswith("a-")
    assert len(key) == len("a-") + 8
    assert keys(["/t/a.svs"], {"/s/a.svs": "A"}) == [key]  # whenever it is asked


def test_an_id_is_the_key():
    entries = [Entry(slide=Path("/s/a.svs"), id="b"), Entry(slide=Path("/s/b.svs"))]
    first, second = with_keys(entries, {})
    assert first.key == "b"
    assert second.key.startswith("b-")


def test_a_long_name_is_cut_and_stays_its_own():
    slides = [f"/s/{'é' * 120}{n}.svs" for n in range(3)]
    found = keys(slides)
    assert len(set(found)) == 3
    assert all(len(key.encode()) <= LONGEST_KEY_BYTES for key in found)
    assert all(key.startswith("é" * 90) for key in found)
    assert keys(slides[1:]) == found[1:]  # whatever else there is
    before = {slides[0]: "é" * 120}
    assert keys(slides[:1], before) == ["é" * 120]  # it never changes


def test_a_long_name_has_a_store_of_that_name(tmp_path):
    name = store_name(tmp_path / f"{'x' * 251}.svs")
    assert len(name) == LONGEST_KEY_BYTES + len(".zarr")
    assert store_name(tmp_path / "short.svs") == "short.zarr"


folders = st.sampled_from(["/s", "/t", "/s/u", "/t/u"])
names = st.sampled_from(["a.svs", "a.tiff", "A.svs", "b.svs", "a-1.svs"])
paths = st.lists(st.builds(os.path.join, folders, names), unique=True, max_size=12)


@given(before=paths, after=paths)
def test_adding_slides_renames_none_and_no_two_are_alike(before, after):
    known = dict(zip(before, keys(before), strict=True))
    both = list(dict.fromkeys([*after, *before]))
    found = dict(zip(both, keys(both, known), strict=True))
    assert {path: found[path] for path in before} == known
    assert len({key.casefold() for key in found.values()}) == len(found)


@given(slides=paths, data=st.data())
def test_the_order_of_slides_does_not_matter_but_for_case(slides, data):
    lower = [path for path in slides if path == path.lower()]
    shuffled = data.draw(st.permutations(lower))
    assert dict(zip(lower, keys(lower), strict=True)) == dict(
        zip(shuffled, keys(shuffled), strict=True)
    )
