"""Whole jobs: a slidetile command, the script a user would write instead, and a bare loop.

    python benchmarks/jobs.py [--folder FOLDER] [--threads N] [--rounds N] [--only NAME …]

Every contestant is a process of its own, timed from its start to its end. Each has a warm-up; then
they take turns, and the order is reversed from round to round, so that none pays for pages that
another has left to be written. The ratios are those of the medians. The figures of each job go
into benchmarks/jobs.json.

A virtual machine's cores are often two threads of one core, or shared with a neighbour: whatever
else runs then slows this by up to 1.7, be it no more than the writing of a file just made. So the
machine's pace is taken before each contestant, and a round in which it changed by more than a
fifth is run again.

The floor of a job is a bare loop over the same pixels with the same threads: decode, average,
encode, halve; nothing is read from or written to a disk, no tissue is found, no table is made.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

Result = TypeVar("Result")

HERE = Path(__file__).parent
REAL_NDPI = HERE.parents[1] / "shared" / "slides" / "made" / "brightfield.ndpi"
TILE_PX = 1024
SLIDE_MPP = 0.25
JPEG_QUALITY = 90

MOST_DRIFT = 1.2
MOST_TRIES = 2
"""How often a round may be run until the machine is steady."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One row of the table."""

    options: tuple[str, ...]
    """What the command is asked for."""

    codec: str
    mpp: float = SLIDE_MPP
    slide: str = "40k"

    script_at_least: float
    """The aim: how many times as fast as the script."""

    floor_at_least: float | None = None
    """The aim: the floor's time as a share of the command's; None where no floor is measured."""


JOBS = {
    "native, 100k": Job(
        options=("--codec", "native"), codec="native", slide="100k",
        script_at_least=50,
    ),
    "--mpp 0.5, zstd": Job(
        options=("--codec", "zstd", "--mpp", "0.5"), codec="zstd", mpp=0.5,
        script_at_least=2.7, floor_at_least=0.65,
    ),
    "--mpp 0.5, jpeg": Job(
        options=("--codec", "jpeg", "--mpp", "0.5"), codec="jpeg", mpp=0.5,
        script_at_least=2.5, floor_at_least=0.65,
    ),
    "--mpp 0.47, zstd": Job(
        options=("--codec", "zstd", "--mpp", "0.47"), codec="zstd", mpp=0.47,
        script_at_least=2, floor_at_least=0.6,
    ),
    "zstd": Job(
        options=("--codec", "zstd"), codec="zstd", script_at_least=3, floor_at_least=0.7
    ),
    "jpeg": Job(
        options=("--codec", "jpeg"), codec="jpeg", script_at_least=1.5, floor_at_least=0.65
    ),
    "jxl": Job(
        options=("--codec", "jxl"), codec="jxl", script_at_least=2.7, floor_at_least=0.65
    ),
    "NDPI, native": Job(
        options=("--codec", "native"), codec="native", slide="ndpi", script_at_least=6
    ),
    "DICOM, native": Job(
        options=("--codec", "native"), codec="native", slide="dicom", script_at_least=6
    ),
    "JPEG 2000 slide, zstd": Job(
        options=("--codec", "zstd"), codec="zstd", slide="jp2k",
        script_at_least=1.5, floor_at_least=0.8,
    ),
    "uint16, zstd": Job(
        options=("--codec", "zstd"), codec="uint16", slide="deep", script_at_least=2
    ),
    "uint16 onto uint8, zstd": Job(
        options=("--codec", "zstd", "--dtype", "uint8"), codec="uint8", slide="deep",
        script_at_least=2,
    ),
}  # fmt: skip

