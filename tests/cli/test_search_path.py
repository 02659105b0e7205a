"""A command finds modules in the current folder; who calls a function keeps its search path."""

import sys

import pytest

from slidetile.cli.search_path import current_folder_searched


@pytest.fixture(autouse=True)
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != ""])
    return sys.path


def test_the_folder_comes_last_and_goes_again(path, tmp_path):
    before = list(path)
    with current_folder_searched():
        assert path == [*before, str(tmp_path)]
    assert path == before
    with pytest.raises(ZeroDivisionError), current_folder_searched():
        raise ZeroDivisionError
    assert path == before


def test_one_that_is_searched_anyway_stays(path, tmp_path):
    path.insert(0, str(tmp_path))
    before = list(path)
    with current_folder_searched():
        assert path == before
    assert path == before


def test_one_that_somebody_removes_is_not_missed(path, tmp_path):
    before = list(path)
    with current_folder_searched():
        path.remove(str(tmp_path))
    assert path == before


def test_a_detector_may_import_its_neighbours_while_it_works(cli, sample, path, tmp_path):
    (tmp_path / "neighbour_of_mine.py").write_text("BELOW = 200\n")
    (tmp_path / "lazy_of_mine.py").write_text(
        "def detect(image):\n"
        "    from neighbour_of_mine import BELOW\n"
        "    return image[..., 0] < BELOW\n"
    )
    before = list(path)
    result = cli("plan", sample, "--detector", "lazy_of_mine:detect", "--json")
    assert result.exit_code == 0, result.output
    assert path == before
    for name in ("neighbour_of_mine", "lazy_of_mine"):
        del sys.modules[name]
