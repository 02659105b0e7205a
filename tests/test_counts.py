"""A number of things in words."""

import pytest

from slidetile.counts import how_many


@pytest.mark.parametrize(
    ("count", "things", "words"),
    [
        (0, "tiles", "0 tiles"),
        (1, "tiles", "1 tile"),
        (2989, "tiles", "2,989 tiles"),
        (1, "pieces of tissue", "1 piece of tissue"),
        (1, "annotated areas of slides.xml", "1 annotated area of slides.xml"),
        (2, "areas of the class Necrosis", "2 areas of the class Necrosis"),
        (1, "times", "1 time"),
    ],
)
def test_how_many(count, things, words):
    assert how_many(count, things) == words
