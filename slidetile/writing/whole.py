"""A whole store of one that left its pixels in the slide.

Knows stores and plans. Does not know how a plan was made: the store has it.
"""

import os
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import CODEC, NATIVE_CHECK, CodecName, NativeCheck
from slidetile.cloud.address import Address
from slidetile.errors import StoreError
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.table import CORE
from slidetile.planning.digest import plan_digest
from slidetile.planning.labels import Labels
from slidetile.planning.plan import TilePlan
from slidetile.planning.tile_spec import TileSpec
from slidetile.slides.overview import Overview, read_overview
from slidetile.slides.slide import Slide
from slidetile.store.store import TileStore
from slidetile.tissue.cores import CoreGrid, find_cores
from slidetile.tissue.mask import TissueMask
from slidetile.writing._spec import core_facts
from slidetile.writing.options import OnProgress, WriteOptions
from slidetile.writing.selection import found_again, left_out_again
from slidetile.writing.write import write_tiles

if TYPE_CHECKING:
    import pyarrow as pa


def write_whole_store(
    store: TileStore,
    path: str | os.PathLike[str] | Address,
    *,
    codec: CodecName | ChunkCodec = CODEC,
    check: NativeCheck = NATIVE_CHECK,
    workers: int | None = None,
    options: WriteOptions | None = None,
    on_progress: OnProgress | None = None,
) -> TileStore:
    """Write the store that tiling the slide would have made, of one of the codec "reference".

    It has the same tiles, byte for byte what `tile_slide` writes with the same settings and this
    codec, and needs the slide no more. An interrupted run is continued.

    Parameters
    ----------
    store
        A store of the codec "reference", whose slide is there.
    path
        Path of the whole store.
    codec, check, workers, options, on_progress
        As in `write_tiles`.

    Raises
    ------
    StoreError
        The store holds its pixels already, or its tiles are not those that it records.
    ValueError
        ``codec`` is "reference".
    SlideError, OSError
        As in `write_tiles`.

    Examples
    --------
    >>> import slidetile as st
    >>> recipe = st.Recipe(codec="reference")
    >>> quick = st.tile_slide("data_samples/sample.svs", "quick.zarr", recipe)
    >>> write_whole_store(quick, "whole.zarr").codec
    'native'
    """
    slide = store.slide
    if slide is None:
        raise StoreError(
            f"{store.path} holds its pixels already (codec {store.codec}): it is a whole store, so "
            "copy its folder."
        )
    if codec == "reference":
        raise ValueError(
            "A whole store has pixels, so its codec is not reference: choose another one."
        )
    return write_tiles(
        slide,
        recorded_plan(store, slide),
        path,
        codec=codec,
        check=check,
        workers=workers,
        options=options,
        on_progress=on_progress,
    )


def recorded_plan(store: TileStore, slide: Slide) -> TilePlan:
    """Return the plan that a store records.

    Raises
    ------
    StoreError
        Its tiles or its tissue are not those of the digest that it records.
    """
    parameters, table = store.metadata.parameters, store.tiles
    selection = store.metadata.selection
    tissue = TissueMask.from_mask(
        store.tissue > 0,
        _overview(store, slide),
        parameters=parameters.tissue.values,
        found=found_again(selection),
    )
    grid, labels = _cores(store, tissue), _labels(store)
    plan = TilePlan(
        tissue=tissue,
        spec=TileSpec(size=store.tile_size, **parameters.tiles),
        columns=table["column"].to_numpy().astype(np.int32),
        rows=table["row"].to_numpy().astype(np.int32),
        tissue_fractions=table["tissue_fraction"].to_numpy().astype(np.float32),
        tissue_pieces=table["region"].to_numpy().astype(np.int32),
        left_out=left_out_again(selection),
        cores=grid,
        tile_cores=None if grid is None else _numbers(store, grid),
        labels=labels,
        class_fractions=None if labels is None else labels.areas.fractions(_edges(table)),
    )
    digest = plan_digest(plan.columns, plan.rows, plan.tissue_fractions, tissue.labels)
    if digest != parameters.plan_sha256:
        raise StoreError(
            f"{store.path} is damaged: its tiles or its tissue are not those of its plan_sha256. "
            "Tile the slide again."
        )
    return plan


def _edges(table: "pa.Table") -> NDArray[np.int64]:
    """Return where tiles lie, [tile, (left, top, right, bottom)]."""
    x, y, width, height = (
        table[name].to_numpy().astype(np.int64) for name in ("x", "y", "width", "height")
    )
    return np.stack([x, y, x + width, y + height], axis=1)


def _labels(store: TileStore) -> Labels | None:
    """Return the classes that a store records."""
    facts, areas = store.metadata.labels, store.class_areas
    if facts is None or areas is None:
        return None
    return Labels(
        name=facts.name or "labels",
        sha256=facts.sha256,
        unit=facts.unit,
        origin=facts.origin,
        values=facts.values or (),
        areas=areas,
        shapes=tuple(each.shapes for each in facts.classes),
    )


def _cores(store: TileStore, tissue: TissueMask) -> CoreGrid | None:
    """Return the cores that a store records, found again in its tissue.

    Raises
    ------
    StoreError
        They are others: another version of slidetile found them.
    """
    found, grid = store.cores, None if store.cores is None else find_cores(tissue)
    if grid is not None and core_facts(grid) != found:
        raise StoreError(
            f"{store.path} names its tiles by cores that are not found again in its tissue. Tile "
            "the slide again."
        )
    return grid


def _numbers(store: TileStore, grid: CoreGrid) -> NDArray[np.int32]:
    """Return the number of each tile's core, from 1; 0 where it lies in none."""
    numbers = {core.name: number for number, core in enumerate(grid, start=1)}
    return np.array([numbers.get(name, 0) for name in store.tiles[CORE].to_pylist()], np.int32)


def _overview(store: TileStore, slide: Slide) -> Overview:
    """Return a store's overview; as read from the slide, it knows what of the slide is damaged."""
    across, down = store.overview_scale
    own = Overview(
        image=store.overview,
        slide_width=slide.width,
        slide_height=slide.height,
        downsample=(across, down),
        mpp=None if slide.mpp is None else (slide.mpp[0] * across, slide.mpp[1] * down),
        channels=slide.described,
        bits=slide.bits,
    )
    if store.slide is None:  # nobody can read the slide
        return own
    mpp = store.metadata.parameters.tissue.values.get("mpp")
    try:
        read = read_overview(slide, mpp=mpp if isinstance(mpp, float) else None)
    except ValueError:  # no such overview can be read: somebody made one
        return own
    return read if read == own else own
