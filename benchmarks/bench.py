"""Measure slidetile against the script a user would otherwise write, on one large slide.

    python benchmarks/bench.py [--slide SLIDE] [--folder FOLDER] [--threads N] [--json FILE]

Everything runs once, one after another, each in a process of its own, so that its peak memory is
its own. Without --slide a 100,000×80,000 slide is generated first. Speeds are megapixels of
planned tiles per second of the writing phase; ratios are what counts, since they were measured in
one run on one machine.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPT_SHARE = 6  # the script is so slow that every sixth tile must do


def main() -> None:
    arguments = parse()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        slide = arguments.slide or generate(Path(scratch))
        rows = [
            measure(name, slide, Path(scratch), arguments.threads)
            for name in ("script", "zstd", "native", "files", "copy")
        ]
    show(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slide", type=Path, help="an existing slide instead of a generated one")
    parser.add_argument("--folder", type=Path, help="where to work; a few GB are needed")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, help="write the figures here too")
    return parser.parse_args()


def generate(folder: Path) -> Path:
    slide = folder / "slide.svs"
    command = [sys.executable, ROOT / "data_samples" / "make_slide.py", slide]
    subprocess.run([*command, "--width", "100000", "--height", "80000"], check=True)
    return slide


def measure(name: str, slide: Path, folder: Path, threads: int) -> dict:
    """Run one contestant in a process of its own and return its row."""
    out = folder / "out.zarr"
    kept = folder / "native.zarr"
    paths = [str(path) for path in (slide, out, kept)]
    child = subprocess.run(
        [sys.executable, __file__, "--child", name, *paths, str(threads)],
        check=True,
        stdout=subprocess.PIPE,
    )
    if name == "native":
        out.rename(kept)
    shutil.rmtree(out, ignore_errors=True)
    row = {"name": name, **json.loads(child.stdout)}
    print(f"{name}: {row['seconds']:.2f} s", file=sys.stderr)
    return row


def run_child(name: str, slide: str, out: str, kept: str, threads: int) -> None:
    contestant = {"script": run_script, "files": run_files, "copy": run_copy}.get(name)
    before = time.perf_counter()
    if contestant is not None:
        row = contestant(slide, out, kept, threads)
    else:
        row = run_slidetile(name, slide, out, threads)
    row["total_seconds"] = time.perf_counter() - before
    row["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps(row))


def plan_of(slide):
    import slidetile as st

    return st.plan_tiles(slide, st.find_tissue(slide))


def run_slidetile(codec: str, slide: str, out: str, threads: int) -> dict:
    import slidetile as st

    with st.open_slide(slide) as opened:
        plan = plan_of(opened)
        begin = time.perf_counter()
        store = st.write_tiles(opened, plan, out, codec=codec, workers=threads)
        seconds = time.perf_counter() - begin
    return {"seconds": seconds, "megapixels": len(store) * 1.048576}


def run_script(slide: str, out: str, _kept: str, threads: int) -> dict:
    """Read with OpenSlide, write with zarr-python: what one would write in ten minutes."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np
    import openslide
    import zarr

    import slidetile as st

    with st.open_slide(slide) as opened:
        tiles = [tile.region for tile in plan_of(opened)][::SCRIPT_SHARE]
    source = openslide.OpenSlide(slide)
    width, height = source.dimensions
    array = zarr.create_array(
        out, shape=(height, width, 3), chunks=(1024, 1024, 3), dtype="uint8", fill_value=255
    )

    def carry(tile: st.Region) -> None:
        image = source.read_region((tile.x, tile.y), 0, (tile.width, tile.height)).convert("RGB")
        part = tile.intersection(st.Region(x=0, y=0, width=width, height=height))
        rows, columns = part.slices
        array[rows, columns] = np.asarray(image)[: part.height, : part.width]

    begin = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(carry, tiles))
    return {"seconds": time.perf_counter() - begin, "megapixels": len(tiles) * 1.048576}


def run_files(_slide: str, out: str, kept: str, threads: int) -> dict:
    """Write the native store's files again from memory: the file system's own floor."""
    from concurrent.futures import ThreadPoolExecutor

    shards = [path for path in Path(kept).rglob("c/*/*/*") if path.is_file()]
    data = [(Path(out) / path.relative_to(kept), path.read_bytes()) for path in shards]
    for parent in {path.parent for path, _ in data}:
        parent.mkdir(parents=True)
    begin = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda item: item[0].write_bytes(item[1]), data))
    return {"seconds": time.perf_counter() - begin, "megapixels": megapixels(kept)}


def run_copy(_slide: str, out: str, kept: str, _threads: int) -> dict:
    """Copy the native store as `cp -r` does."""
    begin = time.perf_counter()
    subprocess.run(["cp", "-r", kept, out], check=True)
    return {"seconds": time.perf_counter() - begin, "megapixels": megapixels(kept)}


def megapixels(store: str) -> float:
    import slidetile as st

    return len(st.open_store(store)) * 1.048576


def show(rows: list[dict]) -> None:
    named = {row["name"]: row for row in rows}
    base = named["script"]["megapixels"] / named["script"]["seconds"]
    print(f"{'':10}{'MP/s':>10}{'ratio':>9}{'write s':>10}{'total s':>10}{'peak MB':>10}")
    for row in rows:
        speed = row["megapixels"] / row["seconds"]
        print(
            f"{row['name']:10}{speed:10.0f}{speed / base:9.1f}{row['seconds']:10.2f}"
            f"{row['total_seconds']:10.2f}{row['peak_mb']:10.0f}"
        )
    print(f"(script: every {SCRIPT_SHARE}th tile; files, copy: the native store's bytes)")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        run_child(*sys.argv[2:6], int(sys.argv[6]))
    else:
        main()
