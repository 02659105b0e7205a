"""A page that is one file: picture, overlay, sliders and table, to be mailed and opened anywhere.

It asks no network, and no Python. Knows views, scenes and HTML. Does not know slides or stores.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slidetile.cohort.report.markup import inert, source_digest
from slidetile.store.output_file import OutputKind, check_output, write_output
from slidetile.viewer.doors.built_page import built_file
from slidetile.viewer.doors.deflated import deflated
from slidetile.viewer.doors.files.fitted import FittedScene, fitted_scene
from slidetile.viewer.pictures.rungs import DamagedTileError
from slidetile.viewer.pictures.zoom import ZoomLevel
from slidetile.viewer.views.level_tiles import level_tiles
from slidetile.viewer.views.view import View

BEGINS = b"<!doctype html>\n<!-- slidetile page -->\n"
"""What each saved page begins with, by which slidetile knows its own."""

SAVED = OutputKind(name="a page of slidetile's", begins=BEGINS)

MOST_BYTES = 8_000_000
"""How large a saved page is at most, unless it is said otherwise: mail carries it."""

LEAST_BYTES = 1_000_000
"""The script alone takes about half of it."""

SCENE_SHARE = 0.5
"""The most that the table and the outlines take of what the script leaves; the picture has the
rest."""

BASE64_GROWTH = 4 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPage:
    """What became of a page that was saved."""

    path: Path
    """Where it is."""

    size_bytes: int
    """How large it is."""

    downsample: float
    """Level-0 pixels per pixel of the finest level of the picture in it."""

    left_out: tuple[str, ...]
    """What did not fit, in words."""


@dataclass(slots=True)
class _Pixels:
    """Tiles of a picture, one file after another."""

    levels: tuple[ZoomLevel, ...] = ()
    tiles: list[dict[str, list[Any]]] = field(default_factory=list)
    """Of each level: [offset, length, type] by "column/row", or what is wrong with the tile."""
    data: bytes = b""


def save_page(view: View, path: Path, *, most_bytes: int = MOST_BYTES) -> SavedPage:
    """Write a view as one file that any browser shows, with all that fits into it.

    Parameters
    ----------
    view
        What is shown. A plan is shown as it is: it cannot be made again without its slide.
    path
        The file. One that slidetile wrote is replaced, and nothing else.
    most_bytes
        How large it may be; at least 1,000,000. The picture has the best resolution that fits.

    Raises
    ------
    ValueError
        It may not be large enough for anything.
    SlidetileError
        What is shown cannot be read.
    FileExistsError
        Something else is there.
    PageMissingError
        The page was not built.
    OSError
        The file cannot be written.
    """
    if most_bytes < LEAST_BYTES:
        raise ValueError(
            f"A saved page takes at least {LEAST_BYTES:,} bytes, so it cannot be made in "
            f"{most_bytes:,}."
        )
    check_output(path, SAVED)
    style, script = built_file("page.css").decode(), built_file("saved.js").decode()
    left = (most_bytes - len(style.encode()) - len(script.encode()) - 4096) / BASE64_GROWTH
    scene = view.scene()
    told = _unmoved(scene.json)
    fitted = fitted_scene(told, round(left * SCENE_SHARE))
    pixels = _pixels(view, scene.levels, round(left - len(fitted.packed) - 65_536))
    head = deflated({"levels": [each.facts for each in pixels.levels], "tiles": pixels.tiles})
    parts = [*_parts(scene.name, style, script, fitted, head, pixels.data)]
    write_output(path, parts, SAVED)
    return SavedPage(
        path=path,
        size_bytes=sum(map(len, parts)),
        downsample=pixels.levels[0].scale,
        left_out=fitted.left_out,
    )


def _unmoved(scene: dict[str, Any]) -> dict[str, Any]:
    """Return a scene whose settings cannot be moved, since nobody would plan again."""
    return {**scene, "overlay": {**scene["overlay"], "settings": []}}


def _pixels(view: View, levels: Iterable[ZoomLevel], most_bytes: int) -> _Pixels:
    """Return the levels of a picture that fit, from the coarsest on.

    Raises
    ------
    ValueError
        Not even the coarsest fits.
    """
    found = _Pixels()
    for number, level in reversed(list(enumerate(levels))):
        tiles = _level(view, number, level, len(found.data), most_bytes - len(found.data))
        if tiles is None:
            break
        found.levels = (level, *found.levels)
        found.tiles.insert(0, tiles[0])
        found.data += tiles[1]
    if not found.levels:
        raise ValueError("The page may not be large enough for any picture: let it be larger.")
    return found


def _level(
    view: View, number: int, level: ZoomLevel, offset: int, most_bytes: int
) -> tuple[dict[str, list[Any]], bytes] | None:
    """Return the places and the bytes of a level's tiles; None where they are too many."""
    places: dict[str, list[Any]] = {}
    data = bytearray()
    for column, row, tile in level_tiles(view, number, level):
        if isinstance(tile, DamagedTileError):
            places[f"{column}/{row}"] = [str(tile)]
            continue
        places[f"{column}/{row}"] = [offset + len(data), len(tile.data), tile.media_type]
        data += tile.data
        if len(data) + 40 * len(places) > most_bytes:
            return None
    return places, bytes(data)


def _parts(
    name: str, style: str, script: str, fitted: FittedScene, head: bytes, pixels: bytes
) -> Iterable[bytes]:
    yield BEGINS
    yield _head(name, style, script).encode()
    for key, data in (("scene", fitted.packed), ("places", head), ("pixels", pixels)):
        # Base64 has no sign that ends an element, whatever it holds.
        yield f'<script type="text/plain" id="{key}">'.encode()
        yield base64.b64encode(data)
        yield b"</script>\n"
    yield f"<script>{script}</script>\n</body>\n</html>\n".encode()


def _head(name: str, style: str, script: str) -> str:
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {source_digest(script)}",
            f"style-src {source_digest(style)}",
            "img-src blob: data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return f"""<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{inert(name)} – slidetile</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<main id="page"></main>
<noscript>This page needs JavaScript.</noscript>
"""
