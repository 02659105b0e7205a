"""What is reported of the classes of a plan's or a store's tiles."""

from collections import Counter
from collections.abc import Sequence
from typing import TypedDict

from slidetile.cli.quantities import counted
from slidetile.counts import how_large
from slidetile.format.class_columns import WINNER
from slidetile.planning.plan import TilePlan
from slidetile.store.store import TileStore


class ClassFacts(TypedDict):
    """One class of labels."""

    name: str
    tiles: int
    area_px: int
    area_um2: float | None
    points: int


def plan_classes(plan: TilePlan) -> list[ClassFacts] | None:
    """Return the classes of a plan, and how many tiles are of each; None without labels."""
    fractions = plan.class_fractions
    if plan.labels is None or fractions is None:
        return None
    areas, mpp = plan.labels.areas, plan.tissue.overview.mpp
    winners = Counter(areas.winning(fractions).tolist())
    step = plan.tissue.overview.downsample
    pixel = None if mpp is None else mpp[0] / step[0] * mpp[1] / step[1]
    return [
        _facts(name, winners[place], area, pixel, len(areas.points[place]))
        for place, (name, area) in enumerate(zip(areas.names, areas.areas_px.tolist(), strict=True))
    ]


def store_classes(store: TileStore) -> list[ClassFacts] | None:
    """Return the classes of a store, and how many tiles are of each; None without labels."""
    labels = store.metadata.labels
    if labels is None:
        return None
    winners = Counter(store.tiles[WINNER].to_pylist())
    pixel = None if store.mpp is None else store.mpp[0] * store.mpp[1]
    return [
        _facts(each.name, winners[each.name], each.area_px, pixel, each.points)
        for each in labels.classes
    ]


def _facts(name: str, tiles: int, area: int, pixel: float | None, points: int) -> ClassFacts:
    return {
        "name": name,
        "tiles": tiles,
        "area_px": area,
        "area_um2": None if pixel is None else area * pixel,
        "points": points,
    }


def class_lines(facts: Sequence[ClassFacts] | None) -> dict[str, str]:
    """Return the line about classes; none without labels."""
    if facts is None:
        return {}
    return {"classes": "; ".join(map(_told, facts))}


def _told(facts: ClassFacts) -> str:
    points = f", {counted(facts['points'])} points" if facts["points"] else ""
    area = how_large(facts["area_um2"], facts["area_px"])
    return f"{facts['name']}: {counted(facts['tiles'])} tiles, {area}{points}"
