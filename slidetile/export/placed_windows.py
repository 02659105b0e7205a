"""Where the windows of a store lie on the slide itself, as programs that read the slide ask for.

Knows stores and slides' levels. Does not know files.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import UnfitChoiceError
from slidetile.counts import how_many
from slidetile.errors import StoreError
from slidetile.export.window_choice import WindowChoice
from slidetile.raster.region import Region
from slidetile.store.store import TileStore
from slidetile.store.window_source import WindowSpec
from slidetile.store.windows import Windows

_SLACK_PX = 1e-3
"""Part of a pixel by which a product of floats may fall short of a whole pixel."""

_NEAR = 1.02
"""A level that is coarser by less than this is taken for one of the windows' own resolution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlideLevel:
    """The level of a slide that windows are best read from."""

    number: int
    """Its number, finest first."""

    downsample: float
    """Level-0 pixels of the slide per pixel of it."""

    window_px: int
    """Width and height of a window, in its pixels."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlacedWindows:
    """The windows of a store, on the canvas of its slide that other programs show."""

    windows: Windows
    """The windows themselves."""

    coordinates: NDArray[np.int64]
    """int64 [window, 2]: left (x) and top (y) edge in level-0 pixels of the slide, rounded down."""

    downsample: float
    """Level-0 pixels of the slide per pixel of a window."""

    slide_name: str | None
    """The slide's file name without folders; None where the store does not tell it."""

    slide_size: tuple[int, int]
    """(width, height) of the canvas."""

    slide_mpp: tuple[float, float] | None
    """Micrometres per level-0 pixel of the slide, as (x, y), or None where unknown."""

    objective_power: float | None
    """Objective power as the scanner states it."""

    level_downsamples: tuple[float, ...]
    """Level-0 pixels of the slide per pixel of each of its levels."""

    @property
    def size(self) -> int:
        """Width and height of a window, in its own pixels."""
        return self.windows.size

    @property
    def stride(self) -> int:
        """Distance from one window to the next, in the same pixels."""
        stride = self.windows.spec.stride
        return self.size if stride is None else stride

    @property
    def extent_px(self) -> int:
        """Width and height of a window, in level-0 pixels of the slide."""
        return round(self.size * self.downsample)

    @property
    def mpp(self) -> float | None:
        """Micrometres per pixel of a window, or None where unknown."""
        if self.windows.spec.mpp is not None:
            return self.windows.spec.mpp
        return None if self.slide_mpp is None else self.slide_mpp[0] * self.downsample

    @property
    def level(self) -> SlideLevel:
        """The coarsest level of the slide that is not coarser than the windows."""
        most = self.downsample * _NEAR
        fits = [n for n, step in enumerate(self.level_downsamples) if step <= most]
        number = max(fits, key=self.level_downsamples.__getitem__, default=0)
        step = self.level_downsamples[number]
        is_near = self.downsample <= step * _NEAR
        return SlideLevel(
            number=number,
            downsample=step,
            window_px=self.size if is_near else round(self.size * self.downsample / step),
        )


def place_windows(
    store: TileStore, choice: WindowChoice, *, color: Any = None, of_squares: bool = True
) -> PlacedWindows:
    """Return the windows of a store that are exported, with their places on the slide.

    Parameters
    ----------
    store
        The store.
    choice
        Which windows.
    color
        As `TileStore.windows` takes it.
    of_squares
        Refuse windows that are no squares of the slide.

    Raises
    ------
    UnfitChoiceError
        The store has no such windows, or they are no squares of the slide.
    MissingResolutionError
        An mpp is asked for, but the store does not know its own.
    StoreError
        The store is damaged; or windows need a tile that could not be read, and that is asked for.
    """
    try:
        windows = store.windows_of(WindowSpec(**choice.window_choices), color=color)
    except ValueError as error:
        raise UnfitChoiceError(str(error)) from error
    _check_readable(store, windows, choice)
    if not len(windows) and len(store):
        raise UnfitChoiceError(store.why_none(windows))
    steps = [a * b for a, b in zip(windows.downsample, store.slide_scale, strict=True)]
    source, canvas = store.metadata.source, _canvas(store)
    if of_squares:
        _check_square(windows, steps)
    places = np.floor(windows.corners * np.array(steps) + _SLACK_PX).astype(np.int64)
    return PlacedWindows(
        windows=windows,
        coordinates=places - (canvas.x, canvas.y),
        downsample=steps[0],
        slide_name=source.name,
        slide_size=(canvas.width, canvas.height),
        slide_mpp=_slide_mpp(store),
        objective_power=source.objective_power,
        level_downsamples=source.level_downsamples,
    )


def _canvas(store: TileStore) -> Region:
    """Return the canvas on which other programs count, in level-0 pixels of the slide.

    Raises
    ------
    UnfitChoiceError
        The store does not tell, and it may be another than the slide.
    """
    source = store.metadata.source
    if source.canvas is not None:
        return source.canvas
    if source.reader == "tiff" and source.vendor == "leica":  # which always has one
        raise UnfitChoiceError(
            f"{store.path} does not tell where on the glass its slide lay, from where other "
            "programs count: it was written before stores did. Tile the slide again."
        )
    return Region(x=0, y=0, width=source.width, height=source.height)


def _slide_mpp(store: TileStore) -> tuple[float, float] | None:
    """Return the slide's own mpp; where a store was told one, that."""
    if store.mpp is None:
        return store.metadata.source.mpp
    (x, y), (across, down) = store.mpp, store.slide_scale
    return x / across, y / down


def _check_readable(store: TileStore, windows: Windows, choice: WindowChoice) -> None:
    if choice.unreadable == "raise" and windows.unreadable:
        raise StoreError(
            f"{how_many(windows.unreadable, 'windows')} would need tiles that could not be read "
            f"from the slide, of which {store.path} has {store.unreadable} (column status of its "
            "table): leave such windows out (--unreadable drop), or tile the slide again with "
            "--retry-unreadable."
        )


def _check_square(windows: Windows, steps: list[float]) -> None:
    across, down = (windows.size * step for step in steps)
    if max(across, down) > min(across, down) * _NEAR:
        raise UnfitChoiceError(
            f"A window of {windows.size} px covers {across:.0f}×{down:.0f} px of the slide, whose "
            "pixels are not square, but this kind of file has room for squares alone: ask for "
            "windows of level 0, without an mpp."
        )
