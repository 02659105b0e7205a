"""What a door shows: the one interface between what is looked at and the way to a browser.

A *view* is of one slide, plan, tissue or store. A *door* is a way from a view to a page: the local
server (`slidetile.viewer.doors.server.server`), and whatever else carries four calls. It does this:

1. `scene`: the JSON that a page begins with. It may take seconds (a plan is made then), and is
   called once a page.
2. `tile`: a tile of the picture by level (0 is the finest), column and row. Each call is
   independent of the others, safe from several threads, and bounded in memory. None is not an
   error: nothing is stored there, and the page shows a coarser level. DamagedTileError is shown as
   a marked tile with its words, StoreError (the store was replaced) as a state of the whole page.
3. `row`: what the table says of a tile.
4. `replan`: only of a plan. The overlay anew, with other settings.

In the page the same four calls are one object, `source` (page/source.js says what each returns):
a door brings its own, and hands it with an element to `show(element, source)`. Nothing else of the
page knows the door. A door that has no Python behind it makes scenes of its own, by the same JSON.

Text in a scene is untrusted. Pages set it as text; a door must not put it into markup.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from slidetile.viewer.pictures.encoding import EncodedTile
from slidetile.viewer.scene.scene import Overlay, Scene, SceneKind


class View(Protocol):
    """One thing that is looked at. Safe to use from several threads."""

    @property
    def name(self) -> str:
        """What it is called in a list."""
        ...

    @property
    def kind(self) -> SceneKind:
        """What it is, known before anything is read."""
        ...

    def for_page(self) -> "View":
        """Return a view for one page, which no other page changes; closing this one closes it.

        Raises
        ------
        SlidetileError, OSError
            It cannot be opened.
        """
        ...

    def scene(self) -> Scene:
        """Return what a page shows before any pixels.

        Raises
        ------
        SlidetileError
            It is damaged, or was replaced.
        """
        ...

    def tile(self, level: int, column: int, row: int) -> EncodedTile | None:
        """Return a tile of the picture; see `slidetile.viewer.pictures.picture.Picture.tile`."""
        ...

    def row(self, index: int) -> list[list[Any]]:
        """Return what is known of a tile, as [name, value] pairs.

        Raises
        ------
        IndexError
            There is no such tile.
        """
        ...

    def replan(self, settings: Mapping[str, float]) -> Overlay:
        """Return the overlay of a plan with other settings.

        Raises
        ------
        ValueError
            A setting is unknown or out of range, or this is no plan.
        """
        ...

    def close(self) -> None:
        """Release what it has open."""
        ...
