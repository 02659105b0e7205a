"""A model of large cohorts: what ten thousand and a million slides take on ten and on a thousand
workers, from inputs that are measured here.

    python benchmarks/scale.py [--rows N] [--again]

`--again` measures the inputs and keeps them in benchmarks/scale.json; without it those that are
kept are used. Requests to buckets are those of
benchmarks/cloud.json. The model is arithmetic; docs/explanation/scale.md names its assumptions.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
KEPT = HERE / "scale.json"
CLOUD = HERE / "cloud.json"

COHORTS = (10_000, 1_000_000)
WORKERS = (10, 1_000)

STORAGE_BYTES_PER_S = 2e9
"""What a shared file system gives all workers together: assumed, an NFS server of 20 Gbit/s."""

STORAGE_REQUESTS_PER_S = 20_000
"""Files that it opens, makes or renames in a second: assumed."""

BUCKET_GETS_PER_S, BUCKET_PUTS_PER_S = 5_500, 3_500
"""What a bucket answers below one prefix: S3's documentation says at least so many."""

PUT_BYTES = 8 << 20
"""A part of an object that is put in several."""

PUTS_OF_A_ROW = 3
"""A slide's row, its log, and its share of the tables that they are gathered in."""

SCHEDULER_TASKS_PER_S = 1_000
"""Tasks that Dask's scheduler handles in a second: its documentation says about 1 ms a task."""

SLIDE_BYTES = 1.0e9
"""A slide, of which a native run reads the tissue's tiles: assumed."""

TISSUE_SHARE = 0.25
"""How much of the slide's bytes are the tissue's: assumed; most glass compresses to nothing."""

SLIDE_SECONDS = 8.0
"""A native run of such a slide on one worker of 4 cores: assumed; what was measured is in
docs/explanation/performance.md."""


def main() -> None:
    """Measure the inputs where asked to, and print the model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--again", action="store_true")
    options = parser.parse_args()
    if options.again or not KEPT.exists():
        KEPT.write_text(json.dumps(inputs(options.rows), indent=2) + "\n")
    measured = json.loads(KEPT.read_text()) | cloud_inputs(json.loads(CLOUD.read_text()))
    for name, value in measured.items():
        print(f"{name:32} {value:,}")
    print()
    for slides in COHORTS:
        for workers in WORKERS:
            print(f"{slides:,} slides on {workers:,} workers")
            for name, value in model(measured, slides, workers).items():
                print(f"    {name:28} {value}")


def inputs(rows: int) -> dict[str, Any]:
    """Measure what the model is made of."""
    import slidetile as st
    from slidetile.cohort.inputs.entry import Entry
    from slidetile.cohort.inputs.keys import with_keys
    from slidetile.cohort.layout import CohortFolder
    from slidetile.cohort.result import SlideResult
    from slidetile.cohort.table.rows import row_of
    from slidetile.cohort.table.run_log import RunLog
    from slidetile.cohort.table.summary import write_summary

    with tempfile.TemporaryDirectory() as place:
        folder = CohortFolder(Path(place))
        log = RunLog(folder.run("20260101T000000Z-00000000"))
        begin = time.perf_counter()
        for number in range(rows):
            key = f"site-{number % 100:02}-slide-{number:07}"
            result = SlideResult(
                key=key,
                slide=f"/data/{key}.svs",
                status="ok",
                store=f"/out/{key}.zarr",
                codec="native",
                mpp=0.2527,
                mpp_source="slide",
                tiles=1000 + number % 997,
                tile_bytes=250_000_000 + number,
                tissue_pieces=3,
                tissue_area_mm2=101.5 + number % 89,
                slide_area_mm2=480.25,
                seconds=7.5 + number % 7,
                peak_memory_bytes=300_000_000 + number % 1000,
                settings="0" * 32,
                columns={"patient": f"P{number // 3}"},
            )
            log.enter(row_of(result, slide=result.slide, store=result.store, run=log.run.name))
        log.finish()
        log.close()
        entered_s = time.perf_counter() - begin
        table_bytes = sum(path.stat().st_size for path in folder.table.iterdir())
        begin = time.perf_counter()
        found = st.read_slides(folder.path)
        read_s = time.perf_counter() - begin
        assert found.num_rows == rows
        begin = time.perf_counter()
        write_summary(folder)
        summary_s = time.perf_counter() - begin
        summary_bytes = folder.summary.stat().st_size
    slides = [Entry(slide=Path(f"/data/{n % 100}/slide-{n:07}.svs")) for n in range(rows)]
    begin = time.perf_counter()
    with_keys(slides, {})
    keys_s = time.perf_counter() - begin
    return {
        "rows": rows,
        "table_bytes_a_row": round(table_bytes / rows, 1),
        "summary_bytes_a_row": round(summary_bytes / rows, 1),
        "entering_us_a_row": round(1e6 * entered_s / rows, 1),
        "reading_us_a_row": round(1e6 * read_s / rows, 2),
        "summary_us_a_row": round(1e6 * summary_s / rows, 2),
        "key_us_a_slide": round(1e6 * keys_s / rows, 2),
        **store_inputs(),
    }


def store_inputs() -> dict[str, Any]:
    """Return what a store costs in files, and a slide that is done in time."""
    import slidetile as st

    with tempfile.TemporaryDirectory() as place:
        sample = HERE.parent / "data_samples" / "sample.svs"
        st.tile_slides([sample], place, processes=0)
        (store,) = Path(place).glob("*.zarr")
        files = [path for path in store.rglob("*") if path.is_file()]
        fixed = [path for path in files if "c" not in path.relative_to(store).parts[1:2]]
        (again,) = st.tile_slides([sample], place, processes=0).results
    return {
        "files_of_a_store_but_shards": len(fixed),
        "ms_a_done_slide": round(1000 * again.seconds, 1),
    }


def cloud_inputs(rows: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `benchmarks/cloud.py` has counted of native runs."""
    reading, writing = rows["tile native"]["0 ms"], rows["tile into it, native"]
    return {
        "bucket_gets_a_mb": round(reading["requests"] / reading["fetched_mb"], 3),
        "bucket_puts_of_a_store_but_shards": writing["0 ms"]["puts"] - writing["shards"],
        "bucket_asks_of_a_store": writing["0 ms"]["requests"] - writing["0 ms"]["puts"],
    }


