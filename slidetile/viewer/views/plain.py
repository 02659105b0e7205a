"""A slide, or its tissue, as it is looked at. Knows pictures and scenes. Does not know pages."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from slidetile.annotations.annotations import Annotation
from slidetile.viewer.pictures.encoding import EncodedTile
from slidetile.viewer.pictures.picture import Picture
from slidetile.viewer.scene.scene import Area, Overlay, Scene, SceneKind


class PlainView:
    """A slide, or what is known of one without it; see `slidetile.viewer.views.view.View`.

    Made by `slide_view`, `tissue_view` and `plan_view`.
    """

    def __init__(  # noqa: PLR0913  each says one thing about what is shown
        self,
        name: str,
        kind: SceneKind,
        make_picture: Callable[[], Picture],
        *,
        facts: Mapping[str, str],
        mpp: tuple[float, float] | None,
        size: tuple[int, int],
        overlay: Overlay | None = None,
        areas: Sequence[Annotation] = (),
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.name, self.kind = name, kind
        self._make_picture, self._close = make_picture, close
        self._facts, self._mpp, self._size = facts, mpp, size
        self._overlay = overlay or Overlay()
        self._areas = tuple(Area(class_name=a.class_name, rings=a.rings) for a in areas)

    @functools.cached_property
    def picture(self) -> Picture:
        """The picture, made when it is first asked for."""
        return self._make_picture()

    def for_page(self) -> Self:
        """Return itself: no page changes it."""
        return self

    def scene(self) -> Scene:
        """Return what a page shows."""
        return Scene(
            name=self.name,
            kind=self.kind,
            size=self._size,
            levels=self.picture.levels,
            mpp=self._mpp,
            facts=self._facts,
            overlay=self._overlay,
            areas=self._areas,
        )

    def tile(self, level: int, column: int, row: int) -> EncodedTile | None:
        """Return a tile of the picture."""
        return self.picture.tile(level, column, row)

    def row(self, index: int) -> list[list[Any]]:
        """Return what is known of a tile.

        Raises
        ------
        IndexError
            There is no such tile.
        """
        raise IndexError(f"There are no tiles, so there is no tile {index}.")

    def replan(self, settings: Mapping[str, float]) -> Overlay:
        """Refuse: there is no plan.

        Raises
        ------
        ValueError
            Always.
        """
        del settings
        raise ValueError(f"This is a {self.kind}; only the plan of a slide can be made again.")

    def close(self) -> None:
        """Close the slide, where it was given to be closed."""
        self._close()
