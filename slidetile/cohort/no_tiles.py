"""Why a slide has no tiles, in a sentence that says what to try.

Knows the filters between a slide and its tiles. Does not know which of them dropped what.
"""

from slidetile.store.store import TileStore


def why_no_tiles(*, has_tissue: bool, is_annotated: bool) -> str:
    """Return the sentence for a slide of which no tile is stored.

    Parameters
    ----------
    has_tissue
        Whether the tissue mask has any tissue.
    is_annotated
        Whether annotations have replaced or cut the tissue.
    """
    if has_tissue:
        return (
            "there is tissue, but no tile holds enough of it, so there are 0 tiles: try a smaller "
            "--min-tissue-fraction (min_tissue_fraction) or --tile-size (size of a TileSpec)"
        )
    if is_annotated:
        return (
            "no tissue is left by the annotations, so there are 0 tiles: see --annotations-class, "
            "--annotations-mode and --annotations-origin (AnnotationsSpec), or a finer "
            "--tissue-mpp (tissue_mpp)"
        )
    return (
        "no tissue was found, so there are 0 tiles: try another --detector (detector), a smaller "
        "--min-piece-area-um2 (min_piece_area_um2), or draw it (--annotations, annotations)"
    )


def store_note(store: TileStore) -> str | None:
    """Return why a store has no tiles; None where it has any.

    Raises
    ------
    StoreError
        The store's tissue mask is damaged.
    """
    if len(store):
        return None
    is_annotated = bool(store.metadata.parameters.tissue.annotations)
    return why_no_tiles(has_tissue=bool(store.tissue.any()), is_annotated=is_annotated)
