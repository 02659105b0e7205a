"""Windows and verification of a store in object storage against those of the same store on a disk.

`store_rows` gives the rows; ``python benchmarks/_cloud_stores.py SLIDE`` prints them. What is
written goes to moto's server, which takes 5 ms of a core for each request; what is read comes from
a server of files that can be listed as a bucket. The servers and the proxy are those of the tests,
in processes of their own, and so is each measurement.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LATENCIES_MS = (0, 30)
ROUNDS = 3
CODECS = ("native", "zstd", "jpeg")
BUCKET_HOME = "s3://lab/benchmark"

ACTIONS = {
    "windows": "deque(store.windows(size=256), maxlen=0)",
    "tiles": "deque(store, maxlen=0)",
    "random tile": "[store[n] for n in Random(0).choices(range(len(store)), k=40)]",
    "verify": "st.verify_store(place)",
}

PROGRAM = """
import json, sys, time
from collections import deque
from random import Random
import slidetile as st
from slidetile.cloud.options import set_storage_options
place, options = sys.argv[1], json.loads(sys.argv[2])
set_storage_options(options)
begin = time.perf_counter()
store = st.open_store(place)
opened = time.perf_counter() - begin
begin = time.perf_counter()
{action}
print(json.dumps({{"open_s": opened, "seconds": time.perf_counter() - begin}}))
"""


TILE = """
import json, shutil, sys, time
import slidetile as st
from slidetile.cloud.options import set_storage_options
place, options = sys.argv[1], json.loads(sys.argv[2])
set_storage_options(options)
if not options:
    shutil.rmtree(place, ignore_errors=True)
begin = time.perf_counter()
st.tile_slide({slide!r}, place, st.Recipe(codec={codec!r}),
    options=st.WriteOptions(existing="overwrite"))
print(json.dumps({{"seconds": time.perf_counter() - begin}}))
"""


def writing_rows(slide: Path, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a row for each codec: a slide of this disk is tiled onto it and into a bucket."""
    folder.mkdir(parents=True, exist_ok=True)
    with served([]) as ask:
        for codec in CODECS[:2]:
            program = TILE.format(slide=str(slide), codec=codec)
            rounds: dict[str, list[dict[str, Any]]] = {}
            for number in range(ROUNDS):
                here = folder / "written.zarr"
                rounds.setdefault("local", []).append(ran(program, str(here), {}))
                for latency in LATENCIES_MS:
                    options = ask({"latency_s": latency / 1000})["options"]
                    there = f"{BUCKET_HOME}/{codec}-{latency}-{number}.zarr"
                    counted = ran(program, there, options) | ask({})["counts"]
                    rounds.setdefault(f"{latency} ms", []).append(counted)
            shards = sum(1 for _ in (folder / "written.zarr" / "0" / "c").glob("*/*/*"))
            yield f"tile into it, {codec}", {**medians(rounds), "shards": shards}


def store_rows(slide: Path, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a row for each codec and action: seconds, requests and bytes, here and there.

    All that is compared is measured in turn, in ``ROUNDS`` rounds, of which the median is told.
    """
    home = folder / BUCKET_HOME.removeprefix("s3://")
    home.mkdir(parents=True, exist_ok=True)
    with served([str(folder)]) as ask:
        for codec in CODECS:
            store = made(slide, home / f"{codec}.zarr", codec)
            for action in ACTIONS:
                yield f"{action}, {codec}", compared(store, action, ask)


def compared(store: Path, action: str, ask: Any) -> dict[str, Any]:
    there = f"{BUCKET_HOME}/{store.name}"
    rounds: dict[str, list[dict[str, Any]]] = {}
    for _ in range(ROUNDS):
        rounds.setdefault("local", []).append(measured(action, str(store), {}))
        for latency in LATENCIES_MS:
            options = ask({"latency_s": latency / 1000})["options"]
            counted = measured(action, there, options) | ask({})["counts"]
            rounds.setdefault(f"{latency} ms", []).append(counted)
    return medians(rounds)


def medians(rounds: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        where: {key: round(statistics.median(row[key] for row in found), 3) for key in found[0]}
        for where, found in rounds.items()
    }


def made(slide: Path, store: Path, codec: str) -> Path:
    import slidetile as st

    if not store.exists():
        st.tile_slide(slide, store, st.Recipe(codec=codec))  # type: ignore[arg-type]
    return store


def measured(action: str, place: str, options: dict[str, str]) -> dict[str, float]:
    return ran(PROGRAM.format(action=ACTIONS[action]), place, options)


def ran(program: str, place: str, options: dict[str, str]) -> dict[str, float]:
    line = [sys.executable, "-c", program, place, json.dumps(options)]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


@contextmanager
def served(files: list[str]) -> Iterator[Any]:
    """Run a server and the proxy until the block ends; call what is given to tell them things.

    The server is moto's, or one of the files in a folder.
    """
    pipe = subprocess.PIPE
    line = [sys.executable, __file__, "--serve", *files]
    with subprocess.Popen(line, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told, heard = process.stdin, process.stdout

        def ask(what: dict[str, Any]) -> Any:
            told.write(json.dumps(what) + "\n")
            told.flush()
            return json.loads(heard.readline())

        try:
            yield ask
        finally:
            told.close()  # it ends, and the server with it
            process.wait()


def serve(files: list[str]) -> None:
    """Be the proxy, before a server of its own."""
    sys.path.append(str(HERE.parent / "tests"))
    from object_storage import OPTIONS, FileServer, Proxy, s3_server

    with ExitStack() as stack:
        server = FileServer(Path(files[0])) if files else stack.enter_context(s3_server())
        proxy = Proxy(server)
        options = {**OPTIONS, "endpoint": proxy.endpoint}
        for line in sys.stdin:
            asked = json.loads(line)
            proxy.latency_s = asked.get("latency_s", proxy.latency_s)
            counts = {
                "requests": len(proxy.requests),
                "puts": len(proxy.of("PUT", "POST", "DELETE")),
                "fetched_mb": round(proxy.fetched_bytes / 1e6, 1),
            }
            proxy.clear()
            print(json.dumps({"options": options, "counts": counts}), flush=True)


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2:])
        return
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    folder = Path(tempfile.mkdtemp(prefix="cloud_stores"))
    try:
        for name, row in store_rows(Path(sys.argv[1]), folder):
            print(name, json.dumps(row), flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
