"""What is measured: each function runs in a process of its own and returns its figures.

Speeds are megapixels of planned tiles per second of the writing phase.
"""

import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import slidetile as st
from slidetile.runtime.heap import tune_heap

TILE_MEGAPIXELS = 1024 * 1024 / 1e6
SAMPLE_SHARE = 6  # what is slow is measured on every sixth tile
READ_BACK_TILES = 200
SLEEP_S = 0.03

Figures = dict[str, float]


def plan_of(slide: st.Slide) -> st.TilePlan:
    return st.plan_tiles(slide, st.find_tissue(slide))


def sampled_tiles(slide: str) -> list[st.Region]:
    with st.open_slide(slide) as opened:
        return [tile.region for tile in plan_of(opened)][::SAMPLE_SHARE]


def timed(act: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def speed(megapixels: float, seconds: float) -> Figures:
    return {"megapixels_per_s": megapixels / seconds, "seconds": seconds}


def with_zarr(
    slide: str, out: str, threads: int, read: Callable[[st.Region], Any], **array: Any
) -> Figures:
    """Read tiles with a function, write them with zarr-python."""
    import zarr

    tiles = sampled_tiles(slide)
    with st.open_slide(slide) as opened:
        bounds = opened.bounds
    target = zarr.create_array(
        out, shape=(bounds.height, bounds.width, 3), chunks=(1024, 1024, 3), dtype="uint8",
        fill_value=255, **array,
    )  # fmt: skip

    def carry(tile: st.Region) -> None:
        rows, columns = (inside := tile.intersection(bounds)).slices
        target[rows, columns] = read(tile)[: inside.height, : inside.width]

    with ThreadPoolExecutor(threads) as pool:
        seconds = timed(lambda: list(pool.map(carry, tiles)))
    return speed(len(tiles) * TILE_MEGAPIXELS, seconds)


def script(slide: str, out: str, threads: int) -> Figures:
    """OpenSlide reads, zarr-python writes with its defaults: what one writes in ten minutes."""
    import openslide

    source = openslide.OpenSlide(slide)

    def read(tile: st.Region) -> np.ndarray:
        image = source.read_region((tile.x, tile.y), 0, (tile.width, tile.height))
        return np.asarray(image.convert("RGB"))

    return with_zarr(slide, out, threads, read)


def pair(slide: str, out: str, threads: int) -> Figures:
    """The best pair to be had: fastslide reads, zarr-python writes zstd level 1."""
    import fastslide
    from zarr.codecs import ZstdCodec

    source = fastslide.FastSlide.from_file_path(slide)

    def read(tile: st.Region) -> np.ndarray:
        return source.read_region((tile.x, tile.y), 0, (tile.width, tile.height)).numpy()

    return with_zarr(slide, out, threads, read, compressors=ZstdCodec(level=1))


def floor(slide: str, _out: str, threads: int) -> Figures:
    """Decode all native tiles and encode all chunks, in memory: what `zstd` cannot go below."""
    import imagecodecs

    from slidetile.format.codecs.planar import ZstdCodec
    from slidetile.writing.choosing import make_work

    codec = ZstdCodec()
    opened = st.open_slide(slide)
    plan = plan_of(opened)
    native = opened.native_tiles(0)
    levels = make_work(opened, plan, codec).levels
    more = sum(len(s.chunks) for lv in levels for s in lv.shards) / sum(
        len(s.chunks) for s in levels[0].shards
    )
    tiles = [tile.region for tile in plan][:: SAMPLE_SHARE // 2]
    streams = [native.fetch(native_cells(native, tile)).streams() for tile in tiles]
    chunks = [chunks_of(opened, tile) for tile in tiles]

    counts = np.diff(np.floor(np.arange(len(tiles) + 1) * 4 * more)).astype(int).tolist()

    def carry(number: int) -> None:
        for stream in filter(None, streams[number]):
            imagecodecs.jpeg8_decode(stream)
        for count in range(counts[number]):  # its own chunks, and its share of the coarser levels
            codec.encode(chunks[number][count % 4])

    with ThreadPoolExecutor(threads) as pool:
        seconds = timed(lambda: list(pool.map(carry, range(len(tiles)))))
    return speed(len(tiles) * TILE_MEGAPIXELS, seconds)


def native_cells(native: Any, tile: st.Region) -> list[tuple[int, int]]:
    width, height = native.tile_width_px, native.tile_height_px
    right, bottom = (
        min(tile.right // width, native.columns),
        min(tile.bottom // height, native.rows),
    )
    return [(x, y) for y in range(tile.y // height, bottom) for x in range(tile.x // width, right)]


def chunks_of(slide: st.Slide, tile: st.Region) -> list[np.ndarray]:
    planes = slide.read_region(tile).transpose(2, 0, 1)
    halves = (slice(0, 512), slice(512, 1024))
    parts = [planes[:, rows, columns] for rows in halves for columns in halves]
    return [np.ascontiguousarray(part).transpose(1, 2, 0) for part in parts]


def write(codec: str) -> Callable[[str, str, int], Figures]:
    def contestant(slide: str, out: str, threads: int) -> Figures:
        tune_heap()  # as the command does
        last: list[st.Progress] = []
        with st.open_slide(slide) as opened:
            plan = plan_of(opened)
            seconds = timed(
                lambda: st.write_tiles(
                    opened, plan, out, codec=codec, workers=threads, on_progress=last.append
                )
            )
        memory = last[-1].memory
        return {
            **speed(len(plan) * TILE_MEGAPIXELS, seconds),
            "bytes": last[-1].bytes_written,
            "throttled": memory.throttled,
        }

    return contestant


def command(codec: str) -> Callable[[str, str, int], Figures]:
    def contestant(slide: str, out: str, threads: int) -> Figures:
        """The whole command, from its start to its end."""
        line = [sys.executable, "-m", "slidetile", "tile", slide, "-o", out, "--json"]
        line += ["--codec", codec, "--workers", str(threads)]
        seconds = timed(lambda: subprocess.run(line, check=True, stdout=subprocess.DEVNULL))
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
        return {"seconds": seconds, "child_peak_mb": peak}

    return contestant


def files(_slide: str, out: str, threads: int, kept: str) -> Figures:
    """Write a store's shards again, as plain files, from memory: the file system's own floor."""
    shards = [path for path in Path(kept).rglob("c/*/*/*") if path.is_file()]
    data = [(Path(out) / path.relative_to(kept), path.read_bytes()) for path in shards]
    for parent in {path.parent for path, _ in data}:
        parent.mkdir(parents=True)
    with ThreadPoolExecutor(threads) as pool:
        seconds = timed(lambda: list(pool.map(lambda item: item[0].write_bytes(item[1]), data)))
    return speed(len(st.open_store(kept)) * TILE_MEGAPIXELS, seconds)


def copy(_slide: str, out: str, _threads: int, kept: str) -> Figures:
    """Copy the store as `cp -r` does."""
    seconds = timed(lambda: subprocess.run(["cp", "-r", kept, out], check=True))
    return speed(len(st.open_store(kept)) * TILE_MEGAPIXELS, seconds)


def read_back(slide: str, _out: str, _threads: int, kept: str) -> Figures:
    """Random tiles, one thread: from the store, from the slide by OpenSlide, and bare decoding."""
    import imagecodecs
    import openslide

    store = st.open_store(kept)
    indices = np.random.default_rng(1).integers(0, len(store), READ_BACK_TILES).tolist()
    tiles = [store.tile_region(index) for index in indices]
    source = openslide.OpenSlide(slide)
    native = st.open_slide(slide).native_tiles(0)
    streams = [native.fetch(native_cells(native, tile)).streams() for tile in tiles]

    def by_openslide() -> None:
        for tile in tiles:
            image = source.read_region((tile.x, tile.y), 0, (tile.width, tile.height))
            np.asarray(image.convert("RGB"))

    contests = {
        "store": lambda: [store[index] for index in indices],
        "openslide": by_openslide,
        "decode": lambda: [imagecodecs.jpeg8_decode(s) for tile in streams for s in tile if s],
    }
    best = {name: min(timed(act) for _ in range(3)) for name, act in contests.items()}
    return {f"{name}_ms": 1000 * seconds / READ_BACK_TILES for name, seconds in best.items()}


def through_openslide(slide: str, _out: str, _threads: int) -> Figures:
    """The adapter of OpenSlide against OpenSlide itself, one thread, the same tiles."""
    import openslide

    tiles = sampled_tiles(slide)[:20]
    source = openslide.OpenSlide(slide)
    planes = np.empty((3, 1024, 1024), np.uint8)
    # All with the heap as a command has it: otherwise this is about glibc, not about any of them.
    tune_heap()
    with st.open_slide(slide, reader="openslide") as opened:
        contests = {
            "openslide": lambda t: source.read_region((t.x, t.y), 0, (t.width, t.height)),
            "adapter": lambda t: opened.fetch(t).pixels(out=planes.transpose(1, 2, 0)),
            "read_region": opened.read_region,
        }
        best = dict.fromkeys(((name, tile) for name in contests for tile in tiles), math.inf)
        for _ in range(12):
            for name, tile in best:  # in turns, and no tile again while OpenSlide still caches it
                seconds = timed(lambda r=contests[name], t=tile: r(t))
                best[name, tile] = min(best[name, tile], seconds)
    total = {name: sum(best[name, tile] for tile in tiles) for name in contests}
    return {f"{name}_over_openslide": total[name] / total["openslide"] for name in contests}


class SleepySlide(st.ArraySlide):
    """A slide on a drive that takes its time: reading waits, and keeps no core busy."""

    def fetch(self, region: st.Region, *, level: int = 0) -> Any:
        time.sleep(SLEEP_S)
        return super().fetch(region, level=level)


def sleepy(_slide: str, out: str, threads: int) -> Figures:
    """How much longer a run takes when every read waits 30 ms, and if nothing overlapped."""
    pixels = np.random.default_rng(0).integers(0, 256, (8192, 8192, 3), np.uint8)
    seconds = {}
    for kind in (st.ArraySlide, SleepySlide):
        slide = kind(pixels, mpp=0.5)
        tissue = st.find_tissue(slide, detector=everything)
        plan = st.plan_tiles(slide, tissue)
        path = f"{out}.{kind.__name__}"
        seconds[kind] = timed(
            lambda s=slide, p=plan, o=path: st.write_tiles(s, p, o, codec="zstd", workers=threads)
        )
    waiting = SLEEP_S * len(plan)
    return {
        "sleepy_over_awake": seconds[SleepySlide] / seconds[st.ArraySlide],
        "without_overlap": (seconds[st.ArraySlide] + waiting) / seconds[st.ArraySlide],
    }


def everything(image: np.ndarray) -> np.ndarray:
    return np.ones(image.shape[:2], np.bool_)


def start(_slide: str, _out: str, _threads: int) -> Figures:
    """The quickest of five starts."""
    lines = {
        "import_s": [sys.executable, "-c", "import slidetile"],
        "help_s": [sys.executable, "-m", "slidetile", "--help"],
    }
    return {
        name: min(
            timed(lambda a=line: subprocess.run(a, check=True, stdout=subprocess.DEVNULL))
            for _ in range(5)
        )
        for name, line in lines.items()
    }
