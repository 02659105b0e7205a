"""A JSON file's values one after another: those of the whole file, however it is cut."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import slidetile as sl
from slidetile.annotations import _json_stream
from slidetile.annotations._json_stream import JsonStream

keys = st.text(max_size=3)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
spaces = st.sampled_from([None, 0, 3])


class Trickle(io.StringIO):
    """A file that gives a few characters at a time, whatever is asked for."""

    def read(self, _=-1):
        return super().read(3)


@given(st.lists(values, max_size=5), spaces)
def test_elements_are_those_of_the_array(elements, indent):
    stream = JsonStream(Trickle(json.dumps(elements, indent=indent)))
    assert list(stream.elements()) == elements
    stream.end()


@given(st.dictionaries(st.text(max_size=3), values, max_size=5), spaces)
def test_members_are_those_of_the_object(members, indent):
    stream = JsonStream(Trickle(json.dumps(members, indent=indent)))
    assert [(key, stream.value()) for key in stream.members()] == list(members.items())
    stream.end()


@pytest.mark.parametrize(
    "text",
    [
        "12345678",
        "[1.5, 2e9, -3]",
        pytest.param(
            "-1.5e10",
            marks=pytest.mark.xfail(reason="a file read on right behind a point loses the rest"),
        ),
    ],
)
def test_a_number_cut_in_two_is_one_number(text):
    assert JsonStream(Trickle(text)).value() == json.loads(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2", "its end at character 5 where ',' is due"),
        ("[1 2]", "'2' at character 3 where ',' is due"),
        ("[1] x", "something follows its JSON: 'x'"),
        ("[nope]", "no JSON at character"),
        ("[NaN]", "holds NaN"),
        ("", r"its end at character 0 where '\[' is due"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text, message):
    def walk(stream):
        list(stream.elements())
        stream.end()

    with pytest.raises(sl.AnnotationError, match=message):
        walk(JsonStream(io.StringIO(text)))


def test_a_key_is_text():
    with pytest.raises(sl.AnnotationError, match="has 1 for a key"):
        list(JsonStream(io.StringIO("{1: 2}")).members())


def test_a_value_longer_than_the_limit_is_not_held(monkeypatch):
    monkeypatch.setattr(_json_stream, "LARGEST_VALUE", 100)
    short, long = json.dumps("x" * 90), json.dumps("x" * 200)
    assert JsonStream(Trickle(short)).value() == "x" * 90
    with pytest.raises(sl.AnnotationError, match="longer than"):
        JsonStream(Trickle(long)).value()
