"""`slidetile report`: what it says, and how it ends."""

import shutil

import pytest

import slidetile as st


@pytest.fixture
def folder(sample, tmp_path):
    st.tile_slides([sample], tmp_path / "stores")
    return tmp_path / "stores"


def test_all_is_well(cli, folder):
    result = cli("report", folder)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("slides         1\nfailed         0\n")
    assert f"report         {folder / 'report.html'} (" in result.stdout
    assert (folder / "report.html").is_file()


def test_tiles_that_could_not_be_read(cli, damaged_sample, tmp_path):
    st.tile_slides([damaged_sample], tmp_path / "stores")
    result = cli("report", tmp_path / "stores", "-o", tmp_path / "new" / "x.html")
    assert result.exit_code == 3
    assert "unreadable tiles  1 slide" in result.stdout
    assert (tmp_path / "new" / "x.html").is_file()


def test_a_damaged_store_is_told_and_the_page_written(cli, folder):
    (folder / "sample.zarr" / "tiles" / "tiles.parquet").unlink()
    result = cli("report", folder)
    assert result.exit_code == 1
    assert "failed         1" in result.stdout
    assert "could not be read" in (folder / "report.html").read_text()


def test_stores_without_a_table(cli, folder):
    (folder / "summary.csv").unlink()
    shutil.copytree(folder / "sample.zarr", folder / "again.zarr")
    result = cli("report", folder)
    assert (result.exit_code, result.stdout.split()[:2]) == (0, ["slides", "2"])


def test_what_is_there_is_not_replaced(cli, folder):
    (folder / "report.html").write_text("mine")
    result = cli("report", folder)
    assert result.exit_code == 1
    assert "is not a report of slidetile's" in result.stderr