SLIDES = {
    "40k": (40_960, 30_720),
    "100k": (100_000, 80_000),
    "jp2k": (8_192, 6_144),
    "deep": (16_384, 12_288),
}
DEEP_WINDOW = 0.1, 99.9
"""The percentiles of each channel that become 0 and 255, as the command's default has them."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "slidetile")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(JOBS), choices=JOBS)
    options = parser.parse_args()
    # An installed package is compiled; without this every command would compile it anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    options.folder.mkdir(parents=True, exist_ok=True)
    rows = {}
    for name in options.only:
        rows[name] = run_job(JOBS[name], options.folder, options.threads, options.rounds)
        print(name, rows[name], flush=True)
        keep(name, {**rows[name], "threads": options.threads, "cores": os.cpu_count()})
    print(table(rows))


def keep(name: str, row: dict[str, Any]) -> None:
    """Put a job's figures in place of its earlier ones."""
    file = HERE / "jobs.json"
    rows = json.loads(file.read_text()) if file.exists() else {}
    rows[name] = row
    ordered = {name: rows[name] for name in JOBS if name in rows}
    file.write_text(json.dumps(ordered, indent=2) + "\n")


def run_job(job: Job, folder: Path, threads: int, rounds: int) -> dict[str, Any]:
    """Run a job's contestants in turns, and return the medians of their seconds, and ratios."""
    slide, out = generated(folder, job.slide), folder / "job.zarr"
    tiles = folder / "tiles.json"
    planned, copied = apart(planned_tiles, slide, job)
    tiles.write_text(json.dumps(planned))
    command = [sys.executable, "-m", "slidetile", "tile", slide, "-o", out, "--json"]
    child = [sys.executable, __file__, "--child"]
    contestants = {
        "command": [*command, *job.options, "--workers", threads],
        "script": [*child, "script", slide, out, threads],
    }
    if job.floor_at_least is not None:
        contestants["floor"] = [*child, "floor", slide, out, threads]
    for name in ("script", "floor"):
        if name in contestants:
            contestants[name] += [tiles, job.codec, job.mpp]
    told: dict[str, Any] = {}
    run_round(contestants, out, threads, told)  # the warm-up
    kept: list[Round] = []
    for number in range(MOST_TRIES * rounds):
        kept.append(run_round(contestants, out, threads, told, backwards=number % 2 == 0))
        if sum(each.is_steady for each in kept) == rounds:
            break
    kept = sorted(kept, key=lambda each: each.drift)[:rounds]
    seconds = {name: [each.seconds[name] for each in kept] for name in contestants}
    median = {name: statistics.median(each) for name, each in seconds.items()}
    row = {
        "tiles": len(planned),
        "seconds": {name: [round(each, 2) for each in times] for name, times in seconds.items()},
        "bytes": told["command"]["tile_bytes"],
        "peak_mb": round(told["command"]["peak_mb"]),
        "script_peak_mb": round(told["script"]["peak_mb"]),
        "drift": [round(each.drift, 2) for each in kept],
        "script_over_command": round(median["script"] / median["command"], 2),
        "script_at_least": job.script_at_least,
    }
    if copied is not None:
        row["bytes_over_copied"] = round(told["command"]["finest_bytes"] / copied, 4)
    if job.floor_at_least is not None:
        row["floor_over_command"] = round(median["floor"] / median["command"], 2)
        row["floor_at_least"] = job.floor_at_least
    return row


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of every contestant."""

    seconds: dict[str, float]

    drift: float
    """The machine's slowest pace before or after one of them, over its quickest."""

    @property
    def is_steady(self) -> bool:
        return self.drift <= MOST_DRIFT


def run_round(
    contestants: dict[str, list[Any]],
    out: Path,
    threads: int,
    told: dict[str, Any],
    *,
    backwards: bool = False,
) -> Round:
    seconds, paces = {}, [pace(threads)]
    for name in reversed(contestants) if backwards else contestants:
        seconds[name], told[name] = run(contestants[name], out)
        paces.append(pace(threads))
    return Round(seconds, max(paces) / min(paces))


def pace(threads: int) -> float:
    """Return how long the same work takes now, on all threads at once."""
    import simplejpeg

    noise = np.random.default_rng(0).integers(0, 256, (1024, 1024, 3), np.uint8)
    stream = simplejpeg.encode_jpeg(noise)

    def work(_: int) -> None:
        for _ in range(8):
            simplejpeg.decode_jpeg(stream)

    with ThreadPoolExecutor(threads) as pool:
        begin = time.perf_counter()
        list(pool.map(work, range(threads)))
        return time.perf_counter() - begin


