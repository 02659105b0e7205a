"""A slide, its tissue or its plan as they are looked at: nothing is written.

Knows slides, plans, pictures and scenes. Does not know pages.
"""

import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from slidetile.annotations.annotations import Annotation
from slidetile.planning.plan import TilePlan
from slidetile.raster.channels import Channel, channel_facts
from slidetile.recipe import Recipe
from slidetile.slides.overview import Overview
from slidetile.slides.slide import Slide
from slidetile.tissue.mask import TissueMask
from slidetile.viewer.columns import Column, as_browser_type, json_number
from slidetile.viewer.encoding import EncodedTile
from slidetile.viewer.pictures import Picture, PictureCache, overview_picture, slide_picture
from slidetile.viewer.replan import Replanning
from slidetile.viewer.scene import Area, Overlay, Scene, SceneKind, Tiles, tissue_outlines


class PlainView:
    """A slide, or what is known of one without it; see `slidetile.viewer.view.View`.

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


def slide_view(
    slide: Slide,
    *,
    cache: PictureCache | None = None,
    areas: Sequence[Annotation] = (),
    close: Callable[[], None] = lambda: None,
) -> PlainView:
    """Return a view of a slide alone, which stays open meanwhile."""
    return PlainView(
        slide.name,
        "slide",
        functools.partial(slide_picture, slide, None, cache),
        facts=_slide_facts(slide),
        mpp=slide.mpp,
        size=slide.levels[0].size,
        areas=areas,
        close=close,
    )


def tissue_view(
    tissue: TissueMask,
    slide: Slide | None = None,
    *,
    name: str = "tissue",
    cache: PictureCache | None = None,
) -> PlainView:
    """Return a view of tissue; without its slide, the overview is all that can be zoomed into."""
    overview = tissue.overview
    return PlainView(
        name if slide is None else slide.name,
        "tissue",
        _picture(overview, slide, cache),
        facts=_overview_facts(overview) if slide is None else _slide_facts(slide),
        mpp=_mpp(overview),
        size=(overview.slide_width, overview.slide_height),
        overlay=tissue_overlay(tissue),
    )


def plan_view(
    plan: TilePlan,
    slide: Slide | None = None,
    *,
    name: str = "plan",
    replanning: Replanning | None = None,
    cache: PictureCache | None = None,
) -> PlanView:
    """Return a view of a plan; without what it takes to make it anew, it stays as it is."""
    overview = plan.tissue.overview
    return PlanView(
        plan,
        replanning,
        name if slide is None else slide.name,
        _picture(overview, slide, cache),
        facts=_overview_facts(overview) if slide is None else _slide_facts(slide),
        mpp=_mpp(overview),
    )


def live_plan_view(
    slide: Slide,
    recipe: Recipe | None = None,
    *,
    cache: PictureCache | None = None,
    areas: Sequence[Annotation] = (),
    close: Callable[[], None] = lambda: None,
) -> PlanView:
    """Return a view of a slide's plan, made now and again whenever a setting is moved.

    Raises
    ------
    SlidetileError, ValueError
        As in `Recipe.plan`.
    """
    replanning = Replanning.begin(slide, recipe or Recipe())
    return PlanView(
        replanning.plan,
        replanning,
        slide.name,
        _picture(replanning.overview, slide, cache),
        facts=_slide_facts(slide),
        mpp=slide.mpp,
        areas=areas,
        close=close,
    )


def tissue_overlay(tissue: TissueMask) -> Overlay:
    """Return what lies over the picture of a slide's tissue."""
    return Overlay(
        outlines=tissue_outlines(tissue.mask, tissue.downsample),
        left_out=tuple(map(str, tissue.left_out)),
        notes=() if tissue.pieces else ("No tissue was found.",),
    )


def plan_overlay(plan: TilePlan, replanning: Replanning | None = None) -> Overlay:
    """Return what lies over the picture of a planned slide."""
    tiles = Tiles(
        grid=plan.grid,
        columns=plan.columns,
        rows=plan.rows,
        values=(
            Column("region", plan.tissue_pieces),
            Column("tissue_fraction", as_browser_type(np.asarray(plan.tissue_fractions))),
        ),
    )
    tissue = tissue_overlay(plan.tissue)
    empty = plan.tissue.pieces and not len(plan)
    return Overlay(
        tiles=tiles,
        outlines=tissue.outlines,
        left_out=tuple(map(str, plan.left_out)),
        settings=() if replanning is None else replanning.settings,
        choice={} if replanning is None else replanning.choice,
        notes=(*tissue.notes, *(["No tile holds enough tissue."] if empty else [])),
    )


def _picture(
    overview: Overview, slide: Slide | None, cache: PictureCache | None
) -> Callable[[], Picture]:
    if slide is None:
        return functools.partial(overview_picture, overview, cache)
    return functools.partial(slide_picture, slide, overview, cache)


def _mpp(overview: Overview) -> tuple[float, float] | None:
    if overview.mpp is None:
        return None
    (x, y), (across, down) = overview.mpp, overview.downsample
    return x / across, y / down


def _slide_facts(slide: Slide) -> dict[str, str]:
    return {
        "size": f"{slide.width}×{slide.height} px",
        "mpp": _mpp_text(slide.mpp),
        "vendor": slide.vendor,
        "reader": slide.reader,
        **channel_facts(slide.channel_info, slide.bits),
    }


def _overview_facts(overview: Overview) -> dict[str, str]:
    channels: Sequence[Channel] = overview.channel_info
    return {
        "size": f"{overview.slide_width}×{overview.slide_height} px",
        "mpp": _mpp_text(_mpp(overview)),
        "picture": "the overview alone, since the slide was not given",
        **channel_facts(channels, overview.sample_bits),
    }


def _mpp_text(mpp: tuple[float, float] | None) -> str:
    return "unknown" if mpp is None else f"{mpp[0]:.4g} µm"
