"""A page that any server of files hands out: it reads stores by itself, by ranges of bytes.

Written beside the stores of a folder: ``index.html``, and ``slidetile-pages/`` with the script and
what each store's page begins with. Knows folders and files. Does not know servers.
"""

import hashlib
import itertools
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slidetile.cohort.layout import PAGE_NAME, PAGES_NAME
from slidetile.errors import SlidetileError, explain
from slidetile.runtime.files import as_text, write_whole
from slidetile.store.marks import is_store
from slidetile.store.output_file import OutputKind, check_output, write_output
from slidetile.store.store import TileStore
from slidetile.viewer.cards.cards import Card, read_cards
from slidetile.viewer.doors.built_page import built_file
from slidetile.viewer.doors.files.archive import archived
from slidetile.viewer.views.drawn import Given, drawn_on_store

BEGINS = b"<!doctype html>\n<!-- slidetile pages -->\n"
"""What each such page begins with, by which slidetile knows its own."""

PAGE = OutputKind(name="a page of slidetile's", begins=BEGINS)

MARK_NAME = "slidetile.txt"
"""The file by which slidetile knows a folder of its own."""

_OWN = re.compile(r"[0-9a-f]{16}\.(scene|tiles|jpg)")
"""The names of a store's files among them."""

_MARK = "Files of the page index.html, written by slidetile view --static. They can be deleted.\n"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'"
)

_HTML = f"""<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>slidetile</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{PAGES_NAME}/page.css">
<script defer src="{PAGES_NAME}/page.js"></script>
</head>
<body>
<nav id="things" aria-label="Slides" hidden></nav>
<main id="page"></main>
<noscript>This page needs JavaScript.</noscript>
</body>
</html>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticPages:
    """What became of the pages of a folder."""

    path: Path
    """The page to open, behind a server."""

    stores: int
    """Stores that can be looked at."""

    refused: tuple[tuple[str, str], ...]
    """Stores that cannot, and why."""


def write_static(
    place: Path,
    on_store: Callable[[Path, int, int], None] | None = None,
    *,
    annotations: Given | None = None,
) -> StaticPages:
    """Write the pages of a folder of stores, or of one store, beside the stores.

    The stores stay as they are. Nothing of the slides is needed.

    Parameters
    ----------
    place
        A folder of stores, or a store, whose page is written into the folder that it lies in.
    on_store
        Is called before each store with its path, its number from 1, and how many there are.
    annotations
        What was drawn on the slides: a file, or a folder of files with the names of the slides.

    Raises
    ------
    SlidetileError
        There are no stores.
    FileExistsError
        Something else has a place that is needed.
    PageMissingError
        The page was not built.
    OSError
        The folder cannot be read or written.
    """
    script, style = built_file("static.js"), built_file("page.css")
    folder = place.parent if is_store(place) else place
    files = folder / PAGES_NAME
    check_output(folder / PAGE_NAME, PAGE)
    _check_files(files)
    written: set[str] = set()

    def keep_picture(key: str, picture: bytes) -> None:
        _begin(files)
        written.add(f"{_name(key)}.jpg")
        write_whole(files / f"{_name(key)}.jpg", [picture])

    cards = read_cards(folder, keep_picture, only=None if folder == place else place.name)
    _begin(files)
    write_whole(files / "page.js", [script])
    write_whole(files / "page.css", [style])
    refused: list[tuple[str, str]] = []
    told: list[dict[str, Any]] = []
    stores = sum(isinstance(card.path, Path) for card in cards)
    numbers = itertools.count(1)
    for card in cards:
        if isinstance(card.path, Path) and on_store is not None:
            on_store(card.path, next(numbers), stores)
        facts = _written(files, card, written, annotations)
        if facts["problem"] is not None and card.path is not None:
            refused.append((card.path.name, facts["problem"]))
        told.append(facts)
    write_whole(files / "cards.json", [_json(told)])
    write_output(folder / PAGE_NAME, [BEGINS, _HTML.encode()], PAGE)
    _remove_others(files, written)
    opened = sum(each["scene"] is not None for each in told)
    return StaticPages(path=folder / PAGE_NAME, stores=opened, refused=tuple(refused))


def _name(key: str) -> str:
    """Return what a store's files are called: a key may hold whatever a file name may."""
    return hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()[:16]


def _written(
    files: Path, card: Card, written: set[str], annotations: Given | None
) -> dict[str, Any]:
    """Write the files of a store; return its card."""
    name = _name(card.key)
    picture = f"{name}.jpg" if f"{name}.jpg" in written else None
    facts = {**card.facts, "store": None, "scene": None, "saved": None, "picture": picture}
    if not isinstance(card.path, Path):
        return facts
    try:
        store = TileStore(card.path)
        found = archived(store, card.path, drawn_on_store(annotations, store))
    except (SlidetileError, OSError, MemoryError) as error:
        facts["problem"] = facts["problem"] or explain(error)
        return facts
    facts |= {
        "store": as_text(card.path.name),
        "scene": f"{name}.scene",
        "saved": f"{name}.tiles",
    }
    write_whole(files / f"{name}.scene", [zlib.compress(_json(found.scene))])
    write_whole(files / f"{name}.tiles", [found.saved])
    written |= {f"{name}.scene", f"{name}.tiles"}
    return facts


def _begin(files: Path) -> None:
    """Make the pages' folder, once it is known that there is something to put into it."""
    if not files.exists():
        files.mkdir()
        write_whole(files / MARK_NAME, [_MARK.encode()])


def _check_files(files: Path) -> None:
    """Make sure that the pages' folder is slidetile's own, or not there.

    Raises
    ------
    FileExistsError
        Something else is there.
    """
    if files.is_symlink() or (files.exists() and not (files / MARK_NAME).is_file()):
        raise FileExistsError(
            f"{files} is there and is not slidetile's, but the files of the page belong there: "
            "move it away."
        )


def _remove_others(files: Path, kept: set[str]) -> None:
    """Remove what earlier pages left."""
    for path in files.iterdir():
        ours = _OWN.fullmatch(path.name)
        if ours and path.name not in kept:
            path.unlink()


def _json(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
