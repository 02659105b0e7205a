"""The report as a whole: its bytes, where it is written, and what it never replaces."""

import shutil

import pytest
import report_slides

from slidetile.cohort.report.report import write_report
from slidetile.errors import StoreExistsError


def test_the_same_folder_gives_the_same_bytes(faulty_copy, tmp_path):
    first = write_report(faulty_copy).path.read_bytes()
    assert write_report(faulty_copy, workers=1).path.read_bytes() == first
    moved = shutil.move(faulty_copy, tmp_path / "elsewhere" / "cohort")
    (moved / "report.html").unlink()
    assert write_report(moved, tmp_path / "x.html").path.read_bytes() == first


def test_it_lies_in_the_folder_with_nothing_beside_it(faulty_copy):
    before = {path.name for path in faulty_copy.iterdir()}
    report = write_report(faulty_copy)
    assert {path.name for path in faulty_copy.iterdir()} - before == {"report.html"}
    assert (report.path, report.pictures) == (faulty_copy / "report.html", None)
    assert report.facts["totals"]["failed"] == 6


def test_it_tells_how_far_it_is(faulty_copy):
    told = []
    write_report(faulty_copy, on_read=lambda *numbers: told.append(numbers))
    assert told == [(number, 8) for number in range(1, 9)]


def test_a_report_is_no_slide_of_the_next(faulty_copy):
    first = write_report(faulty_copy, most_page_bytes=0)
    assert write_report(faulty_copy, most_page_bytes=0).facts == first.facts


def test_pictures_lie_beside_a_page_that_would_be_too_large(faulty_copy, tmp_path):
    report = write_report(faulty_copy, tmp_path / "page.html", most_page_bytes=100_000)
    assert report.pictures == tmp_path / "page_files"
    addresses = [slide["picture_path"] for slide in report.facts["slides"]]
    assert len([address for address in addresses if address is not None]) == 3
    for address in filter(None, addresses):
        assert (tmp_path / address).read_bytes().startswith(b"\xff\xd8\xff")
    assert report.path.stat().st_size < 100_000
    whole = write_report(faulty_copy, tmp_path / "page.html")
    assert (whole.pictures, report.pictures.exists()) == (None, False)
    assert whole.path.stat().st_size > 100_000


def test_only_a_report_is_replaced(faulty_copy):
    page = faulty_copy / "report.html"
    page.write_text("<!doctype html>\n<p>my own")
    with pytest.raises(FileExistsError, match="is not a report of slidetile's"):
        write_report(faulty_copy)
    assert page.read_text() == "<!doctype html>\n<p>my own"


def test_no_report_is_written_into_a_store(tmp_path):
    store = report_slides.small_store(tmp_path / "x.zarr")
    with pytest.raises(StoreExistsError, match="lies in the store"):
        write_report(tmp_path, store.path / "report.html")


def test_nothing_is_left_behind_where_there_is_nothing_to_report(tmp_path):
    with pytest.raises(Exception, match="nothing to report"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []
