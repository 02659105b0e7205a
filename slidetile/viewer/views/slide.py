"""A slide, its tissue or its plan as they are looked at: nothing is written.

Knows slides, plans, pictures and scenes. Does not know pages.
"""

import functools
from collections.abc import Callable, Sequence

from slidetile.annotations.annotations import Annotation
from slidetile.planning.plan import TilePlan
from slidetile.raster.channels import Channel, channel_facts
from slidetile.recipe.recipe import Recipe
from slidetile.slides.overview import Overview
from slidetile.slides.slide import Slide
from slidetile.tissue.mask import TissueMask
from slidetile.viewer.pictures.picture import Picture, PictureCache, overview_picture, slide_picture
from slidetile.viewer.replan.replanning import Replanning
from slidetile.viewer.scene.overlays import tissue_overlay
from slidetile.viewer.views.plain import PlainView
from slidetile.viewer.views.plan import PlanView


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
