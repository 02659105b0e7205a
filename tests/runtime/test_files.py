"""`write_whole`: a file is whole or as it was, and nothing else is left behind."""

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from slidetile.runtime.files import (
    MOST_PARTS,
    TEMPORARY_SUFFIX,
    open_regular,
    read_regular,
    sync,
    write_whole,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.bin"


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b"abc"],
        [b"ab", b"", b"c"],
        [bytes([n % 256]) * (n % 7) for n in range(3 * MOST_PARTS + 1)],
        [b"a" * 5_000_000, b"b" * 3],
    ],
    ids=["none", "one", "one is empty", "many", "long"],
)
@pytest.mark.parametrize("durable", [False, True])
def test_parts_follow_each_other(path, parts, durable):
    write_whole(path, parts, durable=durable)
    assert path.read_bytes() == b"".join(parts)
    assert os.listdir(path.parent) == [path.name]  # noqa: PTH208  names only


def test_parts_may_be_made_while_they_are_written(path):
    write_whole(path, (str(n).encode() for n in range(2000)))
    assert path.read_bytes() == "".join(map(str, range(2000))).encode()


def test_the_permissions_are_those_of_any_new_file(path, tmp_path):
    write_whole(path, [b"new"])
    (tmp_path / "other").touch()
    modes = {stat.S_IMODE(p.stat().st_mode) for p in (path, tmp_path / "other")}
    assert len(modes) == 1


def refuse():
    raise KeyboardInterrupt


def break_off():
    yield b"a part"
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("parts", "options", "error"),
    [
        (break_off, {}, ZeroDivisionError),
        (lambda: [b"all"], {"before_rename": refuse}, KeyboardInterrupt),
        (lambda: ["text"], {}, TypeError),
    ],
    ids=["the parts", "what is asked before the rename", "no bytes"],
)
@pytest.mark.parametrize("before", [None, b"before"])
def test_an_error_leaves_everything_as_it_was(path, parts, options, error, before):
    if before is not None:
        path.write_bytes(before)
    with pytest.raises(error):
        write_whole(path, parts(), **options)
    assert [p.read_bytes() for p in path.parent.iterdir()] == ([] if before is None else [before])


def test_a_name_as_long_as_may_be_can_be_written(tmp_path):
    path = tmp_path / ("x" * os.pathconf(tmp_path, "PC_NAME_MAX"))
    write_whole(path, [b"all"])
    assert path.read_bytes() == b"all"


def test_a_folder_in_its_place_stays(path):
    path.mkdir()
    with pytest.raises(OSError, match=r"x\.bin"):
        write_whole(path, [b"all"])
    assert os.listdir(path.parent) == [path.name]  # noqa: PTH208  names only


def test_a_file_cut_off_by_the_system_is_written_on_or_refused(path, tmp_path):
    """A write may end early: the rest follows, or the error that comes next is raised."""
    code = (
        "import signal, sys; from pathlib import Path;"
        "from slidetile.runtime.files import write_whole;"
        "write_whole(Path(sys.argv[1]), [b'a' * 600, b'b' * 600])"
    )

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    done = subprocess.run(
        [sys.executable, "-B", "-c", code, path],
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=limit,
    )
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_two_that_write_the_same_path_do_not_disturb_each_other(path):
    contents = [bytes([n]) * 100_000 for n in range(4)]
    seen, done = [], threading.Event()

    def watch():
        while not done.is_set():
            if path.exists():
                seen.append(path.read_bytes())

    def write(content):
        for _ in range(20):
            write_whole(path, [content[:1000], content[1000:]])

    watcher = threading.Thread(target=watch)
    writers = [threading.Thread(target=write, args=[content]) for content in contents]
    for thread in (watcher, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    watcher.join()
    assert {*seen, path.read_bytes()} <= set(contents)
    assert list(path.parent.iterdir()) == [path]


def test_what_a_killed_process_leaves_is_known_by_its_suffix(path):
    code = (
        "import os, sys; from pathlib import Path; from slidetile.runtime.files import write_whole;"
        "write_whole(Path(sys.argv[1]), [b'all'], before_rename=lambda: os._exit(9))"
    )
    done = subprocess.run([sys.executable, "-c", code, path], check=False)
    assert done.returncode == 9
    (left,) = path.parent.iterdir()
    assert left.name.endswith(TEMPORARY_SUFFIX)
    write_whole(path, [b"all"])
    assert path.read_bytes() == b"all"


def test_files_and_folders_can_be_synced(path):
    write_whole(path, [b"all"])
    sync(path)
    sync(path.parent)


def test_what_is_no_file_is_not_opened(tmp_path):
    """A pipe, most of all: opened as a file is, it would wait for a writer for ever."""
    os.mkfifo(tmp_path / "pipe")
    before = len(list(Path("/dev/fd").iterdir()))
    for path in (tmp_path, tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(OSError, match="not a regular file"):
            open_regular(path)
    assert len(list(Path("/dev/fd").iterdir())) <= before  # other tests' threads may have ended


def test_links_are_followed_where_they_may_be(path):
    path.write_bytes(b"0123456789")
    link = path.with_name("link")
    link.symlink_to(path)
    assert read_regular(link, 4) == b"0123"
    assert read_regular(path, 99) == b"0123456789"
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        open_regular(link, follows_links=False)
