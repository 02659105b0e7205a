"""Read thousands of mutated slides, stores and region files, and report what goes wrong.

``python -m fuzz --inputs 100000`` with ``tests`` on the path. Every input has a kind and a number,
from which it is made again: ``python -m fuzz --only slide:123``. What is found is kept in a folder,
and the exit code is 1.
"""

import argparse
import collections
import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from fuzz.judges import SHARES
from fuzz.seeds import make_seeds

BATCH = 250
"""Inputs that one process judges; a process that dies is followed by another."""

SILENT_SECONDS = 30
"""A process that says nothing for so long waits for something: it is killed."""

_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)


@dataclass
class Tally:
    """How often each outcome came, and the findings."""

    outcomes: collections.Counter[tuple[str, str]] = field(default_factory=collections.Counter)
    findings: list[tuple[str, int, str]] = field(default_factory=list)

    def add(self, kind: str, number: int, outcome: str) -> None:
        is_finding = outcome.startswith("FINDING ")
        name = (
            "finding"
            if is_finding
            else outcome.rsplit(maxsplit=1)[-1]
            if "damaged" in outcome
            else outcome
        )
        self.outcomes[kind, name] += 1
        if is_finding:
            self.findings.append((kind, number, outcome.removeprefix("FINDING ")))

    def show(self) -> None:
        for (kind, outcome), count in sorted(self.outcomes.items()):
            _say(f"{kind:8} {outcome:18} {count:7}")
        for kind, number, what in sorted(self.findings):
            _say(f"{kind}:{number}  {what}")


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        make_seeds(Path(folder, "seeds"))
        tally = _run(options, Path(folder))
    tally.show()
    return bool(tally.findings)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="number of the first input of a kind")
    parser.add_argument("--only", help="KIND, or KIND:NUMBER")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, help="folder for the inputs of findings")
    return parser.parse_args()


def _run(options: argparse.Namespace, folder: Path) -> Tally:
    tally, lock = Tally(), threading.Lock()

    def judge(batch: tuple[int, str, int, int]) -> None:
        place, kind, first, stop = batch
        for number, outcome in _judged(
            kind, first, stop, folder, folder / str(place), options.keep
        ):
            with lock:
                tally.add(kind, number, outcome)

    with ThreadPoolExecutor(options.processes) as pool:
        list(pool.map(judge, _batches(options)))
    return tally


def _batches(options: argparse.Namespace) -> list[tuple[int, str, int, int]]:
    kind, _, number = (options.only or "").partition(":")
    if number:
        return [(0, kind, int(number), int(number) + 1)]
    shares = {kind: 100} if kind else SHARES
    found = []
    for name, share in shares.items():
        stop = options.first + options.inputs * share // 100
        starts = range(options.first, stop, BATCH)
        found += [(name, start, min(start + BATCH, stop)) for start in starts]
    return [(place, *batch) for place, batch in enumerate(found)]


def _judged(
    kind: str, first: int, stop: int, folder: Path, own: Path, keep: Path | None
) -> Iterator[tuple[int, str]]:
    """Yield (number, outcome) of each input, in as many processes as it takes."""
    number = first
    while number < stop:
        doing = ""
        arguments = (kind, number, stop, 1, folder / "seeds", own)
        command = [sys.executable, "-m", "fuzz.worker", *map(str, arguments)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            for what, of in _lines(process):
                if what == "begin":
                    number, doing = int(of), ""
                elif what == "doing":
                    doing = of
                else:
                    if of.startswith("FINDING"):
                        _keep(own, keep, f"{kind}-{number}")
                    yield number, of
                    number += 1
        if number < stop:
            _keep(own, keep, f"{kind}-{number}")
            yield number, _death(process.returncode, doing, own)
            number += 1
    shutil.rmtree(own, ignore_errors=True)


def _lines(process: "subprocess.Popen[bytes]") -> Iterator[tuple[str, str]]:
    """Yield what a process says, until it ends or has said nothing for too long."""
    assert process.stdout is not None
    file = process.stdout.fileno()
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(file, selectors.EVENT_READ)
        while selector.select(SILENT_SECONDS):
            if not (data := os.read(file, 1 << 16)):
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                what, _, of = line.decode(errors="replace").partition(" ")
                yield what, of
    process.kill()


def _death(code: int, doing: str, own: Path) -> str:
    """Say how a process died; a library that dies as the oracle is no finding of ours.

    Neither is one that dies of a slide in a batch, where that is a row.
    """
    if doing == "oracle":
        return "oracle died"
    if -code in _CRASHES and _is_a_row(own):
        return "library died, a row in a batch"
    reasons = {-9: f"nothing heard for {SILENT_SECONDS} s", -27: "more than 10 s of a core"}
    return f"FINDING {reasons.get(code, f'died with {code}')}{f', {doing}' if doing else ''}"


def _is_a_row(own: Path) -> bool:
    """Return whether a slide ends as a failed slide of a batch, and the batch goes on."""
    slides = [path for path in own.glob("mutant.*") if path.is_file()]
    command = [sys.executable, "-m", "slidetile", "batch", *slides, "-o", own / "batch"]
    done = subprocess.run(list(map(str, command)), check=False, capture_output=True)
    summary = own / "batch" / "summary.csv"
    return (
        bool(slides)
        and done.returncode == 1
        and summary.exists()
        and "ProcessDiedError" in summary.read_text()
    )


def _keep(own: Path, keep: Path | None, name: str) -> None:
    if keep is not None:
        shutil.rmtree(keep / name, ignore_errors=True)
        with contextlib.suppress(OSError, shutil.Error):
            shutil.copytree(own, keep / name, symlinks=True)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    begin = time.perf_counter()
    code = main()
    _say(f"{time.perf_counter() - begin:.0f} s")
    sys.exit(code)
