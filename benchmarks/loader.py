"""Windows in a DataLoader: slidetile's against OpenSlide's, with the same workers, in one run.

    python benchmarks/loader.py [--folder FOLDER] [--width PX --height PX] [--workers N]
                                [--rounds N] [--only NAME …]

A slide is generated in the folder unless it lies there from an earlier run, and tiled as `native`.
The same windows of 224 px, at the slide's own resolution, are read by OpenSlide from the slide (a
dataset as people write it: one handle a worker, opened when it is first needed), by `TileDataset`
and by `TileStream` from the store; in order and shuffled; side by side and overlapping by half.
Contestants take turns, and each round's ratio is of that round. "start" is what slidetile adds to
the start of a spawned worker, beyond importing PyTorch. The figures go into benchmarks/loader.json.
"""

import argparse
import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _slides import generated
from torch.utils.data import DataLoader, Dataset

from slidetile.recipe.tiling import tile_slide
from slidetile.store import open_store
from slidetile.torch import TileDataset, TileStream

HERE = Path(__file__).parent
SIZE, BATCH = 224, 64
STRIDES = {"": SIZE, ", overlapping": SIZE // 2}
ROWS = ("in order", "shuffled", "in order, overlapping", "shuffled, overlapping", "start")

START = """
import sys, time
import numpy.random, torch, torch.utils.data._utils.worker
import pickle
with open(sys.argv[1], "rb") as file:
    data = file.read()
begin = time.perf_counter()
pickle.loads(data)[0]
print(time.perf_counter() - begin)
"""


class OpenSlideWindows(Dataset):
    """The same windows, read from the slide by OpenSlide."""

    def __init__(self, path: Path, corners: np.ndarray) -> None:
        self._path, self._corners = path, corners
        self._slide: Any = None

    def __len__(self) -> int:
        return len(self._corners)

    def __getitem__(self, index: int) -> dict[str, Any]:
        import openslide

        if self._slide is None:
            self._slide = openslide.OpenSlide(self._path)
        x, y = self._corners[index].tolist()
        pixels = np.asarray(self._slide.read_region((x, y), 0, (SIZE, SIZE)))[..., :3]
        image = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
        return {"image": image, "x": x, "y": y}


def main() -> None:
    """Measure the rows asked for, and print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "loader")
    parser.add_argument("--width", type=int, default=49_152)
    parser.add_argument("--height", type=int, default=36_864)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=list(ROWS), choices=ROWS)
    options = parser.parse_args()
    # An installed package is compiled; without this every worker would compile it anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    slide = generated(options.folder, options.width, options.height)
    store = options.folder / f"{slide.stem}.zarr"
    if not store.exists():
        tile_slide(slide, store)
    for name in options.only:
        found = start(store, options) if name == "start" else measured(name, slide, store, options)
        print(name, json.dumps(found), flush=True)
        keep(name, {**found, "slide": slide.name, "cores": os.cpu_count()})


def measured(name: str, slide: Path, store: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return windows per second of each contestant, and how much faster ours are."""
    overlap = next(key for key in STRIDES if name.endswith(key) and (key or "," not in name))
    # Overlapping windows are four times as many: of a quarter of the tiles, turns are as short.
    some = range(len(open_store(store)) // (4 if overlap else 1))
    tiles = TileDataset(store, size=SIZE, stride=STRIDES[overlap], where=some)
    theirs = OpenSlideWindows(slide, tiles.coordinates)
    is_shuffled = name.startswith("shuffled")
    stream = TileStream(tiles, shuffle=is_shuffled)
    plain = {"batch_size": BATCH, "num_workers": options.workers}
    contestants: dict[str, Callable[[], Iterable[Any]]] = {
        "openslide": lambda: DataLoader(theirs, shuffle=is_shuffled, **plain),
        "dataset": lambda: DataLoader(tiles, shuffle=is_shuffled, **plain),
        "stream": lambda: DataLoader(stream, **plain),
    }
    speeds: dict[str, list[float]] = {each: [] for each in contestants}
    for turn in range(options.rounds + 1):
        in_turn = list(contestants)[:: -1 if turn % 2 else 1]
        for each in in_turn:
            speed = windows_per_s(contestants[each]())
            if turn:  # the first round warms up
                speeds[each].append(speed)
    ratios = {
        f"{each}_over_openslide": round(
            statistics.median(
                a / b for a, b in zip(speeds[each], speeds["openslide"], strict=True)
            ),
            2,
        )
        for each in ("dataset", "stream")
    }
    medians = {f"{each}_windows_per_s": round(statistics.median(speeds[each])) for each in speeds}
    return {**ratios, **medians, "windows": len(tiles), "workers": options.workers}


def windows_per_s(loader: Iterable[Any]) -> float:
    """Return the speed of an epoch, its workers' start included."""
    begin = time.perf_counter()
    count = sum(len(batch["image"]) for batch in loader)
    return count / (time.perf_counter() - begin)


def start(store: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return the seconds until a dataset has arrived in a process and read its first window."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiles.pickle"
        path.write_bytes(pickle.dumps(TileDataset(store, size=SIZE)))
        line = [sys.executable, "-c", START, path]
        seconds = [
            float(subprocess.run(line, check=True, capture_output=True, text=True).stdout)
            for _ in range(options.rounds + 1)
        ][1:]
    return {"seconds": round(statistics.median(seconds), 3), "slowest_s": round(max(seconds), 3)}


def keep(name: str, row: dict[str, Any]) -> None:
    """Write a row into the file of figures, beside those of earlier runs."""
    file = HERE / "loader.json"
    rows = json.loads(file.read_text()) if file.exists() else {}
    rows[name] = row
    ordered = {each: rows[each] for each in ROWS if each in rows}
    file.write_text(json.dumps(ordered, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
