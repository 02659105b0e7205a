"""A plan as it is looked at, and made anew. Knows plans and scenes. Does not know pages."""

import copy
import threading
from collections.abc import Callable, Mapping
from typing import Any, Self

from slidetile.planning.plan import TilePlan
from slidetile.viewer.pictures.picture import Picture
from slidetile.viewer.replan.replanning import Replanning
from slidetile.viewer.scene.columns import json_number
from slidetile.viewer.scene.overlays import plan_overlay
from slidetile.viewer.scene.scene import Overlay
from slidetile.viewer.views.plain import PlainView


class PlanView(PlainView):
    """A plan, which is made anew where its slide is at hand."""

    def __init__(
        self,
        plan: TilePlan,
        replanning: Replanning | None,
        name: str,
        make_picture: Callable[[], Picture],
        **shown: Any,
    ) -> None:
        super().__init__(
            name,
            "plan",
            make_picture,
            size=plan.slide_size,
            overlay=plan_overlay(plan, replanning),
            **shown,
        )
        self._plan, self._replanning = plan, replanning
        self._lock = threading.Lock()  # of two plans that a page asks for, the second is shown

    def for_page(self) -> Self:
        """Return a view whose plan is a page's own; pixels and overview are shared."""
        page = copy.copy(self)
        page.picture = self.picture
        page._lock = threading.Lock()  # noqa: SLF001  its own
        return page

    def row(self, index: int) -> list[list[Any]]:
        """Return what is known of a tile.

        Raises
        ------
        IndexError
            There is no such tile.
        """
        with self._lock:
            plan = self._plan
        if not 0 <= index < len(plan):
            raise IndexError(f"There are {len(plan)} tiles, so there is no tile {index}.")
        tile = plan[index]
        region = {n: getattr(tile.inside, n) for n in ("x", "y", "width", "height")}
        facts = {
            "tile_id": tile.tile_id,
            "column": tile.column,
            "row": tile.row,
            **region,
            "region": tile.tissue_piece,
            "tissue_fraction": tile.tissue_fraction,
            **({} if plan.cores is None else {"core": tile.core}),
        }
        return [[name, json_number(value)] for name, value in facts.items()]

    def replan(self, settings: Mapping[str, float]) -> Overlay:
        """Return the overlay of the plan with other settings.

        Raises
        ------
        ValueError
            A setting is unknown or out of range, or the slide is not at hand.
        """
        if self._replanning is None:
            raise ValueError("This plan was given without its slide, so it cannot be made again.")
        with self._lock:
            self._replanning = self._replanning.with_settings(settings)
            self._plan = self._replanning.plan
            self._overlay = plan_overlay(self._plan, self._replanning)
            return self._overlay
