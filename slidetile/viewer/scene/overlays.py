"""What lies over the picture of tissue and of plans. Knows both. Does not know pictures."""

import numpy as np

from slidetile.planning.plan import TilePlan
from slidetile.tissue.mask import TissueMask
from slidetile.viewer.replan.replanning import Replanning
from slidetile.viewer.scene.columns import Column, as_browser_type
from slidetile.viewer.scene.scene import Overlay, Tiles, tissue_outlines


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
