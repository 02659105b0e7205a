"""Writing a store as what other programs read.

Knows that there are kinds. Does not know any of them.
"""

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from slidetile.cloud.address import Address, locate
from slidetile.export.exported import Exported
from slidetile.export.kinds import check_name, kind_of, named_kind
from slidetile.slides.slide import Slide
from slidetile.store.selection import TileSelection
from slidetile.store.store import TileStore
from slidetile.store.windows import Windows
from slidetile.writing.options import OnProgress


def export_store(
    store: TileStore,
    path: str | os.PathLike[str] | Address,
    spec: Any = "geojson",
    *,
    on_progress: OnProgress | None = None,
    workers: int | None = None,
) -> Exported:
    """Write a store as what other programs read.

    Parameters
    ----------
    store
        The store.
    path
        The file or the folder that is written; an address in a bucket where the kind can.
    spec
        What to write: the name of a kind, or a kind's choices, such as ``GeojsonExport()``.
        docs/how-to/export.md has the kinds.
    on_progress
        Called after each part of the work.
    workers
        Number of threads; None is one per core. It never changes what is written.

    Returns
    -------
    Exported
        What was written, and what was left out.

    Raises
    ------
    ValueError
        There is no such kind, the path is named as another kind's output is, ``workers`` is less
        than 1, or a choice does not fit the store.
    TypeError
        The store is none that is open, or what to write is neither a name nor a spec.
    StoreError
        The store is damaged, or was replaced while it was read.
    FileExistsError
        Something else is there, or the path lies in a store.
    OSError
        It cannot be written.

    Examples
    --------
    >>> import slidetile as st
    >>> store = st.tile_slide("data_samples/sample.svs", "exported.zarr")
    >>> export_store(store, "exported.geojson").counts["tiles"] == len(store)
    True
    """
    _check_is_open(store)
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, but it is {workers}.")
    if isinstance(spec, str):
        kind = named_kind(spec)
        spec = kind.load_spec()()
    else:
        kind = kind_of(spec)
    place = locate(path)
    check_name(place, kind)
    write = kind.load_writer()
    exported = write(store, place, spec, on_progress=on_progress, workers=workers)
    return exported if len(store) else _of_nothing(exported, store)


def _of_nothing(exported: Exported, store: TileStore) -> Exported:
    """Return an export of a store without tiles, with a word of it."""
    note = f"{store.path} has no tiles, so there is nothing in what was written"
    return replace(exported, notes=(*exported.notes, note))


def _check_is_open(store: object) -> None:
    """Check that a store is one, and open."""
    if isinstance(store, TileStore):
        return
    if isinstance(store, str | os.PathLike | Address):
        what = f"a path: open the store that is there, export_store(open_store({str(store)!r}), …)"
    elif isinstance(store, TileSelection):
        what = (
            "a selection of tiles: a store is exported whole, so give the store, or tile the slide "
            "again without the other tiles"
        )
    elif isinstance(store, Windows):
        what = "windows: give their store, and their size, stride and mpp to a spec, such as "
        what += "WebdatasetExport(size=256)"
    elif isinstance(store, Slide):
        what = "a slide, of which tiles are stored first: tile_slide"
    elif isinstance(store, Iterable):
        what = f"{type(store).__name__}: call it for each store, with an output of its own"
    else:
        what = f"{type(store).__name__}"
    raise TypeError(f"export_store takes an open store, not {what}.")
