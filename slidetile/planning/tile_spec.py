"""How large tiles are and which ones are wanted, in one value.

Knows options. Does not know slides or tissue.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slidetile.choices import EDGE, MIN_TISSUE_FRACTION, SEED, TILE_SIZE_PX, Balance, Edge
from slidetile.counts import whole
from slidetile.raster.grid import check_edge, check_fraction

SMALLEST_TILE_PX = 16
LARGEST_TILE_PX = 8192


MinClassFractions = tuple[tuple[str, float], ...]
"""Classes, sorted, each with the least share of a tile."""


_PARAMETERS = (
    *("min_tissue_fraction", "edge", "max_tiles", "sample", "seed", "balance"),
    "min_class_fractions",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TileSpec:
    """How large tiles are, and which tiles are stored.

    Raises
    ------
    ValueError
        The size is not a multiple of 16 from 16 to 8192, a fraction is not within 0–1, the edge
        or the balance is unknown, a number of tiles is less than 1, the seed is out of range, or
        two options contradict each other.
    TypeError
        The size, a number of tiles or the seed is no whole number.
    """

    size: int = TILE_SIZE_PX
    """Width and height of a tile, in level-0 pixels."""

    min_tissue_fraction: float = MIN_TISSUE_FRACTION
    """Tiles with less tissue than this share of their area are left out; 0 keeps all tiles."""

    edge: Edge = EDGE
    """What happens to tiles that reach beyond the slide's right or bottom edge; see `Edge`."""

    max_tiles: int | None = None
    """At most this many tiles: those with the most tissue; equally full ones are spread over the
    slide."""

    sample: int | None = None
    """This many tiles, drawn at random from all that hold enough tissue."""

    seed: int = SEED
    """Which random sample; the same seed draws the same tiles everywhere."""

    balance: Balance | None = None
    """"class" draws as many tiles of each class for the sample; None draws from all alike."""

    min_class_fractions: Mapping[str, float] | MinClassFractions | None = None
    """Of labels: only tiles where one of these classes has at least this share, and those with most
    of an area of which no tile holds so much; None asks for none. Kept as sorted pairs."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", whole(self.size, "size", TILE_SIZE_PX))
        in_range = SMALLEST_TILE_PX <= self.size <= LARGEST_TILE_PX
        if not in_range or self.size % SMALLEST_TILE_PX:
            raise ValueError(
                f"A tile size must be a multiple of {SMALLEST_TILE_PX} from {SMALLEST_TILE_PX} to "
                f"{LARGEST_TILE_PX} pixels, but this one is {self.size}."
            )
        check_fraction(self.min_tissue_fraction)
        check_edge(self.edge)
        self._check_classes()
        self._check_subset()

    @property
    def parameters(self) -> dict[str, Any]:
        """Everything but the size, as a store records it."""
        return {name: getattr(self, name) for name in _PARAMETERS}

    @property
    def needs_labels(self) -> bool:
        """Whether tiles are chosen by their classes."""
        return self.min_class_fractions is not None or self.balance is not None

    @property
    def most(self) -> float:
        """The largest number of tiles that is ever chosen; infinite without a limit."""
        counts = [count for count in (self.max_tiles, self.sample) if count is not None]
        return min(counts, default=math.inf)

    def _check_classes(self) -> None:
        least = dict(self.min_class_fractions or ())
        for name, fraction in least.items():
            if not 0 < fraction <= 1:
                raise ValueError(
                    f"The least fraction of the class {name!r} must be above 0 and at most 1, but "
                    f"it is {fraction}. Is it given in percent?"
                )
        pairs = tuple((name, float(least[name])) for name in sorted(least))
        object.__setattr__(self, "min_class_fractions", pairs or None)

    def _check_subset(self) -> None:
        for name in ("max_tiles", "sample"):
            if (count := getattr(self, name)) is None:
                continue
            if (number := whole(count, name, 1000)) < 1:
                raise ValueError(f"{name} must be at least 1, but it is {count}.")
            object.__setattr__(self, name, number)  # it may be one of numpy's integers
        if self.max_tiles is not None and self.sample is not None:
            raise ValueError(
                "max_tiles keeps the tiles with the most tissue, sample draws at random: give "
                "only one."
            )
        if self.balance not in (None, "class"):
            raise ValueError(f"balance must be class or None, but it is {self.balance!r}.")
        if self.balance is not None and self.sample is None:
            raise ValueError(
                f"--balance needs --sample N (balance={self.balance!r} needs sample): how many "
                "tiles to draw in all."
            )
        seed = whole(self.seed, "seed", 1)
        if not 0 <= seed < 1 << 63:
            raise ValueError(f"seed must be from 0 to 2⁶³ - 1, but it is {self.seed}.")
        object.__setattr__(self, "seed", seed)
        if self.seed and self.sample is None:
            raise ValueError(
                f"The seed {self.seed} is for a random sample, but sample is not given: give it, "
                "or leave out the seed."
            )
