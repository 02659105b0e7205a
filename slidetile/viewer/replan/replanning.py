"""A plan made again with other settings, from an overview that is held: nothing is read or written.

Knows recipes, overviews and plans. Does not know pages.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from slidetile.planning.labels import DrawnLabels
from slidetile.planning.plan import TilePlan, plan_tiles
from slidetile.recipe.recipe import Recipe
from slidetile.slides.overview import Overview
from slidetile.slides.slide import Slide
from slidetile.tissue.cores import find_cores
from slidetile.tissue.detector import SlideDetector
from slidetile.tissue.mask import TissueMask
from slidetile.tissue.optical_density import OpticalDensityDetector
from slidetile.viewer.replan.settings import Setting, settings_of, with_settings
from slidetile.viewer.replan.typed import typed


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replanning:
    """A plan, what it was made of, and what it takes to make it anew."""

    slide: Slide
    """The slide. Detectors that read slides read it; nothing else does."""

    recipe: Recipe
    """How the plan was made."""

    plan: TilePlan
    """The plan."""

    labels: DrawnLabels | None = None
    """The classes that tiles belong to; None where there are none."""

    @classmethod
    def begin(cls, slide: Slide, recipe: Recipe) -> "Replanning":
        """Plan a slide for the first time, which reads its overview.

        Raises
        ------
        SlidetileError, ValueError
            As in `Recipe.plan`.
        """
        labels = None if recipe.labels is None else recipe.labels.read(slide)
        return cls(slide=slide, recipe=recipe, plan=recipe.plan(slide), labels=labels)

    @property
    def overview(self) -> Overview:
        """The overview that is held."""
        return self.plan.tissue.overview

    @property
    def detector(self) -> OpticalDensityDetector | None:
        """The detector that found the tissue, where it is one whose thresholds can be moved."""
        recorded = self.plan.tissue.parameters.get("detector")
        if (
            not isinstance(recorded, dict)
            or recorded.get("name") != OpticalDensityDetector.__name__
        ):
            return None
        return OpticalDensityDetector(**{k: v for k, v in recorded.items() if k != "name"})

    @property
    def settings(self) -> tuple[Setting, ...]:
        """What can be moved, and where it stands."""
        size = self.overview.slide_width, self.overview.slide_height
        return settings_of(self.recipe, size, self.detector)

    @property
    def choice(self) -> dict[str, str]:
        """What is typed to get this plan, in Python and on the command line."""
        return typed(self.recipe)

    def with_settings(self, values: Mapping[str, float]) -> "Replanning":
        """Return the plan with other values of its settings.

        The tissue is looked for anew only where one of its own settings has changed.

        Raises
        ------
        ValueError
            A setting is unknown, or its value is out of range.
        """
        recipe = with_settings(self.recipe, values, self.detector)
        tissue = self.plan.tissue
        if _tissue_choices(recipe) != _tissue_choices(self.recipe):
            tissue = self._tissue(recipe)
        cores = find_cores(tissue) if recipe.cores else None
        plan = plan_tiles(self.slide, tissue, recipe.tile, cores=cores, labels=self.labels)
        return Replanning(slide=self.slide, recipe=recipe, plan=plan, labels=self.labels)

    def _tissue(self, recipe: Recipe) -> TissueMask:
        # One that reads the slide may have read another overview's worth of it; it is asked again.
        reads_itself = isinstance(recipe.detector, SlideDetector)
        return recipe.tissue(self.slide, overview=None if reads_itself else self.overview)


def _tissue_choices(recipe: Recipe) -> tuple[object, ...]:
    """Return what of a recipe says where tissue is, and can be moved."""
    lengths = recipe.min_piece_area_um2, recipe.min_hole_area_um2, recipe.tissue_margin_um
    return *lengths, recipe.detector
