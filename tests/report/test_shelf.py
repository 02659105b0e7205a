"""Pictures in the page, and beside it."""

import base64

import pytest

from slidetile.cohort.report.shelf import PictureShelf

A, B, C = (bytes([65 + n]) * 300 for n in range(3))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_fits_stays_in_the_page(tmp_path):
    shelf = PictureShelf(tmp_path / "x_files", 1000)
    shelf.put("a", A)
    shelf.put("b", B)
    shelf.settle(200)
    assert dict(shelf.inlined()) == {"a": base64.b64encode(A), "b": base64.b64encode(B)}
    assert (shelf.address("a"), shelf.is_beside) == (None, False)
    shelf.clear()
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_beside_all_else_moves_out(tmp_path):
    shelf = PictureShelf(tmp_path / "x_files", 1000)
    shelf.put("a", A)
    shelf.settle(601)
    assert (list(shelf.inlined()), shelf.is_beside) == ([], True)
    assert (tmp_path / shelf.address("a")).read_bytes() == A


def test_too_many_pictures_move_out_at_once_and_are_not_held(tmp_path):
    shelf = PictureShelf(tmp_path / "x_files", 1000)
    for key, picture in (("a", A), ("b", B), ("c", C)):
        shelf.put(key, picture)
    assert list(shelf.inlined()) == []
    assert len(names(tmp_path / "x_files")) == 3
    assert (tmp_path / shelf.address("c")).read_bytes() == C
    assert shelf.address("d") is None


def test_equal_pictures_are_one_file(tmp_path):
    shelf = PictureShelf(tmp_path / "x_files", 0)
    shelf.put("a", A)
    shelf.put("b", A)
    assert shelf.address("a") == shelf.address("b")
    assert len(names(tmp_path / "x_files")) == 1


def test_pictures_of_earlier_reports_go_and_what_is_not_ours_stays(tmp_path):
    folder = tmp_path / "x_files"
    first = PictureShelf(folder, 0)
    first.put("a", A)
    first.put("b", B)
    (folder / "slide-mine.jpg").touch()
    second = PictureShelf(folder, 0)
    second.put("b", B)
    assert len(names(folder)) == 3  # until the new page is there
    second.clear()
    assert names(folder) == sorted(["slide-mine.jpg", second.address("b").split("/")[1]])
    third = PictureShelf(folder, 1000)
    third.put("b", B)
    third.clear()
    assert names(folder) == ["slide-mine.jpg"]


def test_a_picture_that_was_cut_short_is_written_again(tmp_path):
    shelf = PictureShelf(tmp_path / "x_files", 0)
    shelf.put("a", A)
    (tmp_path / shelf.address("a")).write_bytes(A[:5])
    again = PictureShelf(tmp_path / "x_files", 0)
    again.put("a", A)
    assert (tmp_path / again.address("a")).read_bytes() == A


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_foreign_thing_in_the_folders_place_is_refused(tmp_path, kind):
    place = tmp_path / "x_files"
    if kind == "file":
        place.touch()
    else:
        (tmp_path / "elsewhere").mkdir()
        place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError, match="x_files is no folder"):
        PictureShelf(place, 0)
