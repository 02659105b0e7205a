"""The root of a store: what its ``zarr.json`` says of it, believed as far as it makes sense."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slidetile.errors import IncompleteStoreError, StoreError
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.codecs.named import make_codec
from slidetile.format.metadata import FORMAT_VERSION
from slidetile.format.names import partial_path
from slidetile.store.array import ArrayFile, read_json


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRoot:
    """What a store's ``zarr.json`` says, read by `read_root`."""

    path: Path
    """The store's folder."""

    attributes: dict[str, Any]
    """``attributes.slidetile``, as it stands there."""

    codec: ChunkCodec
    """How chunks are stored."""

    tile_count: int
    """The number of tiles."""

    tile_size: int
    """Width and height of a tile, in level-0 pixels."""

    background: tuple[int, int, int]
    """The colour of what lies outside the slide."""

    level_count: int
    """The number of levels; level k lies in the folder k."""

    @property
    def mpp(self) -> tuple[float, float] | None:
        """Micrometres per pixel of level 0, as (x, y), or None where unknown."""
        mpp = self.attributes["level_0"]["mpp"]
        return None if mpp is None else (float(mpp[0]), float(mpp[1]))

    @property
    def slide_scale(self) -> tuple[float, float]:
        """Level-0 pixels of the slide per pixel of level 0, as (x, y)."""
        x, y = self.attributes["level_0"]["scale"]
        return float(x), float(y)

    @property
    def icc_profile(self) -> bytes | None:
        """The slide's colour profile."""
        profile = self.attributes.get("icc_profile")
        return None if profile is None else base64.b64decode(profile)

    def open_arrays(self) -> list[ArrayFile]:
        """Open the arrays of all levels, finest first.

        Raises
        ------
        StoreError
            One is missing or damaged.
        """
        return [ArrayFile(self.path / str(level), self.codec) for level in range(self.level_count)]


def read_root(path: Path) -> StoreRoot:
    """Return what a finished store says of itself.

    Raises
    ------
    IncompleteStoreError
        There is an unfinished store of that name, or the folder has no root metadata.
    StoreError
        It is no store, of a later version, or its metadata are damaged.
    """
    node = _read_node(path)
    try:
        attributes = node["attributes"]["slidetile"]
        red, green, blue = map(int, attributes["background"])
        datasets = node["attributes"]["ome"]["multiscales"][0]["datasets"]
        return StoreRoot(
            path=path,
            attributes=attributes,
            codec=make_codec(attributes["codec"]),
            tile_count=int(attributes["tile_count"]),
            tile_size=int(attributes["tile_size"]),
            background=(red, green, blue),
            level_count=_level_count([dataset["path"] for dataset in datasets]),
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise StoreError(f"{path / 'zarr.json'} is damaged: {error!r}.") from error


def _read_node(path: Path) -> dict[str, Any]:
    if not (path / "zarr.json").is_file():
        partial = partial_path(path)
        unfinished = next((p for p in (partial, path) if p.is_dir()), None)
        if unfinished is None:
            raise StoreError(f"{path} does not exist.")
        raise IncompleteStoreError(
            f"{unfinished} has no root zarr.json: it is no store, or one that is not finished. "
            "Run the command that began it once more."
        )
    root = read_json(path / "zarr.json")
    attributes = root.get("attributes")
    ours = attributes.get("slidetile") if isinstance(attributes, dict) else None
    if not isinstance(ours, dict):
        raise StoreError(f"{path} is Zarr, but not a slidetile store: it has no such attributes.")
    if ours.get("format_version") != FORMAT_VERSION:
        raise StoreError(
            f"{path} has format version {ours.get('format_version')!r}, but this slidetile reads "
            f"version {FORMAT_VERSION}; install the version that wrote it."
        )
    return root


def _level_count(folders: list[Any]) -> int:
    """Return the number of levels, whose folders are numbered; no other path is followed."""
    if folders != [str(level) for level in range(len(folders))]:
        raise ValueError(f"its levels are {folders}")
    return len(folders)
