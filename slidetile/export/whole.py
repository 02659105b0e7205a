"""A store's tiles as a store of another codec.

Knows what has to be written. Does not know how stores are.
"""

from slidetile.choices import UnfitChoiceError
from slidetile.cloud.address import Location, real
from slidetile.export.done_before import store_done_before
from slidetile.export.exported import UNREADABLE_TILES, Exported
from slidetile.export.unfinished import other_output
from slidetile.export.zarr_choice import ZarrExport
from slidetile.format.codecs.named import chosen_codec
from slidetile.store.marks import is_store
from slidetile.store.store import TileStore
from slidetile.writing.options import OnProgress
from slidetile.writing.recoded import check_can_be_recoded, recode_store
from slidetile.writing.whole import write_whole_store


def write(
    store: TileStore,
    place: Location,
    spec: ZarrExport,
    *,
    on_progress: OnProgress | None = None,
    workers: int | None = None,
) -> Exported:
    """Write the store; an interrupted run is continued."""
    _check_is_another(store, place)
    done = store_done_before(store, place, spec)
    if done is None and spec.existing != "overwrite" and is_store(place):
        raise other_output(place)
    whole = _written(store, place, spec, on_progress, workers) if done is None else done
    left_out = {UNREADABLE_TILES: whole.unreadable} if whole.unreadable else {}
    return Exported(
        path=place,
        kind="zarr",
        size_bytes=whole.tile_bytes,
        counts={"tiles": len(whole)},
        left_out=left_out,
        already_done=done is not None,
    )


def _check_is_another(store: TileStore, place: Location) -> None:
    """Check that a store would not be replaced by what is made of it.

    Raises
    ------
    UnfitChoiceError
        It would.
    """
    if real(store.path) == real(place):
        raise UnfitChoiceError(
            f"{place} is the store that is exported, which is not replaced by what is made of it: "
            "choose another output."
        )


def _written(
    store: TileStore,
    place: Location,
    spec: ZarrExport,
    on_progress: OnProgress | None,
    workers: int | None,
) -> TileStore:
    """Write a store with all of its pixels, and return it."""
    if store.slide is None:
        return _recoded(store, place, spec, on_progress, workers)
    return write_whole_store(
        store,
        place,
        codec=spec.chunk_codec,
        check=spec.check,
        workers=workers,
        options=spec.options,
        on_progress=on_progress,
    )


def _recoded(
    store: TileStore,
    place: Location,
    spec: ZarrExport,
    on_progress: OnProgress | None,
    workers: int | None,
) -> TileStore:
    """Write a store that holds its pixels with another codec."""
    check_can_be_recoded(store, spec.codec)
    return recode_store(
        store,
        place,
        chosen_codec(spec.chunk_codec),
        workers=workers,
        options=spec.options,
        on_progress=on_progress,
    )
