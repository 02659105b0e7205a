"""Pages that `view` writes instead of showing them: one file to mail, or pages beside stores.

Knows options and what is said of them. Does not know pages.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import click

from slidetile.cli.show import say, show_document
from slidetile.cloud.address import Address, Location

if TYPE_CHECKING:
    from slidetile.annotations.spec import AnnotationsSpec
    from slidetile.viewer.views.view import View

MEGABYTE = 1_000_000


class SaveFacts(TypedDict):
    """What `view --save` reports."""

    page_path: str
    page_bytes: int
    downsample: float
    left_out: list[str]


class RefusedFacts(TypedDict):
    """A store that no page shows."""

    store: str
    problem: str


class StaticFacts(TypedDict):
    """What `view --static` reports."""

    page_path: str
    stores: int
    refused: list[RefusedFacts]


def save(views: "Sequence[View]", path: Path, megabytes: float, *, as_json: bool) -> None:
    """Write the page of the one thing that was given."""
    from slidetile.viewer.doors.files.saved import save_page

    if len(views) != 1:
        raise click.UsageError(
            f"--save writes the page of one slide or store, but {len(views)} were given."
        )
    saved = save_page(views[0], path, most_bytes=round(megabytes * MEGABYTE))
    facts: SaveFacts = {
        "page_path": str(saved.path),
        "page_bytes": saved.size_bytes,
        "downsample": saved.downsample,
        "left_out": list(saved.left_out),
    }
    if as_json:
        show_document(facts)
        return
    finest = f"1/{saved.downsample:g}" if saved.downsample > 1 else "full"
    say(f"{saved.path}: {saved.size_bytes / MEGABYTE:,.1f} MB, the picture at {finest} resolution")
    for words in saved.left_out:
        say(words, err=True)


def write_pages(
    paths: Sequence[Location], annotations: "AnnotationsSpec | None", *, as_json: bool
) -> None:
    """Write the pages of the one folder or store that was given."""
    from slidetile.viewer.doors.files.static import write_static

    if len(paths) != 1:
        raise click.UsageError(f"--static takes one folder of stores, but {len(paths)} were given.")
    (place,) = paths
    if isinstance(place, Address):
        raise click.UsageError(
            "--static writes into a folder on this machine: write the pages there, then copy them "
            "with the stores to where they are served."
        )

    def tell(store: Path, number: int, of: int) -> None:
        if not as_json:
            say(f"[{number}/{of}] {store.name}", err=True)

    pages = write_static(place, tell, annotations=annotations)
    facts: StaticFacts = {
        "page_path": str(pages.path),
        "stores": pages.stores,
        "refused": [{"store": name, "problem": reason} for name, reason in pages.refused],
    }
    if as_json:
        show_document(facts)
        return
    for name, reason in pages.refused:
        say(f"{name} cannot be looked at: {reason}", err=True)
    say(f"{pages.path}: pages of {pages.stores:,} stores, for any server that knows HTTP ranges")
