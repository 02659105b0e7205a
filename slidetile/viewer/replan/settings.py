"""The settings of a plan that a page can move.

Knows recipes and the names of options. Does not know slides, pages or how a plan is made.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from slidetile.planning.tile_spec import LARGEST_TILE_PX, SMALLEST_TILE_PX
from slidetile.recipe.recipe import Recipe
from slidetile.tissue.optical_density import OpticalDensityDetector

MOST_CELLS = 4_000_000
"""Cells of the finest tile grid that a page offers: a plan of them takes a second or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A number that can be moved, and where it goes."""

    name: str
    """Its name in Python: of `TileSpec`, `Recipe` or `OpticalDensityDetector`."""

    label: str
    """What it is called on a page."""

    value: float
    """What it is."""

    least: float
    """The least that it can be."""

    most: float
    """The most that a page offers."""

    step: float
    """How it moves."""

    default: float
    """What it is unless it is given."""

    unit: str = ""
    """Its unit."""

    option: str | None = None
    """What the command line calls it; None where it cannot be given there."""

    @property
    def facts(self) -> dict[str, Any]:
        """The setting as JSON."""
        return dataclasses.asdict(self)


_TILE = ("size", "min_tissue_fraction")
_TISSUE = ("min_piece_area_um2", "min_hole_area_um2", "tissue_margin_um")
_DETECTOR = ("min_density", "min_grey_density", "min_spread_density", "min_texture")


def settings_of(
    recipe: Recipe, size: tuple[int, int], detector: OpticalDensityDetector | None
) -> tuple[Setting, ...]:
    """Return the settings of a recipe that can be moved.

    Parameters
    ----------
    recipe
        The recipe.
    size
        (width, height) of the slide, by which the smallest tile is offered.
    detector
        The detector that found the tissue, where it is one with thresholds.
    """
    plain = Recipe()
    tile, usual = recipe.tile, plain.tile
    found = [
        Setting(
            name="size",
            label="tile size",
            value=tile.size,
            least=min(tile.size, _smallest_tile(size)),
            most=max(tile.size, min(4096, LARGEST_TILE_PX)),
            step=SMALLEST_TILE_PX,
            default=usual.size,
            unit="px",
            option="--tile-size",
        ),
        Setting(
            name="min_tissue_fraction",
            label="minimum tissue fraction",
            value=tile.min_tissue_fraction,
            least=0,
            most=1,
            step=0.01,
            default=usual.min_tissue_fraction,
            option="--min-tissue-fraction",
        ),
    ]
    if recipe.annotations is None or recipe.annotations.mode != "replace":
        found += _tissue_settings(recipe, plain)
        found += [] if detector is None else _detector_settings(detector)
    return tuple(found)


def _smallest_tile(size: tuple[int, int]) -> int:
    least = math.sqrt(size[0] * size[1] / MOST_CELLS)
    return max(64, math.ceil(least / SMALLEST_TILE_PX) * SMALLEST_TILE_PX)


def _tissue_settings(recipe: Recipe, plain: Recipe) -> list[Setting]:
    shown = {
        "min_piece_area_um2": (
            "smallest piece of tissue",
            1_000_000,
            5_000,
            "µm², at most 0.1 % of the slide",
        ),
        "min_hole_area_um2": (
            "smallest hole",
            2_000_000,
            10_000,
            "µm², at most 0.5 % of the slide",
        ),
        "tissue_margin_um": ("margin around tissue", 1_000, 10, "µm"),
    }
    return [
        Setting(
            name=name,
            label=label,
            value=float(getattr(recipe, name)),
            least=0,
            most=max(most, float(getattr(recipe, name))),
            step=step,
            default=float(getattr(plain, name)),
            unit=unit,
            option=f"--{name.replace('_', '-')}",
        )
        for name, (label, most, step, unit) in shown.items()
    ]


def _detector_settings(detector: OpticalDensityDetector) -> list[Setting]:
    shown = {
        "min_density": ("least stain density", 0.005, 0.5, 0.005),
        "min_grey_density": ("least density of any hue", 0.005, 0.5, 0.005),
        "min_spread_density": ("least density of pale tissue", 0.001, 0.05, 0.001),
        "min_texture": ("least texture", 0.01, 1, 0.01),
    }
    usual = OpticalDensityDetector()
    return [
        Setting(
            name=name,
            label=label,
            value=float(getattr(detector, name)),
            least=min(least, float(getattr(detector, name))),
            most=max(most, float(getattr(detector, name))),
            step=step,
            default=float(getattr(usual, name)),
        )
        for name, (label, least, most, step) in shown.items()
    ]


def with_settings(
    recipe: Recipe, values: Mapping[str, float], detector: OpticalDensityDetector | None
) -> Recipe:
    """Return a recipe with other values of its settings.

    Parameters
    ----------
    recipe
        The recipe.
    values
        Numbers by the settings' names; what is not given stays.
    detector
        The detector that found the tissue, where it is one with thresholds.

    Raises
    ------
    ValueError
        A name is unknown, or a value is out of its range.
    """
    offered = {*_TILE, *_TISSUE, *(() if detector is None else _DETECTOR)}
    unknown = [name for name in values if name not in offered]
    if unknown:
        raise ValueError(f"There is no setting {unknown[0]!r}: there are {', '.join(offered)}.")
    wrong = [name for name, value in values.items() if not math.isfinite(value)]
    if wrong:
        raise ValueError(f"{wrong[0]} must be a finite number, but it is {values[wrong[0]]}.")
    tile: dict[str, Any] = {name: values[name] for name in _TILE if name in values}
    if "size" in tile:
        tile["size"] = round(tile["size"])
    changes: dict[str, Any] = {name: values[name] for name in _TISSUE if name in values}
    chosen: dict[str, Any] = {name: values[name] for name in _DETECTOR if name in values}
    if detector is not None and any(getattr(detector, n) != v for n, v in chosen.items()):
        changes |= {"detector": replace(detector, **chosen), "keep_pen": False}
    return replace(recipe, tile=replace(recipe.tile, **tile), **changes)
