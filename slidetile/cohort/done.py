"""Which slides are done already, asked of thousands in little time.

Knows a slide's bytes and its store's files. Does not open slides: so no library of theirs runs in
the process that asks.
"""

import hashlib
import json
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from slidetile import __version__
from slidetile.cloud.address import Address
from slidetile.cloud.objects import IN_FLIGHT
from slidetile.cohort.inputs.entry import Entry
from slidetile.cohort.layout import CohortFolder
from slidetile.cohort.no_tiles import store_note
from slidetile.cohort.result import SlideResult
from slidetile.cohort.stored import store_facts
from slidetile.errors import SlidetileError
from slidetile.recipe.recipe import Recipe
from slidetile.runtime.threads import map_in_order
from slidetile.slides.file_slide import read_source
from slidetile.store.store import open_store
from slidetile.tissue.detector import describe_detector
from slidetile.verify.files import lost_files
from slidetile.writing.options import WriteOptions


def settings_digest(recipe: Recipe, options: WriteOptions) -> str | None:
    """Return a number of all settings that shape a store, and of this version of slidetile.

    None where there is something that only an opened slide tells: annotations or labels, whose
    files may change, and a reader of one's own.
    """
    is_drawn = recipe.annotations is not None or recipe.labels is not None
    if is_drawn or not isinstance(recipe.reader, str | None):
        return None
    settings = {each.name: getattr(recipe, each.name) for each in fields(recipe)}
    if not isinstance(recipe.codec, str):
        settings["codec"] = [recipe.codec.name, recipe.codec.parameters]
    if recipe.detector is not None:
        settings["detector"] = describe_detector(recipe.detector)
    settings["tile"] = asdict(recipe.tile)
    settings |= {"anonymous": options.anonymous, "codec_name": options.codec_name}
    settings |= {"slidetile": __version__}
    text = json.dumps(settings, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def done_already(
    entry: Entry,
    row: Mapping[str, Any],
    recipe: Recipe,
    options: WriteOptions,
    folder: CohortFolder,
    here: Path,
    *,
    on_error: Callable[[Exception], None] | None = None,
) -> SlideResult | None:
    """Return the result of a slide whose store is finished and is the one that is asked for.

    None where that is not certain: the slide is to be opened then. It is certain where an earlier
    run noted the very settings and this very store, the slide's file has the bytes that the store
    was made of, the store's root and table agree, all its tiles could be read and none of its files
    is lost.

    Parameters
    ----------
    entry
        The slide.
    row
        What the cohort's table says of it.
    recipe, options
        The settings that are asked for.
    folder
        The cohort's folder.
    here
        The folder that relative paths begin in.
    on_error
        Takes what went wrong, where it is not certain since the slide or the store was not read.
    """
    begin = time.perf_counter()
    settings = _noted_settings(entry, row, recipe, options)
    if settings is None:
        return None
    path = folder.store(entry.key)
    try:
        slide = here / entry.slide
        if isinstance(slide, Path) and not stat.S_ISREG(slide.stat().st_mode):
            return None  # its reader knows which of its files make the fingerprint
        store = open_store(here / path)
        source = read_source(slide)
        facts = store_facts(store)
        is_same = source.fingerprint == store.metadata.source.fingerprint
        is_same = is_same and facts["root"] == row.get("root")
        if not is_same or store.unreadable or lost_files(store.path):
            return None
        note = store_note(store)
    except (SlidetileError, OSError, ValueError) as error:
        if on_error is not None:
            on_error(error)
        return None
    return SlideResult(
        key=entry.key,
        slide=str(entry.slide),
        status="already done",
        store=str(path),
        note=note,
        mpp_source=row.get("mpp_source"),
        settings=settings,
        seconds=round(time.perf_counter() - begin, 3),
        columns=entry.columns,
        **facts,
    )


def asked_of_all(
    ask: Callable[[Entry], SlideResult | None], entries: Sequence[Entry], folder: CohortFolder
) -> Iterator[tuple[Entry, SlideResult | None]]:
    """Yield each slide and what `done_already` says of it, in order; in buckets, several at a time.

    ``ask`` calls that for one slide.
    """
    is_here = isinstance(folder.path, Path)
    if is_here and not any(isinstance(entry.slide, Address) for entry in entries):
        yield from ((entry, ask(entry)) for entry in entries)
        return
    yield from zip(entries, map_in_order(ask, entries, workers=IN_FLIGHT), strict=True)


def _noted_settings(
    entry: Entry, row: Mapping[str, Any], recipe: Recipe, options: WriteOptions
) -> str | None:
    """Return the digest of the settings asked for, if an earlier run noted the very same.

    None also where only an opened slide tells, and where a store is to be overwritten.
    """
    if options.existing == "overwrite" or row.get("codec") == "reference":
        return None
    try:
        settings = settings_digest(entry.recipe(recipe), options)
    except ValueError:  # which the slide's job tells
        return None
    return settings if row.get("settings") == settings else None
