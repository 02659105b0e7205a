"""Shares of classes in regions, to the pixel: compared with masks that are counted."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import slidetile
from slidetile.raster import rectangles as sums
from slidetile.raster.class_areas import MOST_CLASSES, NO_CLASS, ClassAreas

SIZE = (50, 40)
NONE = np.empty((0, 2), np.int32)


def areas_of(masks, points=None):
    """Classes a, b, … of masks, each pixel a rectangle of its own."""
    found = []
    for mask in masks:
        rows, columns = np.nonzero(mask)
        found.append(np.stack([columns, rows, columns + 1, rows + 1], 1).astype(np.int32))
    names = tuple("abcdef"[: len(masks)])
    points = points or [NONE] * len(masks)
    return ClassAreas(names=names, size=SIZE, rectangles=tuple(found), points=tuple(points))


EDGES = st.lists(
    st.tuples(*[st.integers(-10, 60)] * 4).map(
        lambda box: (*np.minimum(box[:2], box[2:]), *np.maximum(box[:2], box[2:]))
    ),
    max_size=30,
)


@given(EDGES, st.integers(0, 9), st.sampled_from([1, 60, 1 << 15]))
def test_shares_are_those_of_counted_pixels(edges, seed, few):
    rng = np.random.default_rng(seed)
    masks = rng.random((2, *SIZE[::-1])) < 0.3
    points = rng.integers(0, 40, (9, 2)).astype(np.int32)
    areas = areas_of(masks, [points, NONE])
    regions = np.array(edges, np.int64).reshape(-1, 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sums, "_MOST_CELLS", few)
        shares, counts = areas.fractions(regions), areas.counts(regions)
    assert shares.dtype == np.float64
    for (left, top, right, bottom), share, count in zip(
        regions.tolist(), shares, counts, strict=True
    ):
        rows, columns = (slice(max(0, a), max(0, b)) for a, b in ((top, bottom), (left, right)))
        under = masks[:, rows, columns]
        whole = under[0].size
        assert share.tolist() == [each.sum() / whole if whole else 0 for each in under]
        held = (points >= (left, top)) & (points < (right, bottom))
        assert count.tolist() == [held.all(axis=1).sum(), 0]


def test_regions_may_be_regions():
    areas = areas_of([np.ones(SIZE[::-1], bool)])
    inside, half, beyond = (slidetile.Region(x=x, y=0, width=10, height=10) for x in (0, 45, 60))
    assert areas.fractions([inside, half, beyond]).tolist() == [[1], [1], [0]]
    assert areas.fractions([]).shape == (0, 1)
    assert areas.areas_px.tolist() == [50 * 40]


def test_tall_rectangles_are_found_from_any_row():
    tall = np.array([[10, 0, 20, 100_000]], np.int32)
    areas = ClassAreas(names=("a",), size=(30, 100_000), rectangles=(tall,), points=(NONE,))
    tops = np.arange(0, 99_000, 977)
    regions = np.stack([tops * 0 + 5, tops, tops * 0 + 15, tops + 100], axis=1)
    assert (areas.fractions(regions) == 0.5).all()


def test_the_largest_share_wins_and_of_equals_the_first_name():
    areas = areas_of(np.zeros((3, *SIZE[::-1]), bool))
    shares = np.array([[0, 0, 0], [0.2, 0.3, 0.1], [0.3, 0.1, 0.3], [0, 1e-9, 0]])
    assert areas.winning(shares).tolist() == [NO_CLASS, 1, 0, 1]
    assert areas.winning(shares, least=0.3).tolist() == [NO_CLASS, 1, 0, NO_CLASS]


def test_what_cannot_be_is_refused():
    one = np.array([[0, 0, 5, 5]], np.int32)
    with pytest.raises(ValueError, match="sorted, each once"):
        ClassAreas(names=("b", "a"), size=SIZE, rectangles=(one, one), points=(NONE, NONE))
    names = tuple(sorted(map(str, range(MOST_CLASSES + 1))))
    with pytest.raises(ValueError, match=f"at most {MOST_CLASSES}"):
        ClassAreas(names=names, size=SIZE, rectangles=(), points=())
    with pytest.raises(ValueError, match="one of each for each class"):
        ClassAreas(names=("a",), size=SIZE, rectangles=(one, one), points=(NONE,))
    with pytest.raises(ValueError, match="reaches beyond"):
        ClassAreas(names=("a",), size=SIZE, rectangles=(one + 48,), points=(NONE,))
    beyond = np.array([[50, 0]], np.int32)
    with pytest.raises(ValueError, match="point lies outside"):
        ClassAreas(names=("a",), size=SIZE, rectangles=(one,), points=(beyond,))


def test_it_travels_without_what_is_made_from_it():
    areas = areas_of([np.eye(40, 50, dtype=bool)])
    before = len(pickle.dumps(areas))
    areas.fractions([slidetile.Region(x=0, y=0, width=9, height=9)])
    again = pickle.loads(pickle.dumps(areas))  # noqa: S301
    assert len(pickle.dumps(areas)) == before
    assert again == areas
    assert again != areas_of([np.zeros((40, 50), bool)])
