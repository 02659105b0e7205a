"""Try what opens a store: every program, each codec, from disk and served. `make programs`.

Each program reads level 0 and the tissue of the sample's stores, in an environment without
slidetile and in one with it, and what it gives is compared with what slidetile gives. The table in
docs/how-to/other-programs.md is written anew.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from neuroglancer_page import neuroglancer_shows  # noqa: E402
from served_stores import CODECS, write  # noqa: E402
from serving_process import served  # noqa: E402

import slidetile as st  # noqa: E402

PAGE = ROOT / "docs/how-to/other-programs.md"
BEGIN, END = "<!-- tried: make programs -->\n\n", "\n<!-- tried: end -->\n"
WITH_SLIDETILE = ROOT / ".cache/programs"
DISK = ("zstd", "raw", "native", "jpeg", "jxl", "named")
HEADS = ("`zstd`", "`raw`", "`native`", "`jpeg`", "`jxl`", "`native`, [named `jpeg`]")


@dataclass(frozen=True)
class Program:
    """A program, and how it is run."""

    label: str
    reader: str
    python: str | None = ".venv-viewers"
    from_disk: bool = True

    @property
    def command(self):
        here = Path(__file__).parent
        if self.python is None:
            return ["node", here / "readers.mjs", self.reader]
        return [ROOT / self.python / "bin/python", here / "readers.py", self.reader]


PROGRAMS = (
    Program("zarr-python", "zarr_python"),
    Program("dask, `from_zarr`", "dask_from_zarr"),
    Program("xarray, `open_zarr` of one level", "xarray_open_zarr"),
    Program("xarray, `open_datatree`", "xarray_open_datatree"),
    Program("ome-zarr-py", "ome_zarr_py"),
    Program("ngio", "ngio"),
    Program("napari-ome-zarr", "napari_ome_zarr"),
    Program("napari, with napari-ome-zarr", "napari"),
    Program("spatialdata, `read_zarr`", "spatialdata", ".venv-spatialdata"),
    Program("tensorstore", "tensorstore"),
    Program("zarrs, its pipeline for zarr-python", "zarrs"),
    Program("ngff-zarr", "ngff_zarr"),
    Program("zarrita.js, on Node", "zarrita", None),
    Program("Viv's `loadOmeZarr`, on Node", "viv", None, from_disk=False),
)


def tried(program, places, *, beside=None):
    """Return what a program says of each place."""
    env = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONWARNINGS": "ignore"}
    env.pop("PYTHONPATH", None)
    if beside is not None:
        env["PYTHONPATH"] = str(beside)
    done = subprocess.run(
        [*program.command, *places], env=env, capture_output=True, text=True, check=False
    )
    facts = [json.loads(each) for each in done.stdout.splitlines() if each.startswith('{"version"')]
    if len(facts) != len(places):
        raise RuntimeError(f"{program.label} said {len(facts)} of {len(places)}: {done.stderr}")
    return facts


def expected(path):
    store = st.open_store(path)
    width, height = store.levels[0].size
    pixels = store.read_region(st.Region(x=0, y=0, width=width, height=height))
    image = np.ascontiguousarray(np.moveaxis(pixels, -1, 0))
    return {"image": _sum(image), "tissue": _sum(np.ascontiguousarray(store.tissue))}


def _sum(pixels):
    return hashlib.sha256(pixels).hexdigest()


def verdict(found, wanted):
    """Return what a cell says."""
    if "error" in found:
        return "no"
    if found["image"] != wanted["image"]:
        return "other pixels"
    return "yes" if found["tissue"] in (None, False, wanted["tissue"]) else "other labels"


def row(program, folder, addresses, wanted):
    paths = [folder / f"{codec}.zarr" for codec in DISK]
    alone = tried(program, paths) if program.from_disk else []
    helped = tried(program, paths, beside=WITH_SLIDETILE) if program.python else alone
    cells = []
    for codec, first, second in zip(DISK if alone else (), alone, helped, strict=True):
        cell = verdict(first, wanted[codec])
        if cell == "no" and verdict(second, wanted[codec]) == "yes":
            cell = "with slidetile"
        cells.append(cell)
    answers = tried(program, [addresses[codec] for codec in CODECS])
    over = {verdict(each, wanted[codec]) for codec, each in zip(CODECS, answers, strict=True)}
    errors = {each["error"] for each in [*helped, *answers] if "error" in each}
    for error in sorted(errors):
        print(f"  {program.label}: {error}")  # noqa: T201
    version = answers[0]["version"]
    served_cell = over.pop() if len(over) == 1 else "some"
    labels = "yes" if any(each.get("tissue") for each in [*alone, *answers]) else "not asked"
    told = cells or ["not tried"] * len(DISK)
    return f"| {program.label} {version} | {' | '.join([*told, served_cell, labels])} |"


def table(folder):
    wanted = {path.stem: expected(path) for path in folder.glob("*.zarr")}
    heads = [*HEADS, "served, each codec", "tissue as labels"]
    lines = [f"| program, version tried | {' | '.join(heads)} |", "|---" * (1 + len(heads)) + "|"]
    with served(folder, "--cors", "*") as told:
        addresses = {
            address.rpartition("/")[2][:-5]: address for address in told["store_addresses"]
        }
        for program in PROGRAMS:
            lines.append(row(program, folder, addresses, wanted))
            print(lines[-1], flush=True)  # noqa: T201
        shown = {codec: neuroglancer_shows(addresses[codec], folder) for codec in CODECS}
    version, browser = shown["native"]["version"], shown["native"]["browser"]
    cell = "yes" if all(each["is_equal"] for each in shown.values()) else "other pixels"
    told = " | ".join(["not tried"] * len(DISK))
    lines.append(f"| neuroglancer {version}, in Chromium {browser} | {told} | {cell} | not asked |")
    print(lines[-1])  # noqa: T201
    return "".join(f"{line}\n" for line in lines)


def make_stores(folder):
    for codec in CODECS:
        with st.open_slide(ROOT / "data_samples/sample.svs") as slide:
            write(slide, folder / f"{codec}.zarr", codec)
    shutil.copytree(folder / "native.zarr", folder / "named.zarr")
    st.rename_codec(folder / "named.zarr")


def main():
    with tempfile.TemporaryDirectory() as scratch:
        make_stores(Path(scratch))
        rows = table(Path(scratch))
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}{rows}{END}{after}")


if __name__ == "__main__":
    main()
