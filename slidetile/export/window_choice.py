"""Which windows of a store are exported: the choices that all kinds made of windows share.

Knows the choices of `TileStore.windows`. Does not know stores.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from slidetile.choices import MIN_TISSUE_FRACTION, Edge

OnUnreadable = Literal["drop", "raise"]
"""What becomes of windows that need a tile that could not be read from the slide."""

ImageName = Literal["jpeg", "png", "npy"]
"""How windows are encoded, where they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowChoice:
    """The windows that `TileStore.windows` yields for the same choices, in its order.

    Raises
    ------
    ValueError
        A choice is unknown or out of its range.
    """

    size: int = 256
    """Width and height of a window, in its own pixels."""

    stride: int | None = None
    """Distance from one window to the next, in the same pixels; None is the size."""

    mpp: float | None = None
    """Micrometres per pixel of a window; None is level 0 of the store."""

    min_tissue_fraction: float = MIN_TISSUE_FRACTION
    """Windows with less tissue than this share of their area are left out; 0 keeps them all."""

    edge: Edge = "drop"
    """The treatment of windows that reach over the slide's right or bottom edge; see `Edge`."""

    unreadable: OnUnreadable = "drop"
    """What becomes of windows on tiles that could not be read: "drop" leaves them out and counts
    them, "raise" writes nothing if there is one."""

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Check all choices; raises ValueError."""
        from slidetile.store.windows import check_windows

        check_windows(**self.window_choices)
        if self.unreadable not in get_args(OnUnreadable):
            raise ValueError(
                f"unreadable must be one of {get_args(OnUnreadable)}, not {self.unreadable!r}."
            )

    @property
    def window_choices(self) -> dict[str, Any]:
        """What `TileStore.windows` takes."""
        names = ("size", "stride", "mpp", "min_tissue_fraction", "edge")
        return {name: getattr(self, name) for name in names}
