"""What a page shows, as one frozen value that becomes JSON; the picture's pixels come tile by tile.

Knows geometry and names. Does not know slides, stores, servers or browsers. All text in it is
untrusted: pages set it as text, never as markup.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.grid import TileGrid
from slidetile.raster.rings import trace_outlines
from slidetile.viewer.pictures.zoom import ZoomLevel
from slidetile.viewer.replan.settings import Setting
from slidetile.viewer.scene.columns import Column, packed

SceneKind = Literal["slide", "tissue", "plan", "store"]

Points = NDArray[np.float64]
"""float64 [corner, (x, y)] in level-0 pixels, not closed."""

_DECIMALS = 2
"""Of a level-0 pixel; outlines are drawn, not measured."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tiles:
    """Tiles on a grid, and what is known of each."""

    grid: TileGrid
    """Where tiles may lie, in level-0 pixels."""

    columns: NDArray[np.int32]
    """The column of each tile, row by row."""

    rows: NDArray[np.int32]
    """The row of each tile, ascending."""

    values: tuple[Column, ...] = ()
    """What tiles can be coloured and chosen by."""

    unreadable: NDArray[np.uint8] | None = None
    """1 for each tile that could not be read; None where all could."""

    colour: str = ""
    """The name of the values that tiles are coloured by at first; empty for none."""

    @property
    def facts(self) -> dict[str, Any]:
        """The tiles as JSON."""
        unreadable = self.unreadable
        has_any = unreadable is not None and unreadable.any()
        return {
            "count": len(self.columns),
            "size": self.grid.size,
            "edge": self.grid.edge,
            "grid": [self.grid.columns, self.grid.rows],
            "columns": packed(self.columns),
            "rows": packed(self.rows),
            "unreadable": packed(unreadable) if has_any and unreadable is not None else None,
            "values": [column.facts for column in self.values],
            "colour": self.colour,
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Area:
    """An area that somebody drew."""

    class_name: str
    """Its class; empty where it has none."""

    rings: tuple[Points, ...]
    """Its outline, then its holes."""

    @property
    def facts(self) -> dict[str, Any]:
        """The area as JSON."""
        return {"class": self.class_name, "rings": [_flat(ring) for ring in self.rings]}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Overlay:
    """What lies over the picture; a plan that is made anew is a new one of these."""

    tiles: Tiles | None = None
    """The tiles; None where none were chosen yet."""

    outlines: tuple[Points, ...] = ()
    """The outlines of tissue and of its holes."""

    left_out: tuple[str, ...] = ()
    """What filters dropped, how much, and what keeps it."""

    settings: tuple[Setting, ...] = ()
    """How it was made, where it can be made anew."""

    choice: Mapping[str, str] = field(default_factory=dict)
    """The settings as they are typed: "python" an expression, "options" of the command line."""

    notes: tuple[str, ...] = ()
    """What has to be said about it."""

    @property
    def facts(self) -> dict[str, Any]:
        """The overlay as JSON."""
        return {
            "tiles": None if self.tiles is None else self.tiles.facts,
            "outlines": [_flat(ring) for ring in self.outlines],
            "left_out": list(self.left_out),
            "settings": [setting.facts for setting in self.settings],
            "choice": dict(self.choice),
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """All that a page needs before it asks for pixels."""

    name: str
    """What is shown, such as a file's name."""

    kind: SceneKind
    """What it is."""

    size: tuple[int, int]
    """(width, height) of level 0."""

    levels: Sequence[ZoomLevel]
    """How the picture is cut, finest first."""

    mpp: tuple[float, float] | None = None
    """Micrometres per level-0 pixel, as (x, y); None where unknown."""

    facts: Mapping[str, str] = field(default_factory=dict)
    """What is told of it, by name."""

    overlay: Overlay = field(default_factory=Overlay)
    """What lies over the picture."""

    areas: tuple[Area, ...] = ()
    """What somebody drew."""

    @property
    def json(self) -> dict[str, Any]:
        """The scene as JSON."""
        return {
            "name": self.name,
            "kind": self.kind,
            "size": list(self.size),
            "mpp": None if self.mpp is None else list(self.mpp),
            "levels": [level.facts for level in self.levels],
            "facts": [[name, text] for name, text in self.facts.items()],
            "overlay": self.overlay.facts,
            "areas": [area.facts for area in self.areas],
        }


def tissue_outlines(mask: NDArray[np.bool_], downsample: tuple[float, float]) -> tuple[Points, ...]:
    """Return the outlines of a mask's pieces and holes, in level-0 pixels."""
    return tuple(ring * np.array(downsample) for piece in trace_outlines(mask) for ring in piece)


def _flat(ring: Points) -> list[float]:
    """Return a ring as one list of x, y, x, y, and so on."""
    numbers: list[float] = np.round(ring, _DECIMALS).ravel().tolist()
    return numbers
