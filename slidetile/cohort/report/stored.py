"""What a store says about its slide and its tiles, in numbers that can be compared.

Knows a store's record. Does not know other slides.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from slidetile.cohort.report.classes import ClassOnSlide, classes_of
from slidetile.counts import how_large
from slidetile.format.metadata.selection import LeftOutFacts
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.table import OK
from slidetile.store.recorded import StoreRecord
from slidetile.tissue.left_out import PEN

MOSTLY_TISSUE = 0.5
"""Sharpness is that of tiles with this share of tissue or more: glass has none."""

FEWEST_TILES = 4
"""Of fewer such tiles, sharpness is that of all tiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFacts:
    """What a store says."""

    name: str | None
    """File name of the slide; None in an anonymous store."""

    size_px: tuple[int, int]
    """(width, height) of level 0."""

    tile_size_px: int
    """Side of a tile, in level-0 pixels."""

    codec: str
    """How pixels are stored."""

    not_native: str | None
    """Why the codec "auto" was not native."""

    tiles: int
    """Tiles in the store."""

    unreadable: int
    """Tiles that could not be read from the slide."""

    unreadable_reasons: tuple[tuple[str, int], ...]
    """What is wrong with them, and how many tiles that is true of."""

    tile_bytes: int
    """Bytes of the tiles' chunks at level 0, each counted once."""

    mpp: tuple[float, float] | None
    """Micrometres per level-0 pixel of the store, as (x, y)."""

    slide_mpp: tuple[float, float] | None
    """The same of the slide, whatever resolution the store was made at."""

    tissue_pieces: int | None
    """Connected pieces of tissue."""

    tissue_share: float | None
    """Tissue's share of the scanned area, 0–1."""

    tissue_mm2: float | None
    """Area of the tissue; None where the mpp is unknown."""

    slide_mm2: float | None
    """The scanned area; None where the mpp is unknown."""

    left_out: tuple[str, ...]
    """What each filter dropped, in words."""

    pen_share: float
    """Share of the scanned area that was left out as pen, 0–1."""

    tiles_with_pen: int
    """Tiles of which pen covers some."""

    sharpness: float | None
    """Median variance of the Laplacian of tiles that are mostly tissue; None where unknown."""

    sharpness_mpp: float | None
    """Micrometres per pixel at which it was measured."""

    is_brightfield: bool
    """Whether channels are grey or colours, on a bright background."""

    classes: tuple[ClassOnSlide, ...] | None = None
    """The classes of its labels, sorted by name; None where it has none."""

    @classmethod
    def of(cls, record: StoreRecord) -> Self:
        """Return what a store says.

        Raises
        ------
        StoreError
            Its metadata or its table are damaged.
        """
        metadata, table = record.metadata, record.tiles
        scanned = _scanned_px(metadata, record.size)
        statuses: list[str] = table["status"].to_pylist()
        damage, selection = metadata.damage, metadata.selection
        tissue = None if selection is None else selection.tissue
        mm2 = _mm2_per_px(metadata)
        tissue_px = None if tissue is None else tissue.area_px
        return cls(
            name=metadata.source.name,
            size_px=record.size,
            tile_size_px=metadata.tile_size,
            codec=metadata.codec,
            not_native=metadata.not_native,
            tiles=len(statuses),
            unreadable=len(statuses) - statuses.count(OK),
            unreadable_reasons=() if damage is None else tuple(damage.reasons.items()),
            tile_bytes=record.tile_bytes,
            mpp=metadata.mpp,
            slide_mpp=metadata.source.mpp,
            tissue_pieces=None if tissue is None else tissue.pieces,
            tissue_share=None if tissue_px is None else min(1.0, tissue_px / scanned),
            tissue_mm2=None if tissue_px is None or mm2 is None else tissue_px * mm2,
            slide_mm2=None if mm2 is None else scanned * mm2,
            left_out=() if selection is None else tuple(map(_in_words, selection.left_out)),
            pen_share=_pen_px(metadata) / scanned,
            tiles_with_pen=int(np.count_nonzero(table["pen_fraction"].to_numpy() > 0)),
            sharpness=_sharpness(
                table["laplacian_variance"].to_numpy(), table["tissue_fraction"].to_numpy()
            ),
            sharpness_mpp=None if metadata.quality.mpp is None else metadata.quality.mpp[0],
            is_brightfield=metadata.is_plain and sum(metadata.background) >= 3 * 128,
            classes=classes_of(record),
        )


def _scanned_px(metadata: StoreMetadata, size: tuple[int, int]) -> float:
    """Return the area that was scanned, in pixels of the store's level 0."""
    area = metadata.source.scan_area
    if area is None:
        return float(size[0] * size[1])
    across, down = metadata.level_0.scale
    return area.width / across * area.height / down


def _mm2_per_px(metadata: StoreMetadata) -> float | None:
    return None if metadata.mpp is None else metadata.mpp[0] * metadata.mpp[1] / 1e6


def _pen_px(metadata: StoreMetadata) -> int:
    if metadata.selection is None:
        return 0
    left_out = metadata.selection.left_out
    return sum(each.area_px or 0 for each in left_out if each.reason == PEN)


def _sharpness(variances: NDArray[np.float32], tissue: NDArray[np.float32]) -> float | None:
    is_measured = ~np.isnan(variances)
    is_chosen = is_measured & (tissue >= MOSTLY_TISSUE)
    if np.count_nonzero(is_chosen) < FEWEST_TILES:
        is_chosen = is_measured
    return float(np.median(variances[is_chosen])) if is_chosen.any() else None


def _in_words(facts: LeftOutFacts) -> str:
    """Return what a filter dropped, such as "pieces of tissue: too small: 3 of 17 (800 µm²)"."""
    of = "" if facts.of is None else f" of {facts.of:,}"
    large = how_large(facts.area_um2, facts.area_px)
    area = "" if large is None else f" ({large})"
    return f"{facts.what}: {facts.reason}: {facts.count:,}{of}{area}"
