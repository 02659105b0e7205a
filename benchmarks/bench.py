"""Measure slidetile against what else there is, and against the physical floor.

    python benchmarks/bench.py [--folder FOLDER] [--threads N] [--only NAME …]

Slides of 20,000, 50,000 and 100,000 pixels are generated in the folder unless they lie there from
an earlier run. Everything is measured in one run, one after another, each contestant in a process
of its own, so that its peak memory is its own. Ratios are what counts. The figures go into
benchmarks/results.json too.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import contestants

HERE = Path(__file__).parent
SIZES = {"20k": (20_000, 15_000), "50k": (50_000, 40_000), "100k": (100_000, 80_000)}
KEEPERS = {"native 100k": "native.zarr", "zstd 100k": "zstd.zarr"}

CONTESTS: dict[str, tuple[Any, str, str | None]] = {
    "start": (contestants.start, "20k", None),
    "script": (contestants.script, "100k", None),
    "pair": (contestants.pair, "100k", None),
    "floor": (contestants.floor, "100k", None),
    **{
        f"{codec} {size}": (contestants.write(codec), size, None)
        for codec in ("zstd", "native")
        for size in SIZES
    },
    "native command": (contestants.command("native"), "100k", None),
    "files": (contestants.files, "100k", "native.zarr"),
    "copy": (contestants.copy, "100k", "native.zarr"),
    "read back": (contestants.read_back, "100k", "native.zarr"),
    "openslide": (contestants.through_openslide, "100k", None),
    "sleepy": (contestants.sleepy, "20k", None),
}
"""Name: what runs, on which slide, and the store of an earlier contestant that it needs."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "slidetile")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only", nargs="*", default=list(CONTESTS), choices=CONTESTS)
    arguments = parser.parse_args()
    # An installed package is compiled; without this every command would compile it anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    results: dict[str, dict[str, float]] = {}
    for name in (name for name in CONTESTS if name in arguments.only):
        results[name] = measure(name, arguments.folder, arguments.threads)
        print(name, {k: round(v, 3) for k, v in results[name].items()}, flush=True)
    report = {"machine": machine(arguments.threads), "results": results, "ratios": ratios(results)}
    print(table(report["ratios"]))
    if arguments.only == list(CONTESTS):
        (HERE / "results.json").write_text(json.dumps(report, indent=2) + "\n")


def measure(name: str, folder: Path, threads: int) -> dict[str, float]:
    """Run one contestant in a process of its own, on a file system that has come to rest."""
    _, size, kept = CONTESTS[name]
    slide, out = generated(folder, size), folder / "out.zarr"
    shutil.rmtree(out, ignore_errors=True)
    os.sync()
    line = [sys.executable, __file__, "--child", name, slide, out, str(threads)]
    if kept:
        line.append(folder / kept)
    child = subprocess.run(line, check=True, stdout=subprocess.PIPE)
    if name in KEEPERS:
        shutil.rmtree(folder / KEEPERS[name], ignore_errors=True)
        out.rename(folder / KEEPERS[name])
    for left in folder.glob("out.zarr*"):
        shutil.rmtree(left)
    return json.loads(child.stdout)


def generated(folder: Path, size: str) -> Path:
    slide = folder / f"slide_{size}.svs"
    if not slide.exists():
        width, height = map(str, SIZES[size])
        maker = HERE.parent / "data_samples" / "make_slide.py"
        subprocess.run(
            [sys.executable, maker, slide, "--width", width, "--height", height],
            check=True,
            stdout=sys.stderr,
        )
    return slide


def run_child(name: str, slide: str, out: str, threads: str, *kept: str) -> None:
    figures = CONTESTS[name][0](slide, out, int(threads), *kept)
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps(figures))


def ratios(results: dict[str, dict[str, float]]) -> dict[str, tuple[float, str]]:
    """Return what the promises are about, each with its aim; what was not measured is left out."""

    def figure(name: str, key: str) -> float:
        return results[name][key]

    def faster(one: str, other: str) -> float:
        return figure(one, "megapixels_per_s") / figure(other, "megapixels_per_s")

    formulas = {
        "native ÷ script": (lambda: faster("native 100k", "script"), "≥ 100"),
        "native: command ÷ (3 × copy + 2 s)": (
            lambda: figure("native command", "seconds") / (3 * figure("copy", "seconds") + 2),
            "≤ 1",
        ),
        "native ÷ plain files": (lambda: faster("native 100k", "files"), ""),
        "zstd ÷ floor": (lambda: faster("zstd 100k", "floor"), "≥ 0.85"),
        "zstd ÷ pair": (lambda: faster("zstd 100k", "pair"), "≥ 2"),
        "zstd ÷ script": (lambda: faster("zstd 100k", "script"), "≥ 4"),
        "read back: OpenSlide ÷ store": (
            lambda: figure("read back", "openslide_ms") / figure("read back", "store_ms"),
            "≥ 5",
        ),
        "read back: decode ÷ store": (
            lambda: figure("read back", "decode_ms") / figure("read back", "store_ms"),
            "≥ 0.9",
        ),
        "OpenSlide adapter ÷ OpenSlide": (
            lambda: figure("openslide", "adapter_over_openslide"),
            "≤ 1.1",
        ),
        "its read_region ÷ OpenSlide": (
            lambda: figure("openslide", "read_region_over_openslide"),
            "≤ 1.1",
        ),
        "sleepy reads ÷ awake": (lambda: figure("sleepy", "sleepy_over_awake"), "near 1"),
        "the same without overlap": (lambda: figure("sleepy", "without_overlap"), ""),
        "import, s": (lambda: figure("start", "import_s"), "< 0.3"),
        "--help, s": (lambda: figure("start", "help_s"), "< 0.3"),
    }
    for codec in ("native", "zstd"):
        large, small = f"{codec} 100k", f"{codec} 20k"
        formulas |= {
            f"{codec}: peak MB": (lambda n=large: figure(n, "peak_mb"), "< 300"),
            f"{codec}: peak 100k ÷ 20k": (
                lambda a=large, b=small: figure(a, "peak_mb") / figure(b, "peak_mb"),
                "≤ 1.1",
            ),
            f"{codec}: MP/s 100k ÷ 20k": (lambda a=large, b=small: faster(a, b), "near 1"),
            f"{codec}: MP/s 50k ÷ 20k": (
                lambda a=f"{codec} 50k", b=small: faster(a, b),
                "near 1",
            ),
        }
    measured: dict[str, tuple[float, str]] = {}
    for name, (formula, aim) in formulas.items():
        try:
            measured[name] = round(formula(), 3), aim
        except KeyError:  # a contestant was not asked for
            continue
    return measured


def table(rows: dict[str, tuple[float, str]]) -> str:
    lines = [f"{name:38}{value:10.2f}   {aim}" for name, (value, aim) in rows.items()]
    return "\n".join(["", f"{'':38}{'measured':>10}   aim", *lines])


def machine(threads: int) -> dict[str, Any]:
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "threads": threads,
    }


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        run_child(*sys.argv[2:])
    else:
        main()
