"""A slide or a store at a path or an address, as a view that is opened when it is looked at.

Knows where things lie and how each kind is opened. Does not know pages.
"""

import threading
from collections.abc import Mapping
from typing import Any

from slidetile.cloud.address import Location
from slidetile.recipe.recipe import Recipe
from slidetile.store.store import open_store, seems_store
from slidetile.viewer.pictures.encoding import EncodedTile
from slidetile.viewer.pictures.picture import PictureCache
from slidetile.viewer.scene.scene import Overlay, Scene, SceneKind
from slidetile.viewer.views.drawn import drawn_on_slide, drawn_on_store
from slidetile.viewer.views.slide import live_plan_view
from slidetile.viewer.views.store import StoreView
from slidetile.viewer.views.view import View


class OpenedView:
    """What lies at a place; see `slidetile.viewer.views.view.View`. Of a slide, its plan.

    Parameters
    ----------
    place
        A slide or a store.
    recipe
        How slides are planned, at first; its annotations are drawn over stores, too.
    cache
        Where pictures are kept.
    """

    def __init__(
        self, place: Location, recipe: Recipe | None = None, cache: PictureCache | None = None
    ) -> None:
        self._place, self._recipe = place, recipe or Recipe()
        self._cache = cache or PictureCache()
        self._view: View | None = None
        self._lock = threading.Lock()
        self.kind: SceneKind = "store" if seems_store(place) else "plan"

    @property
    def name(self) -> str:
        """The last part of its path or address."""
        return self._place.name or str(self._place)

    def opened(self) -> View:
        """Open it, unless it is open.

        Raises
        ------
        SlidetileError, OSError
            It cannot be opened, or not be planned.
        """
        with self._lock:
            if self._view is None:
                self._view = self._open()
            return self._view

    def for_page(self) -> View:
        """Return a view for one page; a store is opened anew, as it is now.

        Raises
        ------
        SlidetileError, OSError
            It cannot be opened, or not be planned.
        """
        return self._open() if self.kind == "store" else self.opened().for_page()

    def scene(self) -> Scene:
        """Return what a page shows; a store that was replaced since then is opened anew."""
        if self.kind == "store":
            self.close()
        return self.opened().scene()

    def tile(self, level: int, column: int, row: int) -> EncodedTile | None:
        """Return a tile of the picture."""
        return self.opened().tile(level, column, row)

    def row(self, index: int) -> list[list[Any]]:
        """Return what is known of a tile."""
        return self.opened().row(index)

    def replan(self, settings: Mapping[str, float]) -> Overlay:
        """Return the overlay of a plan with other settings."""
        return self.opened().replan(settings)

    def close(self) -> None:
        """Close what is open; it is opened again when it is looked at."""
        with self._lock:
            view, self._view = self._view, None
        if view is not None:
            view.close()

    def _open(self) -> View:
        if self.kind == "store":
            store = open_store(self._place)
            drawn = drawn_on_store(self._recipe.annotations, store)
            return StoreView(store, self._cache, drawn)
        slide = self._recipe.open(self._place)
        try:
            areas = drawn_on_slide(self._recipe.annotations, slide)
            return live_plan_view(
                slide, self._recipe, cache=self._cache, areas=areas, close=slide.close
            )
        except BaseException:
            slide.close()
            raise
