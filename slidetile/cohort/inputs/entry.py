"""A slide of a cohort, as it is listed: its file, and what its manifest says of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from slidetile.cloud.address import Location
from slidetile.recipe.recipe import Recipe
from slidetile.slides.mpp import check_mpp

if TYPE_CHECKING:
    from slidetile.annotations.labels_spec import LabelsSpec
    from slidetile.annotations.spec import AnnotationsSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One slide of a cohort.

    Raises
    ------
    ValueError
        ``mpp`` is implausible.
    """

    slide: Location
    """The slide's file or folder, as given; a manifest's is relative to the manifest's folder."""

    key: str = ""
    """What the slide is called in the output folder; empty until `with_keys` has given it one."""

    id: str | None = None
    """The key that the manifest asks for; None where it asks for none."""

    mpp: float | None = None
    """Micrometres per level-0 pixel of the slide, where the manifest gives it."""

    annotations: "AnnotationsSpec | None" = None
    """The slide's annotations, where the manifest gives them."""

    labels: "LabelsSpec | None" = None
    """The slide's labels, where the manifest gives them."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """The manifest's other columns."""

    def __post_init__(self) -> None:
        if self.mpp is not None:
            check_mpp(self.mpp)

    def recipe(self, recipe: Recipe) -> Recipe:
        """Return a recipe as it is for this slide: what the manifest says goes before."""
        if self.mpp is not None:
            recipe = replace(recipe, slide_mpp=self.mpp)
        labels, annotations = self.labels, self.annotations
        if labels is not None and recipe.labels is not None:
            labels = replace(recipe.labels, path=labels.path)
        if annotations is not None and recipe.annotations is not None:
            annotations = replace(recipe.annotations, path=annotations.path)
        return replace(
            recipe,
            labels=labels or recipe.labels,
            annotations=annotations or recipe.annotations,
        )