def model(measured: Mapping[str, Any], slides: int, workers: int) -> dict[str, str]:
    """Return what a cohort takes."""
    read = slides * SLIDE_BYTES * TISSUE_SHARE
    shard_bytes = 64e6
    shards = slides * max(1.0, SLIDE_BYTES * TISSUE_SHARE / shard_bytes * 4 / 3)
    requests = 2 * (shards + slides * measured["files_of_a_store_but_shards"]) + slides * 20
    gets = measured["bucket_gets_a_mb"] * read / 1e6 + slides * measured["bucket_asks_of_a_store"]
    fixed_puts = measured["bucket_puts_of_a_store_but_shards"] + PUTS_OF_A_ROW
    puts = read / PUT_BYTES + slides * fixed_puts
    seconds = {
        "workers": slides * SLIDE_SECONDS / workers,
        "storage, bytes": 2 * read / STORAGE_BYTES_PER_S,
        "storage, requests": requests / STORAGE_REQUESTS_PER_S,
        "bucket, GET": gets / BUCKET_GETS_PER_S,
        "bucket, PUT": puts / BUCKET_PUTS_PER_S,
        "scheduler": slides / SCHEDULER_TASKS_PER_S,
        "coordinator": slides
        * (
            measured["entering_us_a_row"]
            + measured["key_us_a_slide"]
            + measured["summary_us_a_row"]
        )
        / 1e6,
    }
    slowest = max(seconds, key=lambda name: seconds[name])
    return {
        "bytes read, and written": f"{read / 1e12:,.1f} TB each",
        "requests of files": f"{requests / 1e6:,.1f} million",
        "GET, and PUT of a bucket": f"{gets / 1e6:,.1f}, {puts / 1e6:,.1f} million",
        "scheduler tasks": f"{slides:,}",
        "table": f"{slides * measured['table_bytes_a_row'] / 1e6:,.1f} MB",
        "summary.csv": f"{slides * measured['summary_bytes_a_row'] / 1e6:,.1f} MB",
        **{f"hours by {name}": f"{value / 3600:,.2f}" for name, value in seconds.items()},
        "again, all done, hours": f"{slides * measured['ms_a_done_slide'] / 3.6e6:,.2f}",
        "what saturates first": slowest,
    }


if __name__ == "__main__":
    main()
