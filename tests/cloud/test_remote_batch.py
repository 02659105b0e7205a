"""A batch of slides in a bucket: by a prefix, by name, by a manifest."""

import csv

import pytest

import slidetile as st
from slidetile.cloud.objects import remove_objects, write_object
from slidetile.store.store import open_store


@pytest.fixture
def cohort(lab, sample, shared_slides):
    """A prefix with a TIFF, a DICOM series and what is no slide."""
    home = lab.home / "cohort"
    write_object(home / "a" / "one.svs", [sample.read_bytes()])
    write_object(home / "b" / "one.svs", [sample.read_bytes()])
    write_object(home / "notes.txt", [b"of the lab"])
    write_object(home / "made.zarr" / "zarr.json", [b"{}"])
    for path in (shared_slides / "dicom-CMU-1-Small-Region").iterdir():
        write_object(home / "series" / path.name, [path.read_bytes()])
    lab.proxy.clear()
    return home


def statuses(cli, *arguments):
    done = cli("batch", *arguments, "--json")
    assert done.exit_code == 0, done.output
    return done


def rows(folder):
    with (folder / "summary.csv").open() as file:
        return {row["key"]: row for row in csv.DictReader(file)}


def test_a_prefix_stands_for_its_slides(cli, cohort, sample, tmp_path, tree):
    out = tmp_path / "out"
    done = statuses(cli, cohort, "-o", out, "--workers", 1)
    found = rows(out)
    assert len(found) == 3
    assert {row["status"] for row in found.values()} == {"ok"}
    assert {"a_one", "b_one"} < set(found)
    assert found["a_one"]["slide"] == str(cohort / "a" / "one.svs")
    assert "since they are no slides: 1 (.txt 1)" in done.stderr
    here = tmp_path / "one.svs"
    here.write_bytes(sample.read_bytes())
    st.tile_slide(here, tmp_path / "here.zarr")
    assert tree(out / "a_one.zarr") == tree(tmp_path / "here.zarr")


def test_a_second_run_finds_all_done_with_few_requests(cli, lab, cohort, tmp_path):
    out = tmp_path / "out"
    statuses(cli, cohort / "a", "-o", out)
    lab.proxy.clear()
    done = cli("batch", cohort / "a", "-o", out)
    assert "already done" in done.output
    assert len(lab.proxy.of("GET", "HEAD")) <= 6
    assert lab.proxy.fetched_bytes < 3 << 20


def test_a_slide_that_was_replaced_is_made_anew(cli, cohort, long_slide, tmp_path):
    out = tmp_path / "out"
    statuses(cli, cohort / "a", "-o", out)
    before = open_store(out / "one.zarr").metadata.source.fingerprint
    write_object(cohort / "a" / "one.svs", [long_slide.read_bytes()])
    statuses(cli, cohort / "a", "-o", out)
    assert open_store(out / "one.zarr").metadata.source.fingerprint != before


def test_a_manifest_may_list_addresses_and_files(cli, cohort, sample, tmp_path):
    manifest = tmp_path / "slides.csv"
    manifest.write_text(f"path,id\n{cohort / 'a' / 'one.svs'},far\n{sample},near\n")
    statuses(cli, manifest, "-o", tmp_path / "out")
    assert {key: row["status"] for key, row in rows(tmp_path / "out").items()} == {
        "far": "ok",
        "near": "ok",
    }


def test_an_address_that_is_none_is_told_with_its_line(cli, tmp_path):
    manifest = tmp_path / "slides.csv"
    manifest.write_text("path\nftp://host/a.svs\n")
    done = cli("batch", manifest, "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert "line 2 has an address that is none: ftp:// is not read" in done.stderr


def test_what_is_gone_fails_by_itself(cli, cohort, tmp_path):
    remove_objects([cohort / "a" / "one.svs"])
    done = cli("batch", cohort / "a" / "one.svs", cohort / "b" / "one.svs", "-o", tmp_path / "out")
    assert done.exit_code == 1
    found = rows(tmp_path / "out")
    assert sorted(row["status"] for row in found.values()) == ["failed", "ok"]
    assert "no such object" in "".join(row["reason"] for row in found.values())


def test_a_dry_run_tells_what_it_would_do(cli, cohort, tmp_path):
    done = cli("batch", cohort / "a", "-o", tmp_path / "out", "--dry-run")
    assert done.exit_code == 0, done.output
    assert "tile" in done.output
    assert not (tmp_path / "out").exists()
