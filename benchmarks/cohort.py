"""A cohort: slides an hour, what a batch costs over its slides, and thousands that are done.

    python benchmarks/cohort.py [--folder FOLDER] [--slides N] [--entries N] [--only NAME …]

Each row is a process of its own, timed from its start to its end. The figures go into
benchmarks/cohort.json.

- `slides`: slides an hour of `slidetile batch` with one and with two processes, and over Dask with
  a scheduler and two workers on this machine, where it is installed.
- `overhead`: the time of a batch over the sum of its slides' own times, one process; and what each
  slide costs that is done already.
- `entries`: a manifest of thousands of slides whose stores exist, and the most memory of the batch.

The slides are links to one real slide of 100 megapixels or so, each with a name of its own: what a
batch costs is the same whatever is on the glass.
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SAMPLE = HERE.parent / "data_samples" / "sample.svs"
REAL = HERE.parents[1] / "shared" / "slides"
PROGRAM = [sys.executable, "-c", "from slidetile.cli.commands import main; main()"]
DASK_SCHEDULER = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
DASK_WORKER = [sys.executable, "-m", "distributed.cli.dask_worker"]
ROWS = ("slides", "overhead", "entries")


def main() -> None:
    """Measure the rows asked for, and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "cohort")
    parser.add_argument("--slide", type=Path, default=SAMPLE)
    parser.add_argument("--slides", type=int, default=24)
    parser.add_argument("--entries", type=int, default=3000)
    parser.add_argument("--only", nargs="*", default=list(ROWS), choices=ROWS)
    options = parser.parse_args()
    # An installed package is compiled; without this every command would compile it anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    measures = {"slides": slides_an_hour, "overhead": overhead, "entries": entries}
    for name in options.only:
        row = measures[name](options)
        print(name, json.dumps(row), flush=True)
        keep(name, {**row, "slide": options.slide.name, "cores": os.cpu_count()})
    shutil.rmtree(options.folder)


def keep(name: str, row: dict[str, Any]) -> None:
    """Put a row in place of the earlier one."""
    file = HERE / "cohort.json"
    rows = json.loads(file.read_text()) if file.exists() else {}
    rows[name] = row
    file.write_text(json.dumps({n: rows[n] for n in ROWS if n in rows}, indent=2) + "\n")


def linked(folder: Path, slide: Path, count: int) -> Path:
    """Return a folder of links to a slide, each with a name of its own."""
    folder.mkdir()
    for number in range(count):
        (folder / f"slide-{number:05}{slide.suffix}").symlink_to(slide.resolve())
    return folder


def batch(*words: object) -> tuple[float, dict[str, Any]]:
    """Return the seconds of a batch, and what it says."""
    line = [*PROGRAM, "batch", *map(str, words), "--json"]
    begin = time.perf_counter()
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    return time.perf_counter() - begin, json.loads(done.stdout)


def slides_an_hour(options: argparse.Namespace) -> dict[str, Any]:
    """Return slides an hour with one and two processes, and over Dask."""
    slides = linked(options.folder / "slides", options.slide, options.slides)
    row: dict[str, Any] = {}
    for processes in (1, 2):
        out = options.folder / f"out-{processes}"
        seconds, _ = batch(slides, "-o", out, "--processes", processes)
        row[f"processes_{processes}"] = round(3600 * options.slides / seconds)
        shutil.rmtree(out)
    if (told := over_dask(options, slides)) is not None:
        row["dask_2_workers"] = told
    return row


def over_dask(options: argparse.Namespace, slides: Path) -> int | None:
    """Return slides an hour over Dask's own scheduler and workers; None where it is missing."""
    if "--scheduler" not in help_of("batch") or not has_dask():
        return None
    scheduler = subprocess.Popen(
        [*DASK_SCHEDULER, "--host", "127.0.0.1", "--port", "0", "--no-dashboard"],
        stderr=subprocess.PIPE,
        text=True,
    )
    workers: list[subprocess.Popen[str]] = []
    try:
        assert scheduler.stderr is not None
        address = next(
            found[0]
            for line in scheduler.stderr
            if (found := re.search(r"tcp://127\.0\.0\.1:\d+", line))
        )
        workers = [
            subprocess.Popen(
                [*DASK_WORKER, address, "--nthreads", "1", "--no-dashboard"],
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for _ in range(2)
        ]
        out = options.folder / "out-dask"
        seconds, _ = batch(slides, "-o", out, "--scheduler", address)
        shutil.rmtree(out)
        return round(3600 * options.slides / seconds)
    finally:
        for process in (*workers, scheduler):
            process.terminate()
            process.wait()


def has_dask() -> bool:
    """Return whether Dask's scheduler is installed."""
    done = subprocess.run([sys.executable, "-c", "import distributed"], check=False)
    return done.returncode == 0


def help_of(command: str) -> str:
    """Return what a command says of its options."""
    done = subprocess.run([*PROGRAM, command, "--help"], capture_output=True, text=True, check=True)
    return done.stdout


def overhead(options: argparse.Namespace) -> dict[str, Any]:
    """Return what a batch costs over the sum of its slides, and what a slide costs that is done."""
    slides = linked(options.folder / "more", options.slide, options.slides)
    out = options.folder / "out-more"
    line = (slides, "-o", out, "--processes", 1)
    seconds, told = batch(*line)
    own = sum(each["seconds"] for each in told["slides"])
    again, _ = batch(*line)
    few = linked(options.folder / "few", options.slide, 1)
    alone, _ = batch(few, "-o", options.folder / "out-few", "--processes", 1)
    once_more, _ = batch(few, "-o", options.folder / "out-few", "--processes", 1)
    return {
        "slides": options.slides,
        "batch_seconds": round(seconds, 2),
        "slides_seconds": round(own, 2),
        "overhead_percent": round(100 * (seconds / own - 1), 1),
        "fixed_seconds": round(alone - own / options.slides, 2),
        "ms_a_done_slide": round(1000 * (again - once_more) / max(1, options.slides - 1), 1),
    }


def entries(options: argparse.Namespace) -> dict[str, Any]:
    """Return what a batch takes whose thousands of stores all exist, and its most memory."""
    row: dict[str, Any] = {}
    slides = linked(options.folder / "many", options.slide, options.entries)
    out = options.folder / "out-many"
    batch(next(slides.iterdir()), "-o", out)
    (store,) = out.glob("*.zarr")
    for slide in slides.iterdir():
        if not (copy := out / f"{slide.stem}.zarr").exists():
            shutil.copytree(store, copy, copy_function=os.link)
    # The stores record their slide's name, which is not looked at: the slide's bytes are.
    listed = options.folder / "cohort.csv"
    paths = sorted(slides.iterdir())
    for count in (options.entries // 10, options.entries):
        listed.write_text("path\n" + "".join(f"{path}\n" for path in paths[:count]))
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        seconds, told = batch(listed, "-o", out)
        assert {each["status"] for each in told["slides"]} == {"already done"}
        row[f"seconds_{count}"] = round(seconds, 1)
        most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        row[f"peak_mb_{count}"] = round(max(most, before) / 1000)
    return row


if __name__ == "__main__":
    main()
