"""Stores of format version 1, made of those of today: their tissue was an image, not a label."""

import shutil
from dataclasses import replace

import pyarrow.parquet as pq

from slidetile.format.manifest import FileSum, pack_manifest
from slidetile.format.metadata.picture import PictureMetadata
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.names import MANIFEST, TABLE
from slidetile.format.picture import picture_grid
from slidetile.format.table import write_parquet
from slidetile.store.store import open_store


def make_earlier(path):
    """Let a store be what the first version of the format would have been, byte for byte."""
    store = open_store(path)
    height, width = store.tissue.shape
    metadata = replace(store.metadata, format_version=1)
    told = (picture_grid(width, height), store.overview_scale)
    before = PictureMetadata.of("tissue", store.metadata, *told)
    after = PictureMetadata.of("tissue", metadata, *told)
    shard = (path / next(iter(before.shards))).read_bytes()
    shutil.rmtree(path / "labels")
    (moved,) = (path / name for name in after.shards)
    moved.parent.mkdir(parents=True)
    moved.write_bytes(shard)
    for name, data in (*after.files.items(), ("zarr.json", metadata.to_json())):
        (path / name).write_bytes(data)
    table = pq.read_table(path / TABLE).drop_columns(["slide"])
    (path / TABLE).write_bytes(write_parquet(table))
    files = [each for each in path.rglob("*") if each.is_file() and each != path / MANIFEST]
    sums = {each.relative_to(path).as_posix(): FileSum.of(each.read_bytes()) for each in files}
    (path / MANIFEST).write_bytes(pack_manifest(sums))
    assert StoreMetadata.from_json((path / "zarr.json").read_bytes()).format_version == 1
