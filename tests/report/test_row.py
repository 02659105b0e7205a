"""What is taken from the tables of a batch, whatever is in them."""

import pytest

from slidetile.cohort.report.row import CohortRow, recorded_rows
from slidetile.errors import SlidetileError


def test_rows_are_those_of_the_batch(faulty):
    rows = {row.key: row for row in recorded_rows(faulty)}
    assert {"bad", "damaged", "lost", "table", "overview", "level"} < set(rows)
    bad = rows["bad"]
    assert bad.has_failed
    assert bad.error_type == "UnsupportedSlideError"
    assert bad.slide.endswith("/bad.svs")
    assert rows["damaged"].status == "unreadable tiles"
    assert rows["damaged"].seconds > 0


def test_a_folder_without_a_table_has_none(tmp_path):
    assert recorded_rows(tmp_path) == []


def test_other_columns_are_those_of_the_manifest():
    row = CohortRow.of({"key": "a", "tiles": 3, "stain": "H&E", "block": None, "block 2": 7})
    assert row.more == (("stain", "H&E"), ("block 2", "7"))


@pytest.mark.parametrize("value", ["", None, "much", float("nan"), -1, float("inf"), [1]])
def test_what_is_no_number_is_unknown(value):
    row = CohortRow.of({"key": "a", "seconds": value, "attempts": value})
    assert (row.seconds, row.attempts) == (None, None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, ()), ("", ()), ("one", ("one",)), (["a", 2], ("a", "2")), (3, ())],
)
def test_warnings_are_texts(value, expected):
    assert CohortRow.of({"key": "a", "warnings": value}).warnings == expected


def test_slides_of_one_name_keep_their_rows(tmp_path):
    table = "slide,status,store,reason\n/a/x.svs,failed,,one\n/b/x.svs,failed,,two\n"
    (tmp_path / "summary.csv").write_text(table)
    assert [row.reason for row in recorded_rows(tmp_path)] == ["one", "two"]
    assert len({row.key for row in recorded_rows(tmp_path)}) == 2


def test_a_table_that_is_none_is_refused(tmp_path):
    (tmp_path / "summary.csv").write_text(f"slide,status,store\n{'x' * 200_000},ok,\n")
    with pytest.raises(SlidetileError, match="is no CSV table"):
        recorded_rows(tmp_path)
