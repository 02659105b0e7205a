"""Small files of a store that would take gigabytes, minutes or for ever are refused first."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from known_tissue import drawn
from tampering import TABLE, edit_json

import slidetile as st
from slidetile.format.checksum import crc32c
from slidetile.format.shard import LARGEST_SHARD_BYTES, index_bytes

MOST_BYTES = 600 << 20
"""Peak memory of a command that refuses a store, where its own file may have 256 MiB."""

TIMEOUT_S = 300
"""Far above the second or two that it takes, on a machine that does much else."""


@pytest.fixture(scope="module")
def made(sample, tmp_path_factory):
    folder = tmp_path_factory.mktemp("limits")
    recipe = st.Recipe(tile=st.TileSpec(size=512), codec="native", detector=drawn)
    return st.tile_slide(sample, folder / "native.zarr", recipe).path


@pytest.fixture
def path(made, tmp_path):
    return shutil.copytree(made, tmp_path / "s.zarr")


def one_long_status(path):
    table = pq.read_table(path / TABLE)
    place = table.column_names.index("status")
    texts = pa.array(["x" * 4_000_000] * len(table))
    pq.write_table(table.set_column(place, "status", texts), path / TABLE, compression="zstd")


def many_brackets(path):
    (path / "zarr.json").write_bytes(b"[" + b"[]," * 5_000_000 + b"[]]")


def deep_brackets(path):
    (path / "0/zarr.json").write_bytes(b"[" * (1 << 24))


def a_sparse_table(path):
    with (path / TABLE).open("r+b") as file:
        file.truncate(1 << 36)


def a_sparse_shard(path, shard_bytes=1 << 30):
    """A shard that takes no room on the disk, whose index is right and claims all of it."""
    index = np.zeros((256, 2), "<u8")
    index[:, 1] = shard_bytes
    data = index.tobytes()
    with (path / "0/c/0/0/0").open("wb") as file:
        file.seek(shard_bytes)
        file.write(data + crc32c(data).to_bytes(4, "little"))


def a_large_shard(path):
    """As long as the longest file that is read at all."""
    a_sparse_shard(path, LARGEST_SHARD_BYTES - index_bytes(256))


def large_chunks(path):
    def change(node):
        node["codecs"][0]["configuration"]["chunk_shape"] = [3, 8192, 8192]
        node["chunk_grid"]["configuration"]["chunk_shape"] = [3, 8192, 8192]

    edit_json(path, "0/zarr.json", change)


def large_tiles(path):
    edit_json(path, "zarr.json", lambda n: n["attributes"]["slidetile"].update(tile_size=30_000))


def endless_tiles(path):
    edit_json(path, "zarr.json", lambda n: n["attributes"]["slidetile"].update(tile_size=2**53))


def a_long_manifest(path):
    (path / "tiles/checksums.txt").write_bytes(b"0" * (1 << 27))


def the_table_is_a_pipe(path):
    (path / TABLE).unlink()
    os.mkfifo(path / TABLE)


READ = """
import resource, sys
import slidetile as st
from slidetile.export.exporting import export_store

def attempt(path, *ways):
    told = []
    for way in ways:
        try:
            told += [str(finding) for finding in way(path) or ()]
        except st.SlidetileError as error:
            told.append(str(error))
    return told

told = attempt(
    sys.argv[1],
    lambda path: list(st.open_store(path)) and None,
    lambda path: st.open_store(path)._repr_html_() and None,
    lambda path: export_store(st.open_store(path), path + ".geojson") and None,
    lambda path: st.verify_store(path, workers=1),
)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, chr(10).join(told)[:2000])
"""


def outcome(path):
    """Read a store in every way, in a process of its own: its peak memory, and what it told."""
    # Linux counts what the parent held when it forked: a small parent stands between.
    child = [sys.executable, "-c", READ, str(path)]
    parent = f"import subprocess, sys; sys.exit(subprocess.call({child!r}))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", parent],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
    peak, _, told = done.stdout.partition(" ")
    return int(peak) * (1 if sys.platform == "darwin" else 1024), told


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (one_long_status, "bytes for 28 rows, which take"),
        (many_brackets, "commas, colons and brackets, more than 262144"),
        (a_sparse_shard, "more than any file of a store"),
        (a_large_shard, "claims more than its"),
        (a_long_manifest, "more than 67108864 bytes"),
        (the_table_is_a_pipe, "it is not a regular file"),
    ],
)
def test_what_would_take_gigabytes_or_for_ever_is_refused(path, spoil, message):
    spoil(path)
    peak_bytes, told = outcome(path)
    assert message in told
    assert peak_bytes < MOST_BYTES, f"{peak_bytes >> 20} MiB"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (deep_brackets, "commas, colons and brackets, more than 262144"),
        (a_sparse_table, "are stored"),
        (large_chunks, "bytes, more than 50331648"),
        (large_tiles, "tile_size is 30000, but it must be"),
        (endless_tiles, "tile_size is 9007199254740992, but it must be"),
    ],
)
def test_what_makes_no_sense_is_refused_when_it_is_opened(path, spoil, message):
    spoil(path)
    with pytest.raises(st.StoreError, match=message):
        st.open_store(path)
