"""Any system call may fail: it is told in a line, nothing is lost, and the same command goes on."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).parent

GROUPS = {
    "read": errno.EIO,
    "write": errno.ENOSPC,
    "rename": errno.EIO,
    "sync": errno.EIO,
    "open": errno.EIO,
    "unlink": errno.EIO,
    "mkdir": errno.ENOSPC,
}
"""The calls that fail, and what they fail with."""

OLD = ("--tile-size", "512")
TILE = ("--tile-size", "256", "--workers", "2", "--codec")

SCENARIOS = {
    "native": (*TILE, "native"),
    "zstd": (*TILE, "zstd"),
    "raw": (*TILE, "raw"),
    "jpeg": (*TILE, "jpeg"),
    "jxl": (*TILE, "jxl"),
    "mpp": (*TILE, "zstd", "--mpp", "0.5"),
    "durable": (*TILE, "zstd", "--durable"),
    "overwrite": (*TILE, "zstd", "--overwrite"),
    "overwrite native": (*TILE, "native", "--overwrite"),
    "batch": None,
}
"""What is done, as options of `tile`; a batch tiles two slides, in the process itself."""


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    """Compile the library that makes calls fail."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler for Linux is here, so no call can be made to fail")
    library = tmp_path_factory.mktemp("shim") / "shim.so"
    source = HERE / "shim.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


class Ended(NamedTuple):
    """What became of a command, and how many calls of the group it made."""

    code: int
    stdout: str
    stderr: str
    calls: int


class Driver:
    """A process that runs commands in forks of its own."""

    def __init__(self, shim, told):
        self._told = told
        self._process = subprocess.Popen(
            [sys.executable, HERE / "driver.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "LD_PRELOAD": str(shim)},
        )

    def run(self, arguments, folder, group="", number=0, *, stays=False):
        case = {
            "arguments": list(map(str, arguments)),
            "folder": str(folder),
            "group": group,
            "number": number,
            "errno": GROUPS.get(group, 0),
            "stays": stays,
            "told": str(self._told),
        }
        self._process.stdin.write(json.dumps(case) + "\n")
        self._process.stdin.flush()
        code = json.loads(self._process.stdout.readline())["code"]
        stdout, stderr, calls = (
            Path(f"{self._told}.{name}").read_text(encoding="utf-8")
            for name in ("stdout", "stderr", "seen")
        )
        return Ended(code, stdout, stderr, int(calls))

    def end(self):
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()


@pytest.fixture(scope="session")
def driver(shim, tmp_path_factory):
    running = Driver(shim, tmp_path_factory.mktemp("told") / "told")
    yield running
    running.end()


@pytest.fixture(scope="session")
def small_slide(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "s.svs"
    script = HERE.parents[1] / "data_samples" / "make_slide.py"
    size = ["--width", "1536", "--height", "1024", "--tissue-fraction", "0.6"]
    subprocess.run([sys.executable, script, path, *size], check=True, capture_output=True)
    return path


class World:
    """A folder with a slide and, where one is to be replaced, a store; made anew for each case."""

    def __init__(self, folder, slide, driver, scenario, tree):
        self.folder, self._slide, self._driver, self._tree = folder, slide, driver, tree
        self._options = SCENARIOS[scenario]
        self._has_old = self._options is not None and "--overwrite" in self._options
        self._old = None
        self.begin()
        assert self.run().code == 0
        self.whole = self.stores()

    @property
    def arguments(self):
        slide, out = self.folder / "s.svs", self.folder / "x.zarr"
        if self._options is None:
            slides, size = (slide, self.folder / "t.svs"), ("--tile-size", "256")
            return "batch", *slides, "-o", self.folder / "out", "--processes", "0", *size
        return "tile", slide, "-o", out, *self._options

    def begin(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        for name in ("s.svs", "t.svs"):
            shutil.copy(self._slide, self.folder / name)
        if self._has_old and self._old is None:
            self._make_old()
        if self._has_old:
            shutil.copytree(self._old, self.folder / "x.zarr")

    def _make_old(self):
        self._old = self.folder.with_name(f"{self.folder.name}-old.zarr")
        arguments = ("tile", self.folder / "s.svs", "-o", self._old, *OLD)
        assert self._driver.run(arguments, self.folder).code == 0

    def run(self, group="", number=0, *, stays=False):
        return self._driver.run(self.arguments, self.folder, group, number, stays=stays)

    def stores(self):
        """All files of the finished stores."""
        found = [path for path in self.folder.rglob("*.zarr") if path.is_dir()]
        return {str(path.relative_to(self.folder)): self._tree(path) for path in found}

    def calls(self, group):
        self.begin()
        return self.run(group).calls

    def check(self, group, number, *, stays=False):
        """Make a call fail, and then do the same again without that."""
        self.begin()
        ended = self.run(group, number, stays=stays)
        what = f"{group} {number}{' and all later' if stays else ''}: {ended}"
        assert "Traceback" not in ended.stderr, what
        assert ended.code in (0, 1), what
        errors = [
            line for line in ended.stderr.splitlines() if "error: " in line or ": failed: " in line
        ]
        assert bool(errors) == bool(ended.code), what
        assert len(errors) <= (1 if self._options else 2), what
        self._check_stores(ended, what)
        again = self.run()
        assert again.code == 0, f"{what}, and then {again}"
        assert self.stores() == self.whole, what
        left = {path.name for path in self.folder.iterdir()}
        assert left <= {"s.svs", "t.svs", "x.zarr", "out"}, f"{what}: {left}"

    def _check_stores(self, ended, what):
        """What has its name is whole: the old store or the new one."""
        found = self.stores()
        if ended.code == 0:
            assert found == self.whole, what
        for name, files in found.items():
            is_old = self._has_old and files == self._tree(self._old)
            assert is_old or files == self.whole[name], what
        if self._has_old:
            assert "x.zarr" in found, what


@pytest.fixture
def world(request, driver, small_slide, tree, tmp_path):
    return World(tmp_path / "world", small_slide, driver, request.param, tree)


KINDS = [
    (scenario, group)
    for scenario in SCENARIOS
    for group in GROUPS
    if group != "sync" or scenario == "durable"
]

SOME = [
    *(("native", group) for group in ("read", "open")),
    *(("zstd", group) for group in ("read", "write", "open")),
    *(("overwrite", group) for group in ("write", "rename", "unlink")),
    ("mpp", "read"),
    ("durable", "sync"),
    ("batch", "write"),
]
SAMPLES = 2


@pytest.mark.parametrize(("world", "group"), SOME, indirect=["world"], ids=map("-".join, SOME))
def test_some_calls_fail(world, group):
    count = world.calls(group)
    assert count
    for number in {1, *(1 + count * n // SAMPLES for n in range(SAMPLES))}:
        world.check(group, number)


@pytest.mark.parametrize("world", ["native", "zstd", "raw", "mpp"], indirect=True)
def test_a_drive_gone_for_good(world):
    """As a network drive goes in the middle: the slide fails, and no tile passes for damaged."""
    count = world.calls("read")
    for number in (1, count // 2):
        world.check("read", number, stays=True)


@pytest.mark.torture
@pytest.mark.parametrize(("world", "group"), KINDS, indirect=["world"], ids=map("-".join, KINDS))
def test_every_call_fails(world, group):
    for number in range(1, world.calls(group) + 1):
        world.check(group, number)