def run(line: list[Any], out: Path) -> tuple[float, dict[str, Any]]:
    """Run a process on a file system that has come to rest."""
    shutil.rmtree(out, ignore_errors=True)
    out.with_suffix(".tar").unlink(missing_ok=True)
    os.sync()
    begin = time.perf_counter()
    process = subprocess.Popen(list(map(str, line)), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{line} failed: {process.stderr.read().decode()}")  # type: ignore[union-attr]
    facts = json.loads(output) if output.strip() else {}
    store = facts.get("store", {})
    finest = sum(file.stat().st_size for file in (out / "0").rglob("*") if file.is_file())
    return took, {
        "peak_mb": usage.ru_maxrss / 1e3,
        "tile_bytes": store.get("tile_bytes"),
        "finest_bytes": finest,
    }


def generated(folder: Path, name: str) -> Path:
    if name == "ndpi":
        return of_real_stripes(folder / "slide.ndpi")
    if name == "dicom":
        return as_dicom(generated(folder, "40k"), folder / "slide_dicom")
    slide = folder / f"slide_{name}.{'ome.tif' if name == 'deep' else 'svs'}"
    if not slide.exists():
        width, height = map(str, SLIDES[name])
        maker = HERE.parent / "data_samples" / "make_slide.py"
        made = folder / "slide_made.svs" if name in ("jp2k", "deep") else slide
        line = [sys.executable, maker, made, "--width", width, "--height", height]
        line += ["--mpp", str(SLIDE_MPP), "--tissue-fraction", "0.5"]
        subprocess.run(line, check=True, stdout=sys.stderr)
        if name == "jp2k":
            apart(as_jpeg2000, made, slide)
        if name == "deep":
            subprocess.run([sys.executable, HERE / "deep_slide.py", made, slide], check=True)
        os.sync()
        time.sleep(5)  # pages of a slide just made are still being written: they cost all who run
    return slide


def apart(call: Callable[..., Result], *arguments: object) -> Result:
    """Make a call in a process of its own.

    A process that is started inherits the peak of its parent's memory, which must stay small: it
    would be taken for that of a contestant.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(call, *arguments).result()


def of_real_stripes(slide: Path) -> Path:
    """Return a large NDPI of the stripes of a real one."""
    if not slide.exists():
        if not REAL_NDPI.exists():
            raise SystemExit(f"the slide that lends its stripes is not here: {REAL_NDPI}")
        line = [sys.executable, HERE / "striped_slide.py", REAL_NDPI, slide]
        subprocess.run(line, check=True)
        os.sync()
        time.sleep(5)  # as above
    return slide


def as_dicom(made: Path, series: Path) -> Path:
    """Return the file of level 0 of a DICOM series of a slide's own tiles."""
    if not series.exists():
        subprocess.run([sys.executable, HERE / "dicom_slide.py", made, series], check=True)
        os.sync()
        time.sleep(5)  # as above
    return series / "level-0.dcm"


def as_jpeg2000(made: Path, slide: Path) -> None:
    """Write a slide's pixels as Aperio's JPEG 2000 of YCbCr, compression 33003."""
    import tifffile
    from PIL import Image

    import slidetile as st

    with st.open_slide(made) as opened, tifffile.TiffFile(made) as tiff:
        text = tiff.pages.first.description
        with tifffile.TiffWriter(slide) as writer:
            for number, level in enumerate(opened.levels):
                pixels = opened.read_region(opened.bounds, level=number)
                image = Image.fromarray(pixels[: level.height, : level.width]).convert("YCbCr")
                writer.write(
                    np.asarray(image), tile=(256, 256), compression=33003, photometric="rgb",
                    compressionargs={"level": 48, "mct": False}, description=text, metadata=None,
                )  # fmt: skip


def planned_tiles(slide: Path, job: Job) -> tuple[list[tuple[int, int, int]], int | None]:
    """Return (x, y, side) in level-0 pixels of the tiles that the command will write.

    And the bytes that the slide has for those of level 0 that will be copied; None where none is.
    """
    import slidetile as st

    with st.open_slide(slide) as opened:
        view = st.rescale_slide(opened, mpp=job.mpp) if job.mpp != SLIDE_MPP else opened
        plan = st.plan_tiles(view, st.find_tissue(view))
        factor = job.mpp / SLIDE_MPP
        side = round(TILE_PX * factor)
        places = [(round(t.region.x * factor), round(t.region.y * factor), side) for t in plan]
        return places, copied_bytes(view, plan) if job.codec == "native" else None


def copied_bytes(slide: Any, plan: Any) -> int:
    """Return the bytes that a slide's file has for the tiles of level 0 that are copied."""
    from slidetile.writing._copying import Copying

    finest, tiles = Copying(slide, plan).levels[0], slide.native_tiles(0)
    return sum(tiles.stored_bytes(finest.grid.chunk_cells(shard)) for shard in finest.shards)


def script(slide: str, out: str, threads: int, tiles: list[Any], codec: str, _mpp: float) -> None:
    """Do what a user would write with OpenSlide, Pillow and zarr-python, of level 0 alone."""
    import openslide
    from PIL import Image

    source = openslide.OpenSlide(slide)
    keep = tar_of(out) if codec == "jpeg" else zarr_of(out, source.dimensions, tiles)

    def carry(tile: tuple[int, int, int]) -> None:
        x, y, side = tile
        image = source.read_region((x, y), 0, (side, side)).convert("RGB")
        if side != TILE_PX:
            image = image.resize((TILE_PX, TILE_PX), Image.Resampling.BOX)
        keep(x * TILE_PX // side, y * TILE_PX // side, image)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(carry, tiles))


def deep_script(
    slide: str, out: str, threads: int, tiles: list[Any], codec: str, _mpp: float
) -> None:
    """Do what a user would write with tifffile, zarr-python and floats, of level 0 alone."""
    import tifffile
    import zarr

    source = zarr.open(tifffile.imread(slide, aszarr=True, level=0), mode="r")
    coarsest = tifffile.imread(slide, level=2)
    low, high = np.percentile(coarsest, DEEP_WINDOW, axis=(1, 2), keepdims=True)
    sides = [-(-side // TILE_PX) * TILE_PX for side in source.shape[1:]]
    target = zarr.create_array(
        out, shape=(source.shape[0], *sides), chunks=(1, TILE_PX, TILE_PX), dtype=codec
    )

    def carry(tile: tuple[int, int, int]) -> None:
        x, y, side = tile
        inside = (slice(None), slice(y, y + side), slice(x, x + side))
        pixels = source[inside]
        if codec == "uint8":
            floats = (pixels.astype(np.float32) - low) / (high - low)
            pixels = (floats.clip(0, 1) * 255 + 0.5).astype(np.uint8)
        target[:, y : y + pixels.shape[1], x : x + pixels.shape[2]] = pixels

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(carry, tiles))


def zarr_of(out: str, size: tuple[int, int], tiles: list[Any]) -> Callable[[int, int, Any], None]:
    import zarr

    scale = TILE_PX / tiles[0][2]
    width, height = (-(-int(side * scale) // TILE_PX) * TILE_PX for side in size)
    target = zarr.create_array(
        out, shape=(height, width, 3), chunks=(TILE_PX, TILE_PX, 3), dtype="uint8", fill_value=255
    )

    def keep(x: int, y: int, image: Any) -> None:
        column, row = x // TILE_PX * TILE_PX, y // TILE_PX * TILE_PX
        target[row : row + TILE_PX, column : column + TILE_PX] = np.asarray(image)

    return keep


def tar_of(out: str) -> Callable[[int, int, Any], None]:
    import io

    archive, lock = tarfile.open(Path(out).with_suffix(".tar"), "w"), threading.Lock()  # noqa: SIM115

    def keep(x: int, y: int, image: Any) -> None:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=JPEG_QUALITY, subsampling=0)
        entry = tarfile.TarInfo(f"{x}_{y}.jpg")
        entry.size = file.tell()
        file.seek(0)
        with lock:
            archive.addfile(entry, file)

    return keep


def floor(slide: str, _out: str, threads: int, tiles: list[Any], codec: str, mpp: float) -> None:
    """Decode, average, encode, halve: what no program that makes these chunks can go below."""
    import slidetile as st
    from slidetile.format.codecs.named import make_codec
    from slidetile.raster.averaging import Resampling
    from slidetile.raster.resolution import choose_rescaling
    from slidetile.runtime.heap import tune_heap

    tune_heap()
    made, own = make_codec(codec), threading.local()
    with st.open_slide(slide) as opened:
        resampling: Resampling | None = None
        if mpp != SLIDE_MPP:
            sizes = [level.size for level in opened.levels]
            resampling = choose_rescaling(sizes, opened.mpp, mpp).resampling

        def carry(tile: tuple[int, int, int]) -> int:
            x, y, side = tile
            pixels = opened.fetch(st.Region(x=x, y=y, width=side, height=side)).pixels()
            if resampling is not None:
                pixels = averaged(resampling, pixels)
            return sum(
                len(made.encode(chunk)) for chunk in chunks(pixels, own, planar=made.is_planar)
            )

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(carry, tiles))


def averaged(resampling: Any, pixels: np.ndarray) -> np.ndarray:
    import slidetile as st

    at = st.Region(x=0, y=0, width=pixels.shape[1], height=pixels.shape[0])
    whole = st.Region(x=0, y=0, width=TILE_PX, height=TILE_PX)
    missing = resampling.source_region(whole)
    if not at.contains(missing):  # a fraction may end one pixel further right
        pixels = np.pad(pixels, ((0, 2), (0, 2), (0, 0)), mode="edge")
        at = st.Region(x=0, y=0, width=pixels.shape[1], height=pixels.shape[0])
    return resampling.average(pixels, at, whole)


def chunks(pixels: np.ndarray, own: Any, *, planar: bool) -> Iterator[np.ndarray]:
    """Yield a tile's chunks, and its share of the coarser levels' as chunks of a third of it."""
    from slidetile.raster.block_means import halve
    from slidetile.raster.pixels import empty_pixels

    chunk = getattr(own, "chunk", None)
    if chunk is None:
        own.chunk = chunk = empty_pixels((512, 512, 3), planar=planar)
        own.coarse = empty_pixels((512, 512, 3), planar=planar)
    for row in (0, 512):
        for column in (0, 512):
            chunk[:] = pixels[row : row + 512, column : column + 512]
            yield chunk
            halve(chunk, out=own.coarse[row // 2 : row // 2 + 256, column // 2 : column // 2 + 256])
    yield own.coarse
    halve(own.coarse)


def table(rows: dict[str, dict[str, Any]]) -> str:
    lines = [f"{'whole command':24}{'÷ script':>10}{'aim':>6}{'÷ floor':>10}{'aim':>6}{'MB':>7}"]
    for name, row in rows.items():
        floored = row.get("floor_over_command", "")
        lines.append(
            f"{name:24}{row['script_over_command']:>10}{row['script_at_least']:>6}"
            f"{floored:>10}{row.get('floor_at_least', ''):>6}{row['peak_mb']:>7}"
        )
    return "\n".join(["", *lines])


def run_child(kind: str, slide: str, out: str, threads: str, *rest: str) -> None:
    tiles, codec, mpp = rest
    by_kind = {"script": deep_script if codec.startswith("uint") else script, "floor": floor}
    act = by_kind[kind]
    act(slide, out, int(threads), json.loads(Path(tiles).read_text()), codec, float(mpp))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        run_child(*sys.argv[2:])
    else:
        main()
