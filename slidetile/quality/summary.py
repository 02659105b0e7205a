"""What all tiles of a store look like together.

Knows the quality columns of a store's table. Does not know how they were measured.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from slidetile.format.table import QUALITY_COLUMNS, mean_columns, quality_names
from slidetile.store.store import TileStore


@dataclass(frozen=True, slots=True, kw_only=True)
class QualitySummary:
    """The quality of a store's tiles in a few numbers."""

    medians: dict[str, float | None]
    """The median of each quality column over all tiles, as of colours; None where no tile could be
    measured, and of the means of channels that are not colours."""

    channel_means: list[float] | None
    """The median of each channel's mean, where channels are not grey or colours."""

    tiles_with_pen: int
    """Tiles with any pen on them."""

    @classmethod
    def of(cls, store: TileStore) -> Self:
        """Sum up a store's table."""
        pen = store.tiles["pen_fraction"].to_numpy()
        found = {name: _median(store, name) for name in quality_names(store.tiles)}
        means = [found.get(name) for name in mean_columns(store.channels)]
        known = [mean for mean in means if mean is not None]
        is_plain = store.metadata.is_plain
        return cls(
            medians={name: found.get(name) for name in QUALITY_COLUMNS},
            channel_means=known if known and not is_plain else None,
            tiles_with_pen=int(np.count_nonzero(pen > 0)),
        )


def _median(store: TileStore, column: str) -> float | None:
    # Not by `drop_null` and `median`: they load all of Arrow's functions and numpy's masked arrays,
    # which takes as long as the table itself.
    values = store.tiles[column].to_numpy()
    values = np.sort(values[~np.isnan(values)])
    middle = values[(len(values) - 1) // 2 : len(values) // 2 + 1]
    return float(middle.mean()) if len(middle) else None
