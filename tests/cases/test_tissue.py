"""Reports of tissue that is small or faint: microarrays, smears, clumps and biopsies."""

import math

import pytest
from cases.judging import sentence
from cases.origins import SLOW_SCRIPT

import slidetile as st

RADIUS_PX, PITCH_PX, FIRST_PX = 150, 730, 500
pytestmark = pytest.mark.slow

DROPPED = r"\b\d[\d,]*\b.*pieces?", r"\d[\d,.]* µm²", "--min-piece-area-um2"


@SLOW_SCRIPT
def test_23_every_core_of_a_microarray_and_no_glass(made, plan):
    planned = plan(made("23-tma-yellow") / "tma.svs")
    assert planned.exit_code == 0, planned.stderr
    centres = [
        (FIRST_PX + column * PITCH_PX, FIRST_PX + row * PITCH_PX)
        for row in range(8)
        for column in range(8)
        if (row, column) != (3, 3)
    ]
    assert planned.facts["tissue_pieces"] == len(centres) == 63
    for x, y in centres:
        assert len([box for box in planned.boxes if _lies_in_core(box, x, y)]) == 1, (x, y)
    area = len(centres) * math.pi * RADIUS_PX**2 / 6144**2
    assert planned.facts["tissue_fraction"] < 1.15 * area


@SLOW_SCRIPT
def test_23_every_core_has_its_name(made):
    with st.open_slide(made("23-tma-yellow") / "tma.svs") as slide:
        grid = st.find_cores(st.find_tissue(slide))
    assert (grid.rows, grid.columns) == (8, 8)
    missing = {(core.row, core.column) for core in grid.missing}
    assert missing == {(3, 3)}
    for core in grid:
        place = FIRST_PX + core.column * PITCH_PX, FIRST_PX + core.row * PITCH_PX
        assert math.dist(core.centre, place) < RADIUS_PX


def _lies_in_core(box, x, y):
    """Return whether a piece lies within a core and the rim, up to 100 µm, that windows add."""
    reach = RADIUS_PX + 48
    left, top, right, bottom = box
    is_within_columns = x - reach <= left <= right <= x + reach
    return is_within_columns and y - reach <= top <= bottom <= y + reach


@SLOW_SCRIPT
@pytest.mark.parametrize("name", ["smear", "clumps"])
def test_24_pieces_too_small_are_counted(made, plan, name):
    slide = made("24-cytology") / f"{name}.svs"
    planned = plan(slide)
    assert planned.exit_code == 0, planned.stderr
    every = plan(slide, "--min-piece-area-um2", 0)
    assert "--min-piece-area-um2" not in every.stderr
    dropped = every.facts["tissue_pieces"] - planned.facts["tissue_pieces"]
    assert dropped > 0
    told = sentence(planned.stderr, *DROPPED)
    assert f"{dropped:,}" in told or str(dropped) in told
    if not planned.tiles:
        sentence(planned.stderr, "no tissue")


@SLOW_SCRIPT
def test_24_a_needle_and_its_fragments(made, plan):
    planned = plan(made("24-cytology") / "biopsy.svs")
    assert planned.exit_code == 0, planned.stderr
    if planned.facts["tissue_pieces"] != 13:
        sentence(planned.stderr, *DROPPED)
    assert any(box[2] - box[0] == pytest.approx(7000, abs=200) for box in planned.boxes)
