"""Slides in object storage against those of a disk: bytes, requests, time and memory.

    python benchmarks/cloud.py [--folder FOLDER] [--width PX --height PX] [--only NAME …]

A slide is generated in the folder unless it lies there from an earlier run. It is planned and tiled
from the disk, and from a web server on this machine behind a proxy that counts what is asked for
and waits 0 or 30 ms before it answers, all in one run. The server and the proxy are those of the
tests, in a process of their own; each command is one too. "writing" tiles a smaller slide into a
bucket of moto's, which takes 5 ms of a core for each request; "reading" reads the stores of another
from the server of files. The figures go into benchmarks/cloud.json.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _slides import generated

HERE = Path(__file__).parent
PROGRAM = [sys.executable, "-c", "from slidetile.cli.commands import main; main()"]
LATENCIES_MS = (0, 30)
ROWS = ("plan", "tile native", "tile zstd", "tile zstd 1 µm", "writing", "reading")
WRITTEN_PX, READ_PX = (16_384, 16_384), (40_960, 30_720)
ARGUMENTS = {
    "plan": ["plan"],
    "tile native": ["tile", "--codec", "native"],
    "tile zstd": ["tile", "--codec", "zstd"],
    "tile zstd 1 µm": ["tile", "--codec", "zstd", "--mpp", "1"],
}


def main() -> None:
    """Measure the rows asked for, and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "cloud")
    parser.add_argument("--width", type=int, default=100_000)
    parser.add_argument("--height", type=int, default=80_000)
    parser.add_argument("--only", nargs="*", default=list(ROWS), choices=ROWS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.folder)
        return
    # An installed package is compiled; without this every command would compile it anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    slide = read_once(generated(options.folder, options.width, options.height))
    with served(options.folder) as server:
        for name in (each for each in options.only if each in ARGUMENTS):
            row: dict[str, Any] = {"local": measured(name, str(slide), options.folder)}
            for latency in LATENCIES_MS:
                server.ask({"latency_s": latency / 1000})
                address = f"{server.endpoint}/{slide.name}"
                found = measured(name, address, options.folder) | server.ask({})
                row[f"{latency} ms"] = {k: v for k, v in found.items() if k != "endpoint"}
            print(name, json.dumps(row), flush=True)
            keep(name, {**row, "slide": slide.name, "slide_mb": mb(slide.stat().st_size)})
    measure_stores(options.folder, options.only)


def measure_stores(folder: Path, only: list[str]) -> None:
    """Measure stores in a bucket, of slides that their servers can hold."""
    from _cloud_stores import store_rows, writing_rows

    for what, rows, size in (
        ("writing", writing_rows, WRITTEN_PX),
        ("reading", store_rows, READ_PX),
    ):
        if what not in only:
            continue
        slide = read_once(generated(folder, *size))
        for name, row in rows(slide, folder / "stores"):
            print(name, json.dumps(row), flush=True)
            keep(name, {**row, "slide": slide.name})
        shutil.rmtree(folder / "stores", ignore_errors=True)


def read_once(path: Path) -> Path:
    """Return a file that was read, so that all find it in the system's memory."""
    with path.open("rb") as file:
        while file.read(1 << 20):
            pass
    return path


def measured(name: str, slide: str, folder: Path) -> dict[str, float]:
    """Return the seconds and the peak of memory of a command, start and end of Python included."""
    out = folder / "out.zarr"
    shutil.rmtree(out, ignore_errors=True)
    command, *more = ARGUMENTS[name]
    begin = time.perf_counter()
    with subprocess.Popen(
        [*PROGRAM, command, slide, "-o", str(out), *more], stdout=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begin
    if process.returncode:
        raise SystemExit(f"{name} of {slide} failed")
    shutil.rmtree(out, ignore_errors=True)
    unit = 1 if sys.platform == "darwin" else 1024
    return {"seconds": round(seconds, 2), "peak_mb": mb(usage.ru_maxrss * unit)}


class Server:
    """The server and the proxy, in their process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.endpoint: str = self.ask({})["endpoint"]

    def ask(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Set what is to be set, and return what was asked for since the last time."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(settings) + "\n")
        self._process.stdin.flush()
        found: dict[str, Any] = json.loads(self._process.stdout.readline())
        return found


@contextmanager
def served(folder: Path) -> Iterator[Server]:
    """Serve the files of a folder until the block ends."""
    line = [sys.executable, __file__, "--serve", "--folder", str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(line, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield Server(process)
        finally:
            process.kill()


def serve(folder: Path) -> None:
    """Be the server and the proxy."""
    sys.path.append(str(HERE.parent / "tests"))
    from object_storage import FileServer, Proxy

    proxy = Proxy(FileServer(folder))
    for line in sys.stdin:
        for name, value in json.loads(line).items():
            setattr(proxy, name, value)
        found = {
            "endpoint": proxy.endpoint,
            "requests": len(proxy.requests),
            "fetched_mb": mb(proxy.fetched_bytes),
            "most_in_flight": proxy.most_at_once,
        }
        proxy.clear()
        print(json.dumps(found), flush=True)


def mb(nbytes: int) -> float:
    return round(nbytes / 1e6, 1)


def keep(name: str, row: dict[str, Any]) -> None:
    """Put a row in place of the earlier one."""
    file = HERE / "cloud.json"
    rows = json.loads(file.read_text()) if file.exists() else {}
    rows[name] = {**row, "cores": os.cpu_count()}
    file.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
