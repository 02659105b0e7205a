"""The tile table's file: written and read back, and refused where it is no table."""

import io
import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import slidetile as st
from slidetile.format.table import QUALITY_COLUMNS, read_parquet, schema, write_parquet


def rows(count):
    """A table of so many rows."""
    kinds, numbers = schema((4.0, 2.0)), pa.array(np.arange(count))
    columns = [
        pa.array(["ok"] * count) if field.type == pa.string() else numbers.cast(field.type)
        for field in kinds
    ]
    return pa.table(columns, schema=kinds)


@pytest.mark.parametrize("count", [0, 1, 300])
def test_it_comes_back_with_its_types_and_the_resolution_of_its_quality(count):
    again = read_parquet(io.BytesIO(write_parquet(rows(count))), count)
    assert again.equals(rows(count), check_metadata=True)
    for name in QUALITY_COLUMNS:
        assert json.loads(again.schema.field(name).metadata[b"mpp"]) == [4.0, 2.0]
    assert again.schema.field("tissue_fraction").metadata is None


def test_an_unknown_resolution_is_null():
    assert schema().field("mean_red").metadata == {b"mpp": b"null"}


def test_the_same_rows_are_the_same_bytes():
    assert write_parquet(rows(9)) == write_parquet(rows(9))


@pytest.mark.parametrize("data", [b"", b"PAR1", b"no table at all"])
def test_what_is_no_table_is_refused(data):
    with pytest.raises(st.StoreError, match="it could not be read as a table"):
        read_parquet(io.BytesIO(data), 0)


def test_other_rows_than_the_store_has_are_not_read():
    with pytest.raises(st.StoreError, match="it has 300 rows, the store 299 tiles"):
        read_parquet(io.BytesIO(write_parquet(rows(300))), 299)


def alike(count):
    """Columns of so many rows that are all the same."""
    kinds = [field.type for field in schema()]
    values = [pa.scalar("ok" if kind == pa.string() else 1, kind) for kind in kinds]
    return [pa.repeat(value, count) for value in values]


def test_more_rows_than_its_bytes_can_hold_are_not_read():
    """Three million equal rows take a few kB in the file, and 60 bytes each in memory."""
    count, file = 1 << 20, io.BytesIO()
    with pq.ParquetWriter(file, schema(), compression="zstd") as writer:
        for _ in range(3):
            writer.write_table(pa.table(alike(count), schema=schema()))
    assert len(file.getvalue()) < 1 << 20
    with pytest.raises(st.StoreError, match=r"it claims 3145728 rows in \d+ bytes"):
        read_parquet(file, 3 * count)


def test_a_real_table_of_many_rows_is_read():
    """However alike the tiles are, their ids are not."""
    count = 1 << 21
    columns = [pa.array(np.arange(count, dtype=np.int32)), *alike(count)[1:]]
    file = io.BytesIO(write_parquet(pa.table(columns, schema=schema())))
    assert len(read_parquet(file, count)) == count


DAMAGE = """
import io, random, sys
import slidetile as st
from slidetile.format.table import read_parquet
data = open(sys.argv[1], "rb").read()
dice, refused = random.Random(5), 0
for _ in range(1500):
    damaged = bytearray(data)
    for _ in range(dice.choice((1, 1, 3))):
        damaged[-1 - dice.randrange(len(data))] = dice.choice((0, 1, 127, 128, 255, 7))
    try:
        read_parquet(io.BytesIO(damaged), 9)
    except st.StoreError:
        refused += 1
print(refused)
"""


def test_damage_ends_no_process(tmp_path):
    """Asked for a column's record in some damaged files, Arrow aborts the process."""
    path = tmp_path / "tiles.parquet"
    path.write_bytes(write_parquet(rows(9)))
    done = subprocess.run(
        [sys.executable, "-c", DAMAGE, path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 500


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads as Linux lists them")
def test_reading_a_table_starts_no_thread(tmp_path):
    """One of Arrow's that still holds Python's memory aborts a process that ends meanwhile."""
    path = tmp_path / "tiles.parquet"
    path.write_bytes(write_parquet(rows(3)))
    program = (
        "import os, sys\n"
        "import pyarrow.parquet\n"
        "from slidetile.format.table import read_parquet\n"
        "threads = lambda: len(os.listdir('/proc/self/task'))\n"
        "before = threads()\n"
        "with open(sys.argv[1], 'rb') as file:\n"
        "    read_parquet(file, 3)\n"
        "print(threads() - before)\n"
    )
    command = [sys.executable, "-c", program, path]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "0\n"
