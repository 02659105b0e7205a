"""OME-Zarr 0.5 images: the description of a pyramid of arrays for viewers."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from slidetile.format.metadata.group import group
from slidetile.format.metadata.node import JsonNode, is_text, to_json
from slidetile.format.metadata.rules import HexColour, Items, Number, Text, Whole
from slidetile.format.metadata.source import MOST_LEVELS
from slidetile.raster.channels import (
    LONGEST_NAME,
    MOST_CHANNELS,
    Channel,
    are_plain,
    largest_sample,
    plain_channels,
)

Pair = tuple[float, float]

LARGEST_DOWNSAMPLE = 1 << (MOST_LEVELS - 1)

_UNKNOWN_MPP = (1.0, 1.0)
"""Without an mpp the unit of length is a level-0 pixel."""

_LENGTHS = Items(Number(0, float(1 << 40)), 3, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMetadata:
    """A pyramid of (c, y, x) arrays in the folders 0, 1, …, finest first.

    Raises
    ------
    ValueError
        There are not 1–32 levels with downsamples of at least 1, or channels are not described.
    """

    name: str
    """Shown by viewers."""

    kind: str
    """How the coarser levels were made, for people."""

    channels: int
    """How many there are."""

    mpp: Pair | None
    """Micrometres per level-0 pixel as (x, y), or None where unknown."""

    downsamples: tuple[Pair, ...]
    """Level-0 pixels per pixel of each level, as (x, y)."""

    bits: int = 8
    """Bits of a sample."""

    drawn: tuple[Channel, ...] = ()
    """How viewers draw each channel, with its window; empty for grey and colour of 8 bits."""

    def __post_init__(self) -> None:
        if not is_text(self.name):
            raise ValueError(f"An image's name is text, but this one is {self.name!r}.")
        check_drawn(self.channels, self.bits, self.drawn)
        is_long = 1 <= len(self.downsamples) <= MOST_LEVELS
        if not is_long or not all(_is_downsample(d) for pair in self.downsamples for d in pair):
            raise ValueError(
                f"An image has 1 to {MOST_LEVELS} levels with downsamples of at least 1, but this "
                f"one has {self.downsamples}."
            )

    @classmethod
    def from_node(cls, node: JsonNode, *, kind: str, mpp: Pair | None, bits: int = 8) -> Self:
        """Return the image that an attribute ``ome`` describes.

        Parameters
        ----------
        node
            The attribute.
        kind, mpp, bits
            Values of the store, which the image must repeat.

        Raises
        ------
        StoreError
            It is not what slidetile writes. The message names the key.
        """
        multiscale = node["multiscales"][0]
        drawn = tuple(_read_channel(each, bits) for each in _listed_channels(node))
        is_usual = bits == 8 and are_plain(drawn)
        image = cls(
            name=Text().read(multiscale["name"]),
            kind=kind,
            channels=len(drawn),
            bits=bits,
            drawn=() if is_usual else drawn,
            mpp=mpp,
            downsamples=tuple(
                _read_downsample(dataset, mpp or _UNKNOWN_MPP)
                for dataset in multiscale["datasets"].items(1, MOST_LEVELS)
            ),
        )
        node.expect(image.to_node())
        return image

    def to_json(self) -> bytes:
        """Return the ``zarr.json`` of a group that holds the image and nothing else."""
        return to_json(group({"ome": self.to_node()}))

    def to_node(self) -> dict[str, Any]:
        """Return the attribute ``ome``."""
        unit = {} if self.mpp is None else {"unit": "micrometer"}
        return {
            "version": "0.5",
            "multiscales": [
                {
                    "name": self.name,
                    "type": self.kind,
                    "metadata": {"method": self.kind},
                    "axes": [
                        {"name": "c", "type": "channel"},
                        {"name": "y", "type": "space", **unit},
                        {"name": "x", "type": "space", **unit},
                    ],
                    "datasets": [
                        dataset(number, downsample, self.mpp)
                        for number, downsample in enumerate(self.downsamples)
                    ],
                }
            ],
            "omero": {
                "version": "0.5",
                "channels": self._channels(),
                "rdefs": {"model": "greyscale" if self.channels == 1 else "color"},
            },
        }

    def _channels(self) -> list[dict[str, Any]]:
        most = largest_sample(self.bits)
        return [
            _channel(channel, channel.window or (0, most), most)
            for channel in self.drawn or plain_channels(self.channels)
        ]


def check_drawn(channels: int, bits: int, drawn: tuple[Channel, ...]) -> None:
    """Check that channels are described, unless they are grey or colour of 8 bits.

    Raises
    ------
    ValueError
        They are not, or a window leaves the range of the bits.
    """
    if not 1 <= channels <= MOST_CHANNELS:
        raise ValueError(f"An image has 1 to {MOST_CHANNELS} channels, but this one {channels}.")
    is_usual = bits == 8 and (channels in (1, 3) if not drawn else are_plain(drawn))
    if is_usual != (not drawn) or len(drawn) not in (0, channels):
        raise ValueError(
            f"channels: an image of {channels} channels of {bits} bits is not described by "
            f"{len(drawn)} names, colours and windows"
        )
    if len({channel.name for channel in drawn}) < len(drawn):
        raise ValueError("channels: two of them have the same name")
    most = largest_sample(bits)
    for channel in drawn:
        if channel.window is None or channel.window[1] > most:
            raise ValueError(
                f"channels: the window of {channel.name} is {channel.window}, not within 0–{most}"
            )


def _is_downsample(number: float) -> bool:
    return 1 <= number <= LARGEST_DOWNSAMPLE


def dataset(
    number: int, downsample: Pair, mpp: Pair | None, *, has_channels: bool = True
) -> dict[str, Any]:
    """Return the description of one level.

    Parameters
    ----------
    number
        Its number, which is its folder's name.
    downsample
        Level-0 pixels per pixel, as (x, y).
    mpp
        Micrometres per level-0 pixel as (x, y), or None where unknown.
    has_channels
        Whether its first axis is that of the channels.
    """
    (x, y), (x_um, y_um) = downsample, mpp or _UNKNOWN_MPP
    scale, offset = [y * y_um, x * x_um], [_offset(y, y_um), _offset(x, x_um)]
    steps: list[dict[str, Any]] = [
        {"type": "scale", "scale": [1.0, *scale] if has_channels else scale}
    ]
    if downsample != (1.0, 1.0):  # a coarse pixel's centre lies between those of what it covers
        translation = [0.0, *offset] if has_channels else offset
        steps.append({"type": "translation", "translation": translation})
    return {"path": str(number), "coordinateTransformations": steps}


def _offset(downsample: float, mpp: float) -> float:
    return (downsample - 1) / 2 * mpp


def _read_downsample(dataset: JsonNode, mpp: Pair) -> Pair:
    """Return the downsample of a dataset, as (x, y); the rest is not checked here."""
    steps = dataset["coordinateTransformations"].items(1, 2)
    node = steps[0]["scale"]
    _, *scale = _LENGTHS.read(node)
    offset = _LENGTHS.read(steps[1]["translation"])[1:] if len(steps) == 2 else (0.0, 0.0)
    y, x = (_written(*lengths) for lengths in zip(scale, offset, mpp[::-1], strict=True))
    if not (_is_downsample(x) and _is_downsample(y)):
        raise node.refusal(f"at least [1, {mpp[1]:g}, {mpp[0]:g}]")
    return x, y


def _written(scale: float, offset: float, mpp: float) -> float:
    """Return the downsample that gives a scale and an offset to the last bit, or the nearest."""
    near = scale / mpp
    return next((d for d in _around(near) if (d * mpp, _offset(d, mpp)) == (scale, offset)), near)


def _around(number: float) -> Iterator[float]:
    """Yield a number and its neighbours: dividing a product may be off by two of them."""
    yield number
    for end in (math.inf, 0.0):
        neighbour = number
        for _ in range(3):
            neighbour = math.nextafter(neighbour, end)
            yield neighbour


def _channel(channel: Channel, window: tuple[int, int], most: int) -> dict[str, Any]:
    return {
        "label": channel.name,
        "color": HexColour().write(channel.colour),
        "active": True,
        "window": {"start": window[0], "end": window[1], "min": 0, "max": most},
    }


def _listed_channels(node: JsonNode) -> list[JsonNode]:
    return node["omero"]["channels"].items(1, MOST_CHANNELS)


def _read_channel(node: JsonNode, bits: int) -> Channel:
    """Return a channel; what else its object has is not checked here."""
    most = largest_sample(bits)
    window = node["window"]
    start = Whole(0, most - 1).read(window["start"])
    return Channel(
        name=Text(1, LONGEST_NAME).read(node["label"]),
        colour=HexColour().read(node["color"]),
        window=(start, Whole(start + 1, most).read(window["end"])),
    )
