"""The report of a cohort in a bucket: that of the same cohort on a disk."""

import json

import pytest
import report_slides
from object_storage import OPTIONS

from slidetile.cloud.objects import (
    object_exists,
    objects_below,
    read_object,
    remove_objects,
    write_object,
)
from slidetile.cohort.report.report import write_report
from slidetile.errors import CohortError, StoreExistsError

MOST_REQUESTS_A_SLIDE = 13
"""Two to know its store by, three and a listing to bind it, the table, its one level, and five for
its two pictures."""


@pytest.fixture
def cohort(faulty_copy, lab):
    """The cohort with faults, on a disk and in a bucket."""
    note = {"slidetile": {"version": 1}}
    (faulty_copy / "begun.zarr.partial" / "unfinished.json").write_text(json.dumps(note))
    return faulty_copy, lab.put(faulty_copy)


def names(prefix):
    return {each.key[len(prefix.key) + 1 :] for each, _ in objects_below(prefix)}


def test_it_is_that_of_the_same_cohort_on_a_disk(cohort):
    here, there = cohort
    local, remote = write_report(here), write_report(there)
    assert remote.path == there / "report.html"
    both = [{each["key"]: each for each in told.facts["slides"]} for told in (local, remote)]
    # A file that is not there is told in other words.
    assert "level.zarr/1/zarr.json" in both[0]["level"].pop("problem")
    assert "level.zarr/1/zarr.json" in both[1]["level"].pop("problem")
    assert both[0] == both[1]
    assert local.facts["totals"] == remote.facts["totals"]
    page = read_object(remote.path, 1 << 24)
    assert len(page) == remote.size_bytes
    assert page.count(b'<script type="text/plain"') == 3


def test_the_same_bytes_where_nothing_is_wrong(lab, tmp_path):
    folder = tmp_path / "cohort"
    for name in ("a", "b", "c"):
        report_slides.small_store(folder / f"{name}.zarr")
    remote = write_report(lab.put(folder))
    assert read_object(remote.path, 1 << 24) == write_report(folder).path.read_bytes()


def test_a_page_and_its_pictures_lie_where_asked_for(cohort, lab, tmp_path):
    here, there = cohort
    local = write_report(there, tmp_path / "new" / "x.html", most_page_bytes=100_000)
    assert local.pictures == tmp_path / "new" / "x_files"
    assert not object_exists(there / "report.html")
    remote = write_report(here, lab.home / "pages" / "x.html", most_page_bytes=100_000)
    assert remote.pictures == lab.home / "pages" / "x_files"
    pictures = {path.name: path.read_bytes() for path in local.pictures.iterdir()}
    assert lab.tree(remote.pictures) == pictures
    facts = {each["picture_path"] for each in remote.facts["slides"]} - {None}
    assert facts == {f"x_files/{name}" for name in pictures}
    assert names(lab.home / "pages") == {"x.html", *facts}


def test_pictures_that_are_there_are_not_written_again_and_old_ones_go(cohort, lab):
    _, there = cohort
    first = write_report(there, most_page_bytes=0)
    write_object(first.pictures / "slide-mine.jpg", [b"mine"])
    before = names(first.pictures)
    lab.proxy.clear()
    write_report(there, most_page_bytes=0)
    assert names(first.pictures) == before
    assert [each.key for each in lab.proxy.of("PUT", ending=".jpg")] == []
    whole = write_report(there)
    assert whole.pictures is None
    assert names(first.pictures) == {"slide-mine.jpg"}


def test_a_slide_takes_a_bounded_number_of_requests(lab, tmp_path):
    report_slides.small_store(tmp_path / "0.zarr")
    counts = []
    for count in (2, 6):
        cohort = lab.home / f"{count}"
        for number in range(count):
            lab.put(tmp_path / "0.zarr", f"{count}/{number}.zarr")
        write_report(cohort)
        counts.append(len(lab.proxy.requests))
        assert lab.proxy.fetched_bytes < count * 200_000
        assert lab.proxy.most_at_once <= 64
    assert (counts[1] - counts[0]) / 4 <= MOST_REQUESTS_A_SLIDE


def test_only_a_report_is_replaced_and_none_lies_in_a_store(cohort):
    _, there = cohort
    write_object(there / "report.html", [b"<!doctype html>\n<p>my own"])
    with pytest.raises(FileExistsError, match="is not a report of slidetile's"):
        write_report(there)
    with pytest.raises(StoreExistsError, match="lies in the store"):
        write_report(there, there / "damaged.zarr" / "x.html")
    assert read_object(there / "report.html", 100) == b"<!doctype html>\n<p>my own"


def test_stores_that_are_not_finished_are_so_told(lab, tmp_path):
    report_slides.small_store(tmp_path / "a.zarr")
    there = lab.put(tmp_path / "a.zarr", "cohort/a.zarr").parent
    begun = lab.put(tmp_path / "a.zarr", "cohort/begun.zarr")
    lost = lab.put(tmp_path / "a.zarr", "cohort/lost.zarr")
    remove_objects([begun / "zarr.json", lost / "zarr.json"])
    write_object(begun / "unfinished.json", [b'{"slidetile": {}}'])
    facts = write_report(there).facts
    told = {each["key"]: (each["status"], each["problem"]) for each in facts["slides"]}
    assert told["a"] == ("ok", None)
    assert told["begun"][0] == "unfinished"
    assert told["begun"][1].startswith("begun.zarr is an unfinished store")
    assert told["lost"] == (
        "damaged store",
        "lost.zarr has lost its zarr.json: it is a damaged store.",
    )


def test_the_command_takes_addresses_and_options(cohort, lab, cli):
    _, there = cohort
    pairs = [f"--storage-option={key}={value}" for key, value in OPTIONS.items()]
    pairs.append(f"--storage-option=endpoint={lab.proxy.endpoint}")
    done = cli("report", there, "--json", *pairs)
    assert done.exit_code == 1
    facts = json.loads(done.stdout)
    assert facts["report_path"] == str(there / "report.html")
    assert facts["folder_path"] == str(there)
    assert facts["report_bytes"] == len(read_object(there / "report.html", 1 << 24))
    assert OPTIONS["secret_access_key"] not in done.output


def test_where_nothing_is_to_report_it_is_said(lab):
    with pytest.raises(Exception, match="nothing to report"):
        write_report(lab.home / "none")
    assert not object_exists(lab.home / "none" / "report.html")
    with pytest.raises(CohortError, match="cannot be listed"):
        write_report(type(lab.home).parse("https://127.0.0.1:1/cohort"), lab.home / "x.html")
