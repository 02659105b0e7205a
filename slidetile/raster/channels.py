"""What the channels of an image show, and how they are shown together.

Knows pixels and colours. Does not know slides or stores.

Images of one grey channel, and of red, green and blue, are *plain*: their pixels are what is seen.
Other channels, as of fluorescence, each have a name, a colour and a window of values, by which
viewers add them up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.raster.pixels import Colour, Pixels

MOST_CHANNELS = 64
"""Most channels of an image: multiplexed stains have 40 to 60."""

LONGEST_NAME = 100
"""Most characters of a channel's name."""

Window = tuple[int, int]
"""The value that is shown black, and the least that is shown in a channel's full colour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """What a channel shows.

    Raises
    ------
    ValueError
        The name is empty or too long, or the window is upside down.
    """

    name: str
    """Its name, such as "DAPI"."""

    colour: Colour
    """The colour in which viewers draw it, as (red, green, blue)."""

    window: Window | None = None
    """The values that viewers draw from black to the full colour; None where none is stated."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= LONGEST_NAME:
            raise ValueError(
                f"A channel's name has 1 to {LONGEST_NAME} characters, but this one "
                f"{len(self.name)}."
            )
        if self.window is not None and not 0 <= self.window[0] < self.window[1]:
            raise ValueError(
                f"A channel's window goes from a lower to a higher value, not {self.window}."
            )


RGB = (
    Channel(name="red", colour=(255, 0, 0)),
    Channel(name="green", colour=(0, 255, 0)),
    Channel(name="blue", colour=(0, 0, 255)),
)
GREY = (Channel(name="intensity", colour=(255, 255, 255)),)

_COLOURS: tuple[Colour, ...] = (
    *((0, 0, 255), (0, 255, 0), (255, 0, 0)),
    *((0, 255, 255), (255, 0, 255), (255, 255, 0), (255, 255, 255)),
)
"""Those of channels of which the file does not say any, as viewers choose them."""


def plain_channels(count: int) -> tuple[Channel, ...]:
    """Return the channels of an image that says nothing of them.

    One is grey, three are red, green and blue; others are numbered.
    """
    if count in (1, 3):
        return GREY if count == 1 else RGB
    return numbered_channels(count)


def numbered_channels(count: int) -> tuple[Channel, ...]:
    """Return channels without names, numbered from 0; the only one is grey."""
    return tuple(numbered_channel(number, count) for number in range(count))


def named_channels(
    names: Sequence[str | None],
    colours: Sequence[Colour | None],
    windows: Sequence[Window | None] | None = None,
) -> tuple[Channel, ...]:
    """Return channels as a file describes them, which may name some or none.

    Names are cut, and made different; a channel without one is numbered, from 0. Where all are of
    one colour, as files have it that state none, they get others.
    """
    if len(set(colours)) == 1 and len(colours) > 1:
        colours = [None] * len(names)
    found: list[Channel] = []
    for number, (name, colour) in enumerate(zip(names, colours, strict=True)):
        usual = numbered_channel(number, len(names))
        own = _clean(name) or usual.name
        if own in [channel.name for channel in found]:
            own = f"{own[: LONGEST_NAME - 10]} ({number})"
        window = None if windows is None else windows[number]
        found.append(Channel(name=own, colour=colour or usual.colour, window=window))
    return tuple(found)


def _clean(name: str | None) -> str:
    shown = "".join(sign if sign.isprintable() else " " for sign in name or "")
    return " ".join(shown.split())[:LONGEST_NAME].rstrip()


def numbered_channel(number: int, count: int) -> Channel:
    """Return a channel without a name, counted from 0, of so many; the only one is grey."""
    if count == 1:
        return GREY[0]
    return Channel(name=str(number), colour=_COLOURS[number % len(_COLOURS)])


def are_plain(channels: Sequence[Channel]) -> bool:
    """Return whether channels are grey, or red, green and blue, so that pixels are what is seen."""
    names = tuple(channel.name for channel in channels)
    return names in (_names(GREY), _names(RGB))


def are_colours(channels: Sequence[Channel]) -> bool:
    """Return whether channels are grey or colours, or some of them, and not of fluorescence."""
    return set(_names(channels)) <= {*_names(GREY), *_names(RGB)}


