"""A slide of more than 8 bits, seen in 8: each channel's window becomes 0–255.

Knows slides and how often values occur in them. Does not know what the pixels are for.
"""

import logging
import re
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import WINDOW, UnfitChoiceError
from slidetile.raster.channels import Window, histograms, largest_sample, percentile
from slidetile.raster.mapping import Mapping
from slidetile.raster.pixels import Pixels
from slidetile.slides._changed import ChangedSlide
from slidetile.slides.overview import expected_blocks, overview_level
from slidetile.slides.slide import Slide

_log = logging.getLogger(__name__)

_PERCENTILES = re.compile(r"percentile:([0-9.]{1,20}),([0-9.]{1,20})", re.ASCII)
_VALUES = re.compile(r"(\d{1,9}),(\d{1,9})", re.ASCII)
_LARGEST = (1 << 16) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowChoice:
    """Which values become 0–255.

    Raises
    ------
    ValueError
        A window is upside down or empty, or leaves 0–65535, or a percentile 0–100.
    """

    values: Window | None = None
    """The value that becomes 0 and the least that becomes 255, in every channel."""

    percentiles: tuple[float, float] | None = None
    """The percentiles of each channel that become 0 and 255; without either, all that the bits
    hold."""

    text: str
    """As it was asked for."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the choice that a text stands for: see `slidetile.choices.WINDOW`.

        Raises
        ------
        ValueError
            It is none, or its numbers are out of range.
        """
        given = "".join(text.split()) if isinstance(text, str) else ""
        if given == "full":
            return cls(text=given)
        if match := _PERCENTILES.fullmatch(given):
            low, high = (_percent(part, given) for part in match.groups())
            if not low < high:
                raise ValueError(f"A window goes from a lower to a higher value, not {given}.")
            return cls(percentiles=(low, high), text=given)
        if match := _VALUES.fullmatch(given):
            values = int(match[1]), int(match[2])
            if not values[0] < values[1]:
                raise ValueError(f"A window goes from a lower to a higher value, not {given}.")
            if values[1] > _LARGEST:
                raise ValueError(f"A window's values lie within 0–{_LARGEST}, not {given}.")
            return cls(values=values, text=given)
        raise ValueError(
            f"A window is percentile:LOW,HIGH (such as {WINDOW}), LOW,HIGH (such as 200,4000) or "
            f"full, not {text!r:.60}."
        )

    def windows(self, slide: Slide, *, mpp: float | None = None) -> tuple[Window, ...]:
        """Return the window of each channel of a slide.

        Parameters
        ----------
        slide
            The slide, of more than 8 bits.
        mpp
            Micrometres per pixel of the overview, at whose level values are counted; None as in
            `read_overview`.

        Raises
        ------
        UnfitChoiceError
            The window lies beyond the slide's bits, or a channel holds one value only.
        SlideReadError
            The slide could not be read.
        """
        most = largest_sample(slide.bits)
        if self.percentiles is None:
            window = (0, most) if self.values is None else self.values
            if window[1] > most:
                raise UnfitChoiceError(
                    f"The window {self.text} leaves the range of {slide.name}: its samples of "
                    f"{slide.bits} bits go from 0 to {most}."
                )
            return (window,) * slide.channels
        counts = count_values(slide, mpp=mpp)
        if slide.is_plain and slide.channels > 1:
            # Colours share one window, or white would become another colour.
            return (self._of_channel(counts.sum(axis=0), slide, 0),) * slide.channels
        return tuple(
            self._of_channel(counts[number], slide, number) for number in range(slide.channels)
        )

    def _of_channel(self, counts: NDArray[np.int64], slide: Slide, number: int) -> Window:
        assert self.percentiles is not None, "its caller looked"
        low, high = (percentile(counts, percent) for percent in self.percentiles)
        if low < high:
            return low, high
        values = np.flatnonzero(counts)
        name = slide.channel_info[number].name
        what = (
            f"is {values[0]} everywhere"
            if len(values) == 1
            else f"is {low} at both percentiles of {self.text}"
        )
        raise UnfitChoiceError(
            f"{slide.name}: channel {name} {what}, so there is no window: give one in values, such "
            "as --window 200,4000, or choose other channels by --channels."
        )


def _percent(text: str, given: str) -> float:
    try:
        percent = float(text)
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise ValueError(f"A percentile is a number from 0 to 100, but the window is {given}.")
    return percent


def count_values(slide: Slide, *, mpp: float | None = None) -> NDArray[np.int64]:
    """Return how often each value occurs in each channel, int64 [channel, value].

    They are counted on the level of which the overview is made, block by block.

    Raises
    ------
    SlideReadError
        The slide could not be read.
    """
    number, factor = overview_level(slide, mpp)
    counts = np.zeros((slide.channels, 1 << 8 * slide.dtype.itemsize), np.int64)
    for block in expected_blocks(slide, number, factor):
        counts += histograms(slide.fetch_shown(block, level=number).pixels())
    return counts


class MappedSlide(ChangedSlide):
    """A slide in 8 bits; see `map_slide`.

    Parameters
    ----------
    inner
        The slide. Closing the result closes it.
    mapping
        How its samples become 8 bits.
    window
        The window that was asked for.
    """

    def __init__(self, inner: Slide, mapping: Mapping, window: str) -> None:
        super().__init__(inner)
        self.bits = 8
        self.mapping, self.window = mapping, window
        if inner.described is not None:
            self.described = tuple(replace(each, window=(0, 255)) for each in inner.described)

    def change(self, pixels: Pixels, out: Pixels | None = None) -> Pixels:
        """Return pixels in 8 bits, in ``out`` if that is given."""
        assert self.mapping is not None, "it has one from its birth"
        return self.mapping.apply(pixels, out)

    def changing(self, inner: Slide) -> "MappedSlide":
        """Return another slide, mapped in the same way."""
        assert self.mapping is not None, "it has one from its birth"
        assert self.window is not None, "it comes with the mapping"
        return MappedSlide(inner, self.mapping, self.window)

    def native_obstacle(self, level: int) -> str:
        """Return that samples are mapped; see `slidetile.slides.slide.Slide.native_obstacle`."""
        self.levels[level]
        return "its samples are mapped onto 8 bits"


def map_slide(slide: Slide, *, window: str = WINDOW, mpp: float | None = None) -> Slide:
    """Return a slide in 8 bits: each channel's window becomes 0–255, what lies outside its ends.

    Samples go through a table, in integers, as they are decoded; no other image is ever made.
    `Slide.mapping` undoes it, to within one step. A slide of 8 bits is returned as it is.

    Parameters
    ----------
    slide
        The slide. Closing the result closes it.
    window
        "percentile:LOW,HIGH" takes these percentiles of each channel, counted on the level of which
        the overview is made; "LOW,HIGH" these values; "full" all that the slide's bits hold.
    mpp
        Micrometres per pixel of the overview, as in `read_overview`.

    Raises
    ------
    ValueError
        The window is upside down, out of range, or there is none since a channel holds one value.
    SlideReadError
        The slide could not be read.
    """
    chosen = WindowChoice.parse(window)
    if slide.bits == 8:
        _log.info("%s has 8 bits already: no window is mapped.", slide.name)
        return slide
    mapping = Mapping(bits=slide.bits, windows=chosen.windows(slide, mpp=mpp))
    return MappedSlide(slide, mapping, chosen.text)
