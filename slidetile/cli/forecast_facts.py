"""What a batch would do, as values fit for JSON and as lines for people."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

from slidetile.cli.quantities import counted, duration, size_bytes
from slidetile.counts import how_many

if TYPE_CHECKING:
    from slidetile.cohort.forecast import SlideForecast


class SlideForecastFacts(TypedDict):
    """What a batch would do with one slide."""

    key: str
    slide_path: str
    action: str
    reason: str | None
    codec: str | None
    tiles: int
    store_bytes: int
    seconds: float
    free_bytes: int | None


class ForecastFacts(TypedDict):
    """What `batch --dry-run` reports."""

    slides: list[SlideForecastFacts]
    to_do: int
    already_done: int
    failing: int
    tiles: int
    store_bytes: int
    seconds: float
    free_bytes: int | None
    fits: bool


def forecast_facts(found: "Sequence[SlideForecast]") -> ForecastFacts:
    """Return what a batch would do: with each slide, and with all together."""
    to_do = [each for each in found if each.action not in ("already done", "fail")]
    free = min((each.free_bytes for each in to_do if each.free_bytes is not None), default=None)
    store_bytes = sum(each.store_bytes for each in to_do)
    return {
        "slides": [_slide(each) for each in found],
        "to_do": len(to_do),
        "already_done": sum(each.action == "already done" for each in found),
        "failing": sum(each.action == "fail" for each in found),
        "tiles": sum(each.tiles for each in to_do),
        "store_bytes": store_bytes,
        "seconds": round(sum(each.seconds for each in to_do), 1),
        "free_bytes": free,
        "fits": free is None or store_bytes <= free,
    }


def _slide(forecast: "SlideForecast") -> SlideForecastFacts:
    return {
        "key": forecast.key,
        "slide_path": forecast.slide,
        "action": forecast.action,
        "reason": forecast.reason,
        "codec": forecast.codec,
        "tiles": forecast.tiles,
        "store_bytes": forecast.store_bytes,
        "seconds": round(forecast.seconds, 2),
        "free_bytes": forecast.free_bytes,
    }


def forecast_line(forecast: "SlideForecast") -> str:
    """Return what a batch would do with one slide, for people."""
    why = f": {forecast.reason}" if forecast.reason else ""
    if forecast.action in ("fail", "already done"):
        return f"{forecast.slide}: {forecast.action}{why}"
    cost = (
        f"{how_many(forecast.tiles, 'tiles')}, {forecast.codec}, "
        f"{size_bytes(forecast.store_bytes)}, {duration(forecast.seconds)}"
    )
    return f"{forecast.slide}: {forecast.action}: {cost}{why}"


def total_line(facts: ForecastFacts) -> str:
    """Return what a batch would do with all slides, for people."""
    return (
        f"to do: {how_many(facts['to_do'], 'slides')}, {how_many(facts['tiles'], 'tiles')}, "
        f"{size_bytes(facts['store_bytes'])}, about {duration(facts['seconds'])} one after "
        f"another; already done: {counted(facts['already_done'])}; "
        f"would fail: {counted(facts['failing'])}"
    )
