"""Which tiles remain when not all are wanted."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slidetile.planning.subset import FRACTION_DECIMALS, draw, fullest, sampled
from slidetile.planning.tile_spec import TileSpec

ROWS, COLUMNS = (places.ravel() for places in np.indices((20, 30)))


def test_a_cells_number_is_the_digest_of_seed_column_and_row():
    for seed, column, row in [(0, 0, 0), (7, 29, 19), (2**63 - 1, 3, 1)]:
        packed = b"".join(n.to_bytes(8, "little", signed=True) for n in (seed, column, row))
        digest = hashlib.blake2b(packed, digest_size=8).digest()
        (number,) = draw(np.array([column]), np.array([row]), seed)
        assert number == int.from_bytes(digest, "little")


@given(st.permutations(range(40)), st.integers(0, 45), st.integers(0, 9))
def test_a_sample_depends_on_the_cells_and_not_on_their_order(order, count, seed):
    columns, rows = COLUMNS[:40], ROWS[:40]
    shuffled = np.array(order)
    straight = set(sampled(columns, rows, count, seed).tolist())
    found = sampled(columns[shuffled], rows[shuffled], count, seed)
    assert found.tolist() == sorted(found)
    assert set(shuffled[found].tolist()) == straight
    assert len(straight) == min(count, 40)


def test_a_cell_that_drops_out_makes_room_for_one_other():
    places = sampled(COLUMNS, ROWS, 50, 3)
    left = np.delete(np.arange(len(COLUMNS)), places[10])
    again = left[sampled(COLUMNS[left], ROWS[left], 50, 3)]
    assert len(set(places.tolist()) - set(again.tolist())) == 1


def test_the_fullest_are_kept_and_equals_are_drawn():
    fractions = np.full(len(COLUMNS), 0.5)
    fractions[[17, 400]] = 1.0
    fractions[3] = 0.4
    kept = fullest(COLUMNS, ROWS, fractions, 10)
    assert kept.tolist() == sorted(kept)
    assert {17, 400} <= set(kept.tolist())
    equals = np.flatnonzero(fractions == 0.5)
    drawn = equals[sampled(COLUMNS[equals], ROWS[equals], 8, 0)]
    assert set(kept.tolist()) == {17, 400, *drawn.tolist()}


def test_how_sums_round_chooses_no_tile():
    noise = np.random.default_rng(0).uniform(-1, 1, len(COLUMNS)) * 10.0 ** -(FRACTION_DECIMALS + 2)
    level = np.full(len(COLUMNS), 0.5)
    assert np.array_equal(
        fullest(COLUMNS, ROWS, level, 20), fullest(COLUMNS, ROWS, level + noise, 20)
    )


def test_numpys_integers_are_numbers_too():
    spec = TileSpec(size=np.int64(512), sample=np.int32(3), seed=np.uint8(7))
    assert [type(number) for number in (spec.size, spec.sample, spec.seed)] == [int] * 3
    with pytest.raises(TypeError):
        TileSpec(size=512.0)
