"""A scene that fits into so many bytes: what is left out of a large one, and the words for it.

Knows the JSON of scenes. Does not know pages or files.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from slidetile.counts import how_many
from slidetile.viewer.doors.deflated import deflated

FIRST = "tissue_fraction"
"""The column that is kept the longest."""

AREAS_SHARE = 0.5
"""Of what there is room for, annotations have at most this much: cells that a program has drawn
would leave none for the tiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedScene:
    """A scene as it is carried."""

    packed: bytes
    """Its JSON, as zlib packs it."""

    left_out: tuple[str, ...]
    """What did not fit, in words."""


def fitted_scene(scene: dict[str, Any], most_bytes: int) -> FittedScene:
    """Return a scene in at most so many bytes: without columns, tiles or outlines if need be.

    The page says what was left out. Facts and names always stay.
    """
    whole = _packed(scene, ())
    if len(whole) <= most_bytes:
        return FittedScene(packed=whole, left_out=())
    overlay = scene["overlay"]
    areas = len(zlib.compress(json.dumps(scene["areas"]).encode(), level=1))
    if areas > most_bytes * AREAS_SHARE:
        return _without_areas(scene, most_bytes)
    if overlay["tiles"] is not None:
        fitted = _with_columns(scene, most_bytes)
        if fitted is not None:
            return fitted
        lost = (f"The page has no room for the {overlay['tiles']['count']:,} tiles.",)
        scene = {**scene, "overlay": {**overlay, "tiles": None}}
        packed = _packed(scene, lost)
        if len(packed) <= most_bytes:
            return FittedScene(packed=packed, left_out=lost)
    lost = ("The page has no room for tiles and outlines: make it larger to have them.",)
    bare = {**scene["overlay"], "tiles": None, "outlines": []}
    return FittedScene(packed=_packed({**scene, "overlay": bare, "areas": []}, lost), left_out=lost)


def _without_areas(scene: dict[str, Any], most_bytes: int) -> FittedScene:
    lost = f"The page has no room for the {how_many(len(scene['areas']), 'annotations')}."
    overlay = scene["overlay"]
    told = {**overlay, "notes": [*overlay["notes"], lost]}
    fitted = fitted_scene({**scene, "areas": [], "overlay": told}, most_bytes)
    return FittedScene(packed=fitted.packed, left_out=(lost, *fitted.left_out))


def _with_columns(scene: dict[str, Any], most_bytes: int) -> FittedScene | None:
    """Return a scene with as many columns of its tiles as fit; None where not even none does."""
    tiles = scene["overlay"]["tiles"]
    values: list[dict[str, Any]] = tiles["values"]
    room = most_bytes - len(_packed(_of_columns(scene, []), ()))
    kept = set()
    for column in sorted(values, key=lambda each: each["name"] != FIRST):
        size = len(zlib.compress(column["data"].encode())) + 256
        if size <= room:
            kept.add(column["name"])
            room -= size
    while True:
        lost = [column["name"] for column in values if column["name"] not in kept]
        note = (f"The page has no room for the columns {', '.join(lost)}.",) if lost else ()
        chosen = [column for column in values if column["name"] in kept]
        packed = _packed(_of_columns(scene, chosen), note)
        if len(packed) <= most_bytes:
            return FittedScene(packed=packed, left_out=note)
        if not kept:
            return None
        kept.remove(chosen[-1]["name"])


def _of_columns(scene: dict[str, Any], values: Sequence[dict[str, Any]]) -> dict[str, Any]:
    overlay = scene["overlay"]
    return {**scene, "overlay": {**overlay, "tiles": {**overlay["tiles"], "values": [*values]}}}


def _packed(scene: dict[str, Any], notes: Sequence[str]) -> bytes:
    overlay = scene["overlay"]
    told = {**scene, "overlay": {**overlay, "notes": [*overlay["notes"], *notes]}}
    return deflated(told)
