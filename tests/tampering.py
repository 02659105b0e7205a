"""What is done to a finished store to see whether `verify_store` notices."""

import json
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from paths import SAMPLE

import slidetile as st
from slidetile.format.codecs.planar import ZstdCodec
from slidetile.format.manifest import FileSum, pack_manifest
from slidetile.format.metadata.node import to_json
from slidetile.format.names import MANIFEST
from slidetile.format.shard import pack_shard

CODECS = ("native", "zstd", "jxl", "jpeg", "raw")
TABLE = "tiles/tiles.parquet"


def pixels():
    coarse = np.random.default_rng(0).integers(0, 256, (56, 77, 3), np.uint8)
    return coarse.repeat(20, axis=0).repeat(20, axis=1)[:1107, :1533]


def small_slide(array=None):
    """A slide in memory, its sides odd, with two regions of tissue."""
    return st.ArraySlide(pixels() if array is None else array, mpp=(0.5, 0.25), name="small")


def plan_of(slide):
    overview = st.read_overview(slide, mpp=8.0)
    mask = np.zeros(overview.image.shape[:2], np.bool_)
    mask[-9:, -20:] = mask[:20, :9] = True
    tissue = st.TissueMask.from_mask(mask, overview)
    return st.plan_tiles(slide, tissue, st.TileSpec(size=208))


def slide_of(codec):
    return st.open_slide(SAMPLE) if codec == "native" else small_slide()


def names(path):
    return sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())


def shards(path, level=0):
    return [name for name in names(path) if name.startswith(f"{level}/c/")]


def reseal(path):
    """Make the manifest of a changed store fit, so that only its sense can give it away."""
    files = {n: FileSum.of((path / n).read_bytes()) for n in names(path) if n != MANIFEST}
    (path / MANIFEST).write_bytes(pack_manifest(files))


def edit_json(path, name, change):
    """Change metadata and write them as slidetile does, so that only their sense can be wrong."""
    node = json.loads((path / name).read_bytes())
    change(node)
    (path / name).write_bytes(to_json(node))
    reseal(path)


def told(findings):
    return "\n".join(map(str, findings))


def change_row(path, row, column, value):
    table = pq.read_table(path / TABLE)
    values = table[column].to_pylist()
    values[row] = value
    at = table.column_names.index(column)
    changed = table.set_column(at, table.field(at), pa.array(values, table.field(at).type))
    pq.write_table(changed, path / TABLE)
    reseal(path)


def chunks_of(data, count):
    """The stored chunks of a shard, by place."""
    index = struct.iter_unpack("<2Q", data[-16 * count - 4 : -4])
    return {
        place: data[offset : offset + length]
        for place, (offset, length) in enumerate(index)
        if length < 1 << 60
    }


def packed(path, name, chunks):
    """The shard file ``name`` with these stored chunks."""
    grid = st.open_store(path)._arrays[int(name.split("/")[0])].grid
    return b"".join(pack_shard({place: (chunk,) for place, chunk in chunks.items()}, grid))


def repack(path, name, change, *, all_chunks=False):
    """Change the pixels of the first chunk of a zstd shard, and the manifest with them."""
    chunks = chunks_of((path / name).read_bytes(), 4)
    codec = ZstdCodec()
    for place in sorted(chunks)[: None if all_chunks else 1]:
        decoded = codec.decode(chunks[place], (512, 512, 3)).copy()
        change(decoded.transpose(2, 0, 1))
        chunks[place] = codec.encode(decoded)
    (path / name).write_bytes(packed(path, name, chunks))
    reseal(path)


def refit_table(path):
    """Take over into the table what its chunks give."""
    for finding in st.verify_store(path):
        column, value = finding.what.split()[1], int(finding.what.split()[-1])
        change_row(path, finding.tile, column, value)


def damage_chunk(path, column, row):
    """Overwrite the middle of a chunk of level 0."""
    data = st.open_store(path).read_chunk_bytes(column, row)
    for shard in (path / "0" / "c").rglob("*"):
        whole = bytearray(shard.read_bytes() if shard.is_file() else b"")
        at = whole.find(data)
        if at >= 0:
            middle = at + len(data) // 2
            whole[middle : middle + 16] = bytes(16)
            shard.write_bytes(whole)
            return
    raise LookupError((column, row))
