"""What is left out by the classes of tiles, and what was drawn of classes and got no tile.

Knows counts and options. Does not know where anything lies.
"""

from slidetile.planning._classes import LostLabels
from slidetile.planning.tile_spec import TileSpec
from slidetile.tissue.left_out import LeftOut

TOO_LITTLE, BEYOND = "too little tissue", "behind the last tile"

TOO_LITTLE_OF_CLASS = "too little of a class"

OTHER_EDGE = "{option} keep or shift keeps them whole"


def without_class(before: int, left: int, spec: TileSpec) -> LeftOut:
    """Return the tiles with too little of a class, of so many with enough tissue."""
    least = dict(spec.min_class_fractions or ())
    asked = ", ".join(f"{name} {share:g}" for name, share in least.items())
    return LeftOut(
        what="tiles with enough tissue",
        reason=TOO_LITTLE_OF_CLASS,
        count=before - left,
        of=before,
        why=f"hold less of a class than {asked} of their area",
        option="min_class_fraction",
    )


def without_label(before: int, left: int) -> LeftOut:
    """Return the tiles of no class that a balanced sample has none of."""
    return LeftOut(
        what="tiles with enough tissue",
        reason="of no class",
        count=before - left,
        of=before,
        why="hold nothing of any class, so a balanced sample has none of them",
        option="balance",
        limit="class",
        keeps="a sample without {option} is drawn from all",
    )


def lost_labels(lost: LostLabels, spec: TileSpec) -> list[LeftOut]:
    """Return what was drawn and got no tile: a warning where its class was asked for."""
    is_asked = spec.min_class_fractions is not None
    return [
        LeftOut(
            what="labelled areas",
            reason=TOO_LITTLE,
            count=lost.on_glass,
            of=lost.areas,
            why=f"got no tile, as theirs hold less tissue than {spec.min_tissue_fraction:g} of a "
            "tile",
            option="min_tissue_fraction",
            limit=spec.min_tissue_fraction,
            is_notable=is_asked,
        ),
        LeftOut(
            what="labelled areas",
            reason="without a pixel",
            count=lost.without_pixel,
            of=lost.areas,
            why="hold the centre of no pixel of the slide",
            option="mpp",
            keeps="a smaller {option} may keep them",
            is_notable=is_asked,
        ),
        LeftOut(
            what="labelled areas and points",
            reason=BEYOND,
            count=lost.beyond,
            of=lost.marks,
            why="got no tile, as they lie behind the last whole one",
            option="edge",
            limit="drop",
            keeps=OTHER_EDGE,
            is_notable=is_asked,
        ),
    ]
