"""What ``view()`` of a slide, tissue, plan or store returns in a notebook.

Knows what each of them needs to be shown. Does not know pages.
"""

from typing import TYPE_CHECKING, Any

from slidetile.planning.plan import TilePlan
from slidetile.recipe.recipe import Recipe
from slidetile.slides.slide import Slide
from slidetile.store.store import TileStore
from slidetile.tissue.mask import TissueMask
from slidetile.tissue.optical_density import OpticalDensityDetector
from slidetile.viewer.doors.notebook.still import still
from slidetile.viewer.pictures.picture import PictureCache
from slidetile.viewer.replan.replanning import Replanning
from slidetile.viewer.scene.columns import Scores
from slidetile.viewer.views.drawn import Given, drawn_on_slide, drawn_on_store
from slidetile.viewer.views.slide import live_plan_view, plan_view, slide_view, tissue_view
from slidetile.viewer.views.store import StoreView
from slidetile.viewer.views.view import View

if TYPE_CHECKING:
    from slidetile.viewer.doors.notebook.widget import ViewWidget

LEAST_HEIGHT_PX, MOST_HEIGHT_PX = 200, 4000


def widget(
    thing: object,
    slide: Slide | None = None,
    recipe: Recipe | None = None,
    height: int = 600,
    annotations: Given | None = None,
    scores: Scores | None = None,
) -> "ViewWidget":
    """Return a widget that shows a slide, tissue, a plan or a store; of that, with more numbers.

    Raises
    ------
    ImportError
        The extra notebook is not installed.
    SlidetileError, ValueError
        It cannot be shown, or the height is out of range.
    """
    try:
        from slidetile.viewer.doors.notebook.widget import ViewWidget
    except ImportError as error:
        raise ImportError(
            f"{error.name} is not installed; it comes with the extra notebook: pip install "
            "'slidetile[notebook]'"
        ) from error
    if not LEAST_HEIGHT_PX <= height <= MOST_HEIGHT_PX:
        raise ValueError(
            f"A view is {LEAST_HEIGHT_PX} to {MOST_HEIGHT_PX:,} px high, but not {height}."
        )
    view = view_of(thing, slide, recipe, annotations, scores)
    scene = view.scene()
    return ViewWidget(view, name=scene.name, picture=still(view, scene), height=height)


def view_of(
    thing: object,
    slide: Slide | None = None,
    recipe: Recipe | None = None,
    annotations: Given | None = None,
    scores: Scores | None = None,
) -> View:
    """Return the view of a slide, tissue, a plan or a store; of that, with more numbers.

    Raises
    ------
    TypeError
        It is none of them.
    SlidetileError, ValueError
        It cannot be shown; or the slide is not the one of the plan.
    """
    cache = PictureCache()
    if isinstance(thing, TileStore):
        return StoreView(thing, cache, drawn_on_store(annotations, thing), scores=scores)
    if isinstance(thing, Slide):
        if recipe is None:
            return slide_view(thing, cache=cache, areas=drawn_on_slide(annotations, thing))
        drawn = drawn_on_slide(annotations or recipe.annotations, thing)
        return live_plan_view(thing, recipe, cache=cache, areas=drawn)
    if isinstance(thing, TissueMask):
        return tissue_view(thing, slide, cache=cache)
    if isinstance(thing, TilePlan):
        if slide is None:
            return plan_view(thing, cache=cache)
        return _plan_of_slide(thing, slide, recipe, cache)
    raise TypeError(f"A {type(thing).__name__} cannot be looked at.")


def _plan_of_slide(
    plan: TilePlan, slide: Slide, recipe: Recipe | None, cache: PictureCache
) -> View:
    """Return the view of a plan that can be made again, where it is known how it was made."""
    plan.check_slide(slide)
    recipe = recipe or _recipe_of(plan)
    if recipe is None:
        return plan_view(plan, slide, cache=cache)
    replanning = Replanning(slide=slide, recipe=recipe, plan=plan)
    return plan_view(plan, slide, replanning=replanning, cache=cache)


def _recipe_of(plan: TilePlan) -> Recipe | None:
    """Return the recipe that makes a plan again; None where a detector of another kind made it."""
    made: dict[str, Any] = plan.tissue.parameters
    detector = made.get("detector")
    if not isinstance(detector, dict) or detector.get("name") != OpticalDensityDetector.__name__:
        return None
    if "regions" in made:  # somebody drew where tissue is, or is not
        return None
    return Recipe(
        tile=plan.spec,
        keep_pen=bool(made.get("keep_pen")),
        min_piece_area_um2=float(made["min_region_area_um2"]),
        min_hole_area_um2=float(made["min_hole_area_um2"]),
        tissue_margin_um=float(made["region_margin_um"]),
        cores=plan.cores is not None,
    )
