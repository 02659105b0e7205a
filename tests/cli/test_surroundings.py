"""Where something of the system is missing, a run finds another way, and says so at -v."""

import subprocess

import pytest

import slidetile as st

NO_PROC = ("unshare", "-m", "sh", "-c", 'umount -l /proc && exec "$@"', "sh")


@pytest.fixture
def without_proc():
    """The words before a command that hide /proc from it."""
    try:
        done = subprocess.run([*NO_PROC, "true"], capture_output=True, check=False)
    except OSError as error:
        pytest.skip(f"/proc cannot be hidden here ({error})")
    if done.returncode:
        pytest.skip(f"/proc cannot be hidden here ({done.stderr.decode().strip()})")
    return NO_PROC


def test_without_proc_the_bytes_are_the_same(command, sample, tree, tmp_path, without_proc):
    path = tmp_path / "x.zarr"
    done = command("-v", "tile", sample, "-o", path, before=without_proc)
    assert done.exit_code == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if "no /proc" in line]
    assert 1 <= len(told) <= 2
    assert tree(path) == tree(st.tile_slide(sample, tmp_path / "y.zarr").path)
    assert command("tile", sample, "-o", path, before=without_proc).exit_code == 0