def _names(channels: Sequence[Channel]) -> tuple[str, ...]:
    return tuple(channel.name for channel in channels)


def dtype_of(bits: int) -> np.dtype[Any]:
    """Return the type of samples of so many bits: uint8, or uint16."""
    return np.dtype(np.uint8 if bits <= 8 else np.uint16)


def largest_sample(bits: int) -> int:
    """Return the largest number of so many bits."""
    return (1 << bits) - 1


def histograms(image: Pixels) -> NDArray[np.int64]:
    """Return how often each value occurs in each channel, int64 [channel, value]."""
    values = 1 << 8 * image.dtype.itemsize
    counts = np.empty((image.shape[2], values), np.int64)
    for channel, found in enumerate(counts):
        found[:] = np.bincount(image[..., channel].ravel(), minlength=values)
    return counts


def percentile(histogram: NDArray[np.int64], percent: float) -> int:
    """Return the least value that at least so many percent of all values do not exceed."""
    upto = histogram.cumsum()
    wanted = max(1, int(np.ceil(upto[-1] * (percent / 100))))
    return int(np.searchsorted(upto, min(wanted, int(upto[-1]))))


def usual_windows(image: Pixels, channels: Sequence[Channel], bits: int) -> list[Window]:
    """Return a window for each channel: the one that it states, else the image's middle 99.8 %.

    Colours share one from 0 on, so that they stay what they are: to the most that the bits hold, or
    that there is where these are more than 8.
    """
    if are_plain(channels) and bits == 8:
        return [(0, 255)] * len(channels)
    counts = histograms(image)
    if are_plain(channels) and len(channels) > 1:
        most = max(int(np.flatnonzero(each)[-1]) for each in counts)
        return [(0, max(1, most))] * len(channels)
    return [_window(each, channel.window) for each, channel in zip(counts, channels, strict=True)]


def _window(counts: NDArray[np.int64], stated: Window | None) -> Window:
    if stated is not None:
        return stated
    low = min(percentile(counts, 0.1), len(counts) - 2)
    return low, max(low + 1, percentile(counts, 99.9))


def scale_table(window: Window, dtype: np.dtype[Any]) -> NDArray[np.uint8]:
    """Return what each value becomes that a window maps onto 0–255, in integers, halves up."""
    low, high = window
    values = np.arange(1 << 8 * dtype.itemsize, dtype=np.int64)
    steps = (np.clip(values, low, high) - low) * 510 + (high - low)
    return (steps // (2 * (high - low))).astype(np.uint8)


def shown(
    image: Pixels,
    channels: Sequence[Channel],
    bits: int,
    windows: Sequence[Window] | None = None,
) -> NDArray[np.uint8]:
    """Return an image as people see it: uint8 [row, column, 1 or 3].

    Plain images of 8 bits are left as they are. Of others each channel's window is mapped onto
    0–255, and its colour added to those of the others.

    Parameters
    ----------
    image
        uint8 or uint16 [row, column, channel].
    channels
        What its channels show.
    bits
        Bits of its samples.
    windows
        Which values are shown, for each channel; None is what suits this image. Parts of a slide
        look alike with the windows of its overview.
    """
    is_plain = are_plain(channels)
    if is_plain and image.dtype == np.uint8:
        return np.asarray(image, np.uint8)
    if windows is None:
        windows = usual_windows(image, channels, bits)
    tables = [scale_table(window, image.dtype) for window in windows]
    scaled = [table[image[..., number]] for number, table in enumerate(tables)]
    if is_plain:
        return np.stack(scaled, axis=2)
    total = np.zeros((*image.shape[:2], 3), np.uint16)  # 64 channels add up to 16,320
    for plane, channel in zip(scaled, channels, strict=True):
        for place, part in enumerate(channel.colour):
            if part:
                total[..., place] += (plane * np.uint16(part) + np.uint16(127)) // np.uint16(255)
    return np.minimum(total, 255).astype(np.uint8)


def channel_facts(channels: Sequence[Channel], bits: int) -> dict[str, str]:
    """Return what a notebook's card tells of channels; nothing of grey and colour of 8 bits."""
    if are_plain(channels) and bits == 8:
        return {}
    return {"channels": ", ".join(channel.name for channel in channels), "bits": str(bits)}
