"""Folders, names and machines as people have reported them: a folder of slides of each."""

import unicodedata

from cases.made.pictures import stained
from cases.made.tiff import write_svs

READERS = '''
"""Read with workers of every kind, of a parent that has read already, as data loaders do."""
import hashlib
import multiprocessing
import sys

import numpy as np

import slidetile as st


def digest(task):
    things, number = task
    if hasattr(things, "read_region"):
        pixels = things.read_region(st.Region(x=number, y=1024, width=512, height=512))
    else:
        pixels = things[number]
    return hashlib.sha256(np.ascontiguousarray(pixels)).hexdigest()


if __name__ == "__main__":
    windows = st.open_store(sys.argv[1]).windows(size=224, stride=112)
    slide = st.open_slide(sys.argv[2])
    tasks = {
        "windows": [(windows, number) for number in range(40)],
        "slide": [(slide, x) for x in range(0, 2048, 256)],
    }
    first = {name: list(map(digest, each)) for name, each in tasks.items()}
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(3) as pool:
            same = {
                name: pool.map_async(digest, each).get(60) == first[name]
                for name, each in tasks.items()
            }
        print(method, *(f"{name} {is_same}" for name, is_same in same.items()))
'''


def tiny(seed=1):
    return stained(1536, 1024, [(461, 410, 225), (1106, 614, 205)], seed=seed)


def symlinks(folder):
    raw, project = folder / "raw", folder / "project"
    raw.mkdir()
    project.mkdir()
    for name in ("8f3a.svs", "77bc.svs"):
        write_svs(raw / name, tiny(), ())
    links = {
        "case-1.svs": "../raw/8f3a.svs",
        "case-2.svs": "../raw/77bc.svs",
        "dangling.svs": "../raw/gone.svs",
        "site-b": "../raw",
        "loop": ".",
    }
    for name, target in links.items():
        (project / name).symlink_to(target)


def one_cpu(folder):
    write_svs(folder / "s.svs", stained(4096, 4096, [(2048, 2048, 1843)]))


def names(folder):
    inner = folder / "Präparate (2024) 病理 #1"
    inner.mkdir()
    composed = ["Größe.svs", "Größe.svs"]
    for name in (
        *("50% of it, really.svs", "Выявы 1_F2.svs", "a'b\"c.svs", "line\nbreak.svs"),
        *("TCGA-YY-0002.a1b2.svs", "-dash.svs", "x" * 240 + ".svs", "trailing .svs", "UPPER.SVS"),
        *map(unicodedata.normalize, ("NFD", "NFC"), composed),
        ".hidden.svs",
    ):
        write_svs(inner / name, tiny(), ())


def python_paths(folder):
    write_svs(folder / "s.svs", tiny(), ())


def disk_full(folder):
    write_svs(folder / "s.svs", stained(6144, 6144, [(3072, 3072, 2949)]))


def fork_and_spawn(folder):
    write_svs(folder / "s.svs", stained(4096, 4096, [(2048, 2048, 1966)]))
    (folder / "readers.py").write_text(READERS)


def job_array(folder):
    places = ("x/a", "x/b", "y/a", "y/c")
    for seed, place in enumerate(places):
        path = folder / f"{place}.svs"
        path.parent.mkdir(exist_ok=True)
        write_svs(path, tiny(seed), ())


MAKERS = {
    "12-symlinks": symlinks,
    "13-one-cpu": one_cpu,
    "18-names": names,
    "19-python-paths": python_paths,
    "33-disk-full": disk_full,
    "34-fork-spawn-zarr": fork_and_spawn,
    "43-job-array": job_array,
}
