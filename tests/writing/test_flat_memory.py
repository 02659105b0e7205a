"""Memory stays flat: across slides, across sizes, and within a container's limit."""

import gc
import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

import slidetile as st

GROUPS = Path("/sys/fs/cgroup/memory")
LIMIT_BYTES = 512 << 20

MANY = """
import sys
import slidetile as st
from slidetile.runtime.memory import SystemGauge

sample, out, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
held = []
for number in range(count):
    codec = ("native", "zstd")[number % 2]
    recipe = st.Recipe(tile=st.TileSpec(size=512), codec=codec)
    st.tile_slide(sample, f"{out}/{number}.zarr", recipe)
    held.append(SystemGauge().resident_bytes())
# The codecs take turns and hold different amounts: what was held is the most after any slide.
print(max(held[:6]), max(held[-6:]))
"""


def memory_after(sample, folder, slides):
    line = [sys.executable, "-c", MANY, str(sample), str(folder), str(slides)]
    # Of more heaps, glibc would hold now these, now those: a tenth more or less, whatever we do.
    environment = os.environ | {"MALLOC_ARENA_MAX": "2"}
    done = subprocess.run(line, check=True, capture_output=True, env=environment)
    at_first, at_the_end = map(int, done.stdout.split())
    return at_first, at_the_end


MOST_KEPT_BYTES = 20_000
"""Of a slide that is done: a few regular expressions and names, and no pixels."""


@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_nothing_is_kept_of_a_slide_that_is_done(sample, tmp_path, codec):
    recipe = st.Recipe(tile=st.TileSpec(size=512), codec=codec)

    def held_after(numbers):
        for number in numbers:
            st.tile_slide(sample, tmp_path / f"{number}.zarr", recipe)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        at_first, at_the_end = held_after(range(2)), held_after(range(2, 5))
    finally:
        tracemalloc.stop()
    assert at_the_end - at_first < 3 * MOST_KEPT_BYTES


@pytest.mark.slow
def test_slide_after_slide_in_one_process_memory_stays(sample, tmp_path):
    at_first, at_the_end = memory_after(sample, tmp_path, 12)
    assert at_the_end <= 1.1 * at_first


@pytest.mark.torture
def test_fifty_slides_in_one_process_end_as_they_began(sample, tmp_path):
    at_first, at_the_end = memory_after(sample, tmp_path, 50)
    assert at_the_end <= 1.1 * at_first


@pytest.fixture
def group():
    """A control group (v1 or v2) of 512 MB, for processes that enter it by themselves."""
    v1 = GROUPS.is_dir()
    folder = (GROUPS if v1 else GROUPS.parent) / f"slidetile-{os.getpid()}"
    limit = folder / ("memory.limit_in_bytes" if v1 else "memory.max")
    try:
        folder.mkdir()
        limit.write_text(str(LIMIT_BYTES))
    except OSError as error:
        if folder.is_dir():
            folder.rmdir()
        pytest.skip(f"no control group may be made here: {error}")
    yield folder
    folder.rmdir()


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_the_job_finishes_within_a_container_of_512_mb(group, long_slide, tmp_path, codec):
    enter = f'echo $$ > {group}/cgroup.procs && exec "$@"'
    line = [sys.executable, "-m", "slidetile", "tile", str(long_slide), "--codec", codec]
    line += ["-o", str(tmp_path / "s.zarr"), "--json"]
    done = subprocess.run(["sh", "-c", enter, "sh", *line], check=True, capture_output=True)
    facts = json.loads(done.stdout)
    assert facts["store"]["tiles"] > 0
    assert facts["memory"]["peak_bytes"] < LIMIT_BYTES
    assert facts["memory"]["budget_bytes"] < LIMIT_BYTES


def within(kind, limit_bytes, *arguments):
    """Run the command line under a limit of the shell: "v" of address space, "d" of data."""
    enter = f'ulimit -{kind} {limit_bytes >> 10} && exec "$@"'
    line = [sys.executable, "-m", "slidetile", *map(str, arguments)]
    return subprocess.run(
        ["sh", "-c", enter, "sh", *line], check=False, capture_output=True, text=True, timeout=300
    )


needs_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux keeps to limits of address space"
)


@pytest.mark.slow
@needs_linux
@pytest.mark.parametrize(
    ("kind", "limit_bytes", "codec"),
    [
        ("v", LIMIT_BYTES, "native"),
        ("v", LIMIT_BYTES, "zstd"),
        ("v", 2 * LIMIT_BYTES, "zstd"),
        ("d", LIMIT_BYTES // 2, "zstd"),
    ],
)
def test_the_job_finishes_within_512_mb_of_address_space(
    long_slide, long_trees, tree, tmp_path, kind, limit_bytes, codec
):
    out = tmp_path / "x.zarr"
    done = within(kind, limit_bytes, "tile", long_slide, "--codec", codec, "-o", out, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["memory"]["budget_bytes"] < limit_bytes
    assert tree(out) == long_trees[codec]


@needs_linux
def test_a_batch_finishes_within_512_mb_of_address_space(sample, tmp_path):
    done = within("v", LIMIT_BYTES, "batch", sample, "-o", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "sample.zarr" / "zarr.json").is_file()


@needs_linux
@pytest.mark.parametrize("limit_mb", [260, 100])
@pytest.mark.parametrize("command", ["tile", "batch"])
def test_too_little_address_space_is_said_before_anything_is_written(
    sample, tmp_path, limit_mb, command
):
    done = within("v", limit_mb << 20, command, sample, "-o", tmp_path / "x.zarr")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: the limit of the address space (ulimit -v or -d) of ")
    assert "allow 512 MiB or more" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
