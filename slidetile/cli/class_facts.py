"""What is reported of the classes of a plan's or a store's tiles."""

from collections import Counter
from collections.abc import Sequence
from typing import TypedDict

from slidetile.cli.quantities import counted
from slidetile.counts import how_large, how_many
from slidetile.format.class_columns import WINNER
from slidetile.format.class_tiles import tiles_with_any
from slidetile.planning.plan import TilePlan
from slidetile.store.store import TileStore


class ClassFacts(TypedDict):
    """One class of labels."""

    name: str
    tiles: int
    tiles_with_any: int
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
    counts = plan.class_counts
    assert counts is not None, "there are labels"
    holding = ((fractions > 0) | (counts > 0)).sum(axis=0).tolist()
    step = plan.tissue.overview.downsample
    pixel = None if mpp is None else mpp[0] / step[0] * mpp[1] / step[1]
    return [
        _facts(name, (winners[place], holding[place]), area, pixel, len(areas.points[place]))
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
        _facts(
            each.name,
            (winners[each.name], tiles_with_any(store.tiles, column)),
            each.area_px,
            pixel,
            each.points,
        )
        for each, column in zip(labels.classes, labels.columns, strict=True)
    ]


def _facts(
    name: str, tiles: tuple[int, int], area: int, pixel: float | None, points: int
) -> ClassFacts:
    """Return the facts of a class that is the largest of some tiles, and in some at all."""
    return {
        "name": name,
        "tiles": tiles[0],
        "tiles_with_any": tiles[1],
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
    area = how_large(facts["area_um2"], facts["area_px"]) if facts["area_px"] else None
    points = how_many(facts["points"], "points") if facts["points"] else None
    on_slide = " and ".join(filter(None, (area, points))) or "nothing"
    return (
        f"{facts['name']}: in {how_many(facts['tiles_with_any'], 'tiles')}, the largest class in "
        f"{counted(facts['tiles'])} (on the whole slide: {on_slide})"
    )
