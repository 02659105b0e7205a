"""The finished store that a slide and a recipe have already.

Knows stores that are there. Does not write any.
"""

import os
from collections.abc import Iterator

from slidetile.cloud.address import Address, Location, locate
from slidetile.cloud.objects import object_state
from slidetile.errors import OutdatedStoreError, StoreError
from slidetile.format.codecs.named import jpeg_name
from slidetile.format.names import ROOT
from slidetile.recipe.comparing import differing, matches, matches_before_change
from slidetile.recipe.recipe import Recipe, open_unmapped
from slidetile.store.store import TileStore, open_store
from slidetile.verify.files import lost_files
from slidetile.writing.destination import is_emptied_at, is_there
from slidetile.writing.differing import Setting, in_words
from slidetile.writing.options import WriteOptions

_REMEDY = (
    'Choose another output, or overwrite it on purpose with --overwrite (existing="overwrite").'
)


def done_before(
    path: str | os.PathLike[str] | Address,
    store_path: str | os.PathLike[str] | Address,
    recipe: Recipe | None = None,
    *,
    options: WriteOptions | None = None,
) -> TileStore | None:
    """Return the finished store that a slide and a recipe have, or None where it is to be written.

    It is to be written where there is none, where ``options`` ask for another in its place, and
    where it has unreadable tiles and ``options.retry_unreadable`` asks to try them again.

    Parameters
    ----------
    path, store_path, recipe, options
        As in `tile_slide`.

    Raises
    ------
    OutdatedStoreError
        The store was made from another slide or with other settings, cannot be read, or has lost
        files: it is not whole, so it is not done, and only ``options`` have it replaced.
    SlideError, OSError
        As in `open_slide`.
    """
    recipe, options = recipe or Recipe(), options or WriteOptions()
    where = locate(store_path)
    if options.existing == "overwrite":
        return None
    if not is_there(where):
        begins_anew = options.existing == "restart" and isinstance(where, Address)
        if not begins_anew and is_emptied_at(where):
            raise _emptied(where)
        return None
    try:
        store = open_store(where)
        is_again = options.retry_unreadable and store.unreadable > 0
    except StoreError as error:
        if isinstance(where, Address) and isinstance(error.__cause__, OSError):
            raise  # a network that fails says nothing about the store
        raise OutdatedStoreError(f"{where} exists already, but {error} {_REMEDY}") from error
    with open_unmapped(recipe, path) as slide:
        own = list(_differing_options(store, options))
        if not own and matches(recipe, store, slide):
            return None if is_again else _whole(store)
        if not own and is_again and matches_before_change(recipe, store, slide):
            return None
        source = store.metadata.source
        is_same_slide = source.fingerprint == slide.source.fingerprint
        others = in_words([*own, *differing(recipe, store, slide)])
        from_what = "" if is_same_slide else _other_slide(source.name, slide.original.name)
    how = f"with other settings: {others}" if others else ""
    outdated = OutdatedStoreError(
        f"{where} exists already, and was made {' and '.join(filter(None, (from_what, how)))}. "
        f"{_REMEDY}"
    )
    outdated.is_same_slide = is_same_slide
    raise outdated


def _differing_options(store: TileStore, options: WriteOptions) -> Iterator[Setting]:
    """Yield what a store was written otherwise with."""
    anonymous = Setting("anonymous", store.metadata.source.is_anonymous, options.anonymous)
    if anonymous.differs:
        yield anonymous
    name = jpeg_name(store.metadata.chunk_codec)
    if name not in (None, options.codec_name):
        yield Setting("codec_name", name, options.codec_name)


def _other_slide(stored: str | None, asked: str) -> str:
    """Return words for the slide of a store that is not the one that is asked for."""
    if stored == asked:
        return f"from another slide, or from {asked} before it changed"
    return "from another slide" if stored is None else f"from another slide ({stored})"


def _whole(store: TileStore) -> TileStore:
    """Return a store that has all its files.

    Raises
    ------
    OutdatedStoreError
        It has lost some.
    """
    lost = lost_files(store.path)
    if not lost:
        return store
    more = "" if len(lost) == 1 else f", and {len(lost) - 1:,} more (slidetile verify lists all)"
    raise _lost_some(
        f"{store.path} exists already, but has lost files, so it is not done: {lost[0]}{more}. "
        f"{_REMEDY}"
    )


def _emptied(store: Location) -> OutdatedStoreError:
    """Return the error of a store of which nothing can be read."""
    error = OutdatedStoreError(
        f"{store} exists already, but its root metadata is empty or gone, as after a power "
        f"failure, so it cannot be read. {_REMEDY}"
    )
    error.is_emptied = True
    return error


def _lost_some(message: str) -> OutdatedStoreError:
    """Return the error of a store of this slide that has lost files."""
    error = OutdatedStoreError(message)
    error.is_same_slide = True
    return error


def changed_since(
    path: str | os.PathLike[str] | Address, store_path: str | os.PathLike[str] | Address
) -> bool:
    """Return whether a slide's file was written or replaced after its store was finished.

    By the clocks of their file systems or buckets; False where one of the two cannot be read.
    """
    located, store = locate(path), locate(store_path)
    try:
        if isinstance(store, Address):
            made_ns = object_state(store / ROOT).modified.timestamp() * 1e9
        else:
            made_ns = (store / ROOT).stat().st_mtime_ns
        if isinstance(located, Address):
            return object_state(located).modified.timestamp() * 1e9 > made_ns
        slide = located.stat()
    except (OSError, ValueError):
        return False
    return max(slide.st_mtime_ns, slide.st_ctime_ns) > made_ns
