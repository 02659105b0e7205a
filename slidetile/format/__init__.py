"""The store as bytes: layout, shards, metadata, table; no file is opened."""

from slidetile.format.codecs.jpeg import JpegCodec, NativeCodec
from slidetile.format.codecs.planar import RawCodec, ZstdCodec
from slidetile.format.metadata.store import StoreMetadata

__all__ = [
    "JpegCodec",
    "NativeCodec",
    "RawCodec",
    "StoreMetadata",
    "ZstdCodec",
]
