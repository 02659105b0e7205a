"""The standard streams: closed, gone, or with text in them that would command a terminal."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

import slidetile as st

PATIENCE_S = 120
PROGRAM = f"{sys.executable} -c 'from slidetile.cli.commands import main; main()'"


def shell(line, folder):
    """Run a line of the shell, in which $P is the program; return its exit code and outputs."""
    done = subprocess.run(
        ["bash", "-c", line.replace("$P", PROGRAM)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("name", ["tile", "batch"])
def test_closed_streams_lose_nothing(sample, tree, tmp_path, name, closed):
    out = {"tile": "out/sample.zarr", "batch": "out"}[name]
    code, _, errors = shell(f"$P {name} {sample} -o {out} {closed}", tmp_path)
    assert (code, "Traceback" in errors) == (0, False)
    st.tile_slide(sample, tmp_path / "known.zarr")
    assert tree(tmp_path / "out" / "sample.zarr") == tree(tmp_path / "known.zarr")


def test_nobody_reads_the_errors_and_the_batch_goes_on(sample, tmp_path):
    line = f"{{ sleep 0.2; $P batch {sample} none.svs -o out > told; echo $? > code; }} 2>&1 | true"
    shell(line, tmp_path)
    assert (tmp_path / "code").read_text() == "1\n"
    assert "summary: out/summary.csv" in (tmp_path / "told").read_text()
    assert len(st.open_store(tmp_path / "out" / "sample.zarr"))


def test_a_full_disk_for_the_errors_ends_nothing(sample, tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    assert shell(f"$P tile {sample} -o x.zarr 2> /dev/full", tmp_path)[0] == 0
    assert len(st.open_store(tmp_path / "x.zarr"))
    for more in ("", "--json"):
        code, _, errors = shell(f"$P info {sample} {more} > /dev/full", tmp_path)
        assert (code, errors.count("\n")) == (4, 1)
        assert errors.startswith("error: the standard output could not be written: No space left")


@pytest.mark.parametrize("more", ["", "--json"])
def test_a_full_disk_for_the_output_fails_no_slide(sample, tmp_path, more):
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    for _ in range(2):  # made, and already done
        line = f"$P batch {sample} -o out {more} > /dev/full"
        code, _, errors = shell(line, tmp_path)
        assert code == 4
        assert "error: the standard output could not be written" in errors
        assert "failed" not in errors
    assert len(st.open_store(tmp_path / "out" / "sample.zarr"))
    assert ",already done," in (tmp_path / "out" / "summary.csv").read_text()


def test_what_a_detector_prints_is_no_part_of_the_document(sample, tmp_path):
    (tmp_path / "loud.py").write_text(
        "import os\n"
        "def detect(image):\n"
        "    print('tissue!', flush=True)\n"
        "    os.write(1, b'from a library\\n')\n"
        "    return image[..., 0] < 200\n"
    )
    for name, out in (("tile", "x.zarr"), ("batch", "out")):
        line = f"$P {name} {sample} -o {out} --detector loud:detect --json"
        code, output, errors = shell(line, tmp_path)
        assert code == 0
        json.loads(output)
        assert "tissue!\nfrom a library\n" in errors


EVIL = "a\x1b]0;owned\x07\x1b[2J\r\u202egnp\nerror: b.svs"
SAFE = "a\\x1b]0;owned\\x07\\x1b[2J\\r\\u202egnp\\nerror: b"


@pytest.fixture
def evil(sample, tmp_path):
    """A folder with a slide whose name commands a terminal."""
    folder = tmp_path / "evil"
    folder.mkdir()
    (folder / EVIL).write_bytes(sample.read_bytes())
    (folder / EVIL.replace("b.svs", "bad.svs")).write_text("no slide")
    return folder


@pytest.mark.parametrize(
    "line", ["info .", "-v info .", "-v batch . -o ../out", "tile {} -o ../{}.zarr", "plan {} --no"]
)
def test_no_name_commands_a_terminal(evil, line):
    words = [word.replace("{}", EVIL) for word in line.split()]
    program = [sys.executable, "-c", "from slidetile.cli.commands import main; main()"]
    done = subprocess.run(
        [*program, *words], cwd=evil, capture_output=True, check=False, timeout=PATIENCE_S
    )
    told = (done.stdout + done.stderr).decode()
    assert SAFE in told or "No such option" in told
    assert not set("\x1b\x07\r\u202e") & set(told)
    assert "\nerror: b.svs" not in told


def test_a_slides_own_words_command_no_terminal(cli, tmp_path):
    path = tmp_path / "x.ome.tif"
    pixels = np.zeros((64, 64, 3), np.uint8)
    scenes = [f"one{EVIL}", "two"]
    with tifffile.TiffWriter(path, ome=True) as writer:
        for scene in scenes:
            writer.write(pixels, tile=(64, 64), photometric="rgb", metadata={"Name": scene})
    result = cli("info", path)
    assert not set("\x1b\x07\r\u202e") & set(result.output)


def on_a_terminal(*arguments):
    """Run the command with a terminal for its errors; return its exit code and what is seen."""
    ours, theirs = pty.openpty()
    code = "from slidetile.cli.commands import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    ) as running:
        os.close(theirs)
        seen = b"".join(iter(lambda: _read(ours), b"")).decode()
    os.close(ours)
    return running.returncode, seen


def _read(terminal):
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # Linux says so when the other side has closed
        return b""


@pytest.mark.slow
def test_a_batch_shows_what_it_is_at_on_a_terminal(long_slide, sample, tmp_path):
    code, seen = on_a_terminal(
        "batch", long_slide, sample, "-o", tmp_path / "out", "--codec", "jxl"
    )
    assert code == 0
    tiles = len(st.open_store(tmp_path / "out" / "long.zarr"))
    assert "0/2" in seen
    assert "2/2" in seen
    assert "long.svs" in seen
    assert f"/{tiles}" in seen.partition("long.svs: ok: ")[0]
    assert seen.count(": ok: ") == 2
