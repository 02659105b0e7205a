"""One folder replaced by another: at any moment one of them has the name."""

import errno

import pytest

from slidetile.runtime import exchange as module
from slidetile.runtime.exchange import exchange, replace_folder


@pytest.fixture
def folders(tmp_path):
    """A new folder, the old one, and where the old one goes."""
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "which").write_text(name)
    return tmp_path / "new", tmp_path / "old", tmp_path / "aside"


def which(folder):
    return (folder / "which").read_text()


def without_exchange(monkeypatch):
    monkeypatch.setattr(module, "_system_call", lambda: None)


@pytest.mark.parametrize("can_exchange", [True, False])
def test_the_new_one_gets_the_name(folders, monkeypatch, can_exchange):
    new, old, aside = folders
    if not can_exchange:
        without_exchange(monkeypatch)
    replace_folder(new, old, aside)
    assert (which(old), which(aside), new.exists()) == ("new", "old", False)


def test_an_exchange_is_one_step(folders):
    new, old, _ = folders
    if not exchange(new, old):
        pytest.skip("this file system does not exchange names")
    assert (which(new), which(old)) == ("old", "new")


def test_what_cannot_be_exchanged_is_an_error(folders, tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        exchange(tmp_path / "none", folders[1])
    assert which(folders[1]) == "old"


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EINVAL, errno.EPERM])
def test_a_system_that_does_not_know_it_says_no(folders, monkeypatch, number):
    def refuse(_one, _other):
        module.ctypes.set_errno(number)
        return -1

    monkeypatch.setattr(module, "_system_call", lambda: refuse)
    assert not exchange(*folders[:2])
    replace_folder(*folders)
    assert which(folders[1]) == "new"


def test_two_steps_of_which_the_second_fails_are_taken_back(folders, tmp_path, monkeypatch):
    without_exchange(monkeypatch)
    _, old, aside = folders
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "none", old, aside)
    assert (which(old), aside.exists()) == ("old", False)


def test_an_exchange_is_taken_back_where_the_old_one_cannot_be_put_aside(folders):
    new, old, aside = folders
    aside.mkdir()
    (aside / "another").write_text("s")
    with pytest.raises(OSError, match="not empty"):
        replace_folder(new, old, aside)
    assert (which(new), which(old)) == ("new", "old")
