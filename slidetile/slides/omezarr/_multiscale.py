"""What OME's metadata say of an image: its axes, its levels, and how large its pixels are.

Knows the keys of OME-Zarr 0.4 and 0.5. Does not know arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

from slidetile.raster.channels import (
    Channel,
    Window,
    largest_sample,
    named_channels,
    numbered_channels,
)
from slidetile.raster.pixels import Colour
from slidetile.raster.resolution import as_written
from slidetile.slides.omezarr._json import items, member, shown
from slidetile.slides.omezarr._units import micrometres
from slidetile.slides.reader import FinalRefusalError

MOST_LEVELS = 32
"""Most levels of a pyramid: each at least halves the one before."""

_MOST_AXES = 16
_LONGEST_PATH = 1024
_UNIT = (Fraction(1), Fraction(1))
_LARGEST = 1e30
"""Of a scale or a shift, in any unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """The axes of an image, in the order of its arrays."""

    names: tuple[str, ...]
    """Their names."""

    x: int
    """Place of the axis of columns."""

    y: int
    """Place of the axis of rows."""

    channel: int | None
    """Place of the axis of channels; None where there is none."""

    units: tuple[str | None, str | None]
    """Units of x and y; None where none is stated."""

    def place(self, name: str) -> int | None:
        """Return the place of the axis of depths (z) or times (t); None where there is none."""
        return self.names.index(name) if name in self.names else None

    @classmethod
    def of(cls, multiscale: Any) -> Self:
        """Return the axes that a multiscale states.

        Raises
        ------
        FinalRefusalError
            They are not those of versions 0.4 and 0.5, or x or y is missing.
        """
        axes = items(multiscale, "axes")
        names = tuple(name for axis in axes if isinstance(name := member(axis, "name"), str))
        if not 2 <= len(axes) <= _MOST_AXES or len(names) < len(axes):
            raise FinalRefusalError(
                f"its axes are {shown(member(multiscale, 'axes'))}, which is not how versions 0.4 "
                f"and 0.5 of OME-Zarr state them{_version(multiscale)}: convert it to one of these"
            )
        if len(set(names)) < len(names) or not {"x", "y"} <= set(names):
            raise FinalRefusalError(f"its axes are {shown(list(names))}, without one x and one y")
        x, y = names.index("x"), names.index("y")
        kinds = [member(axis, "type") for axis in axes]
        channels = [n for n, name in enumerate(names) if name == "c" or kinds[n] == "channel"]
        if len(channels) > 1 or {x, y} & set(channels):
            raise FinalRefusalError(
                f"its axes are {shown(list(names))}, of which several are channels"
            )
        return cls(
            names=names,
            x=x,
            y=y,
            channel=channels[0] if channels else None,
            units=(_unit(axes[x]), _unit(axes[y])),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiscale:
    """An image of several resolutions."""

    axes: Axes
    """Its axes."""

    paths: tuple[str, ...]
    """Where its levels lie within its folder, finest first."""

    scales: tuple[tuple[Fraction, Fraction] | None, ...]
    """Length of a pixel of each level as (x, y), in the axes' units; None where it is unknown."""

    shifts: tuple[tuple[Fraction, Fraction], ...]
    """Where the centre of each level's first pixel lies, as (x, y), in the axes' units."""

    colours: tuple[str | None, ...]
    """The colour of each channel as six hexadecimal digits, if the image is drawn by channels."""

    labels: tuple[str | None, ...]
    """The name of each channel, if the image is drawn by channels."""

    windows: tuple[Window | None, ...]
    """The values that each channel is drawn in, if that is stated in whole numbers."""

    @classmethod
    def of(cls, ome: dict[str, Any]) -> Self:
        """Return the image that a group's OME metadata state; of several, the first.

        Raises
        ------
        FinalRefusalError
            It is not stated as versions 0.4 and 0.5 have it.
        """
        multiscale = items(ome, "multiscales")[0]
        axes = Axes.of(multiscale)
        datasets = items(multiscale, "datasets")
        if not 1 <= len(datasets) <= MOST_LEVELS:
            raise FinalRefusalError(
                f"it has {len(datasets)} levels, and a slide has 1 to {MOST_LEVELS}"
            )
        whole = items(multiscale, "coordinateTransformations")
        places = [
            _placed([*items(dataset, "coordinateTransformations"), *whole], axes)
            for dataset in datasets
        ]
        channels = items(member(ome, "omero"), "channels")
        return cls(
            axes=axes,
            paths=tuple(_path(dataset) for dataset in datasets),
            scales=tuple(scale for scale, _ in places),
            shifts=tuple(shift for _, shift in places),
            colours=tuple(_colour(channel) for channel in channels),
            labels=tuple(_label(channel) for channel in channels),
            windows=tuple(_window(channel) for channel in channels),
        )

    @property
    def mpp(self) -> tuple[tuple[float, float] | None, str | None]:
        """Micrometres per level-0 pixel as (x, y), or None and why."""
        scale, (across, down) = self.scales[0], self.axes.units
        if scale is None:
            return None, "it states no scale of its level 0"
        if across is None or down is None:
            return None, "it states no unit of its axes x and y"
        units = micrometres(across), micrometres(down)
        if units[0] is None or units[1] is None:
            unknown = across if units[0] is None else down
            return None, f"its unit “{unknown}” is no length"
        try:
            return (float(scale[0] * units[0]), float(scale[1] * units[1])), None
        except OverflowError:
            return None, "its scale is larger than any number"

    @property
    def shifted_levels(self) -> list[int]:
        """The levels that lie elsewhere than level 0, by more than their pixels' centres do.

        A level of averages is centred half of its pixel, less half of a level-0 pixel, beside it.
        """
        return [n for n in range(1, len(self.paths)) if self._is_shifted(n)]

    def _is_shifted(self, level: int) -> bool:
        own, finest = self.scales[level], self.scales[0]
        if own is None or finest is None:
            return False
        for axis in (0, 1):
            shift = self.shifts[level][axis] - self.shifts[0][axis]
            centred = (own[axis] - finest[axis]) / 2
            slack = abs(own[axis]) / 100
            if min(abs(shift), abs(shift - centred)) > slack:
                return True
        return False

    @property
    def is_drawn_by_channels(self) -> bool:
        """Whether three channels are drawn in other colours than red, green and blue."""
        stated = [colour for colour in self.colours if colour is not None]
        is_neutral = len(set(stated)) <= 1
        return not is_neutral and self.colours != ("FF0000", "00FF00", "0000FF")

    def channel_info(self, count: int, bits: int) -> tuple[Channel, ...] | None:
        """Return what so many channels show; None where they are grey or colours."""
        if (count == 1 and bits == 8) or (count == 3 and not self.is_drawn_by_channels):
            return None
        if len(self.labels) != count:
            return numbered_channels(count)
        most = largest_sample(bits)
        windows = [each if each and each[1] <= most else None for each in self.windows]
        colours = [_rgb(colour) for colour in self.colours]
        return named_channels(self.labels, colours, windows)


def _version(multiscale: Any) -> str:
    version = member(multiscale, "version")
    return f" (its version is {shown(version)})" if isinstance(version, str) else ""


def _unit(axis: Any) -> str | None:
    unit = member(axis, "unit")
    return shown(unit) if isinstance(unit, str) else None


def _path(dataset: Any) -> str:
    """Return where a level lies, which is below the image's folder."""
    path = member(dataset, "path")
    is_inside = (
        isinstance(path, str)
        and len(path) <= _LONGEST_PATH
        and all(part not in ("", ".", "..") for part in path.split("/"))
        and path.isprintable()
        and "\\" not in path
    )
    if not is_inside:
        raise FinalRefusalError(
            f"the path of a level is {shown(path)}, but it must lie within the image's folder"
        )
    return str(path)


def _placed(
    transformations: Sequence[Any], axes: Axes
) -> tuple[tuple[Fraction, Fraction] | None, tuple[Fraction, Fraction]]:
    """Return the scale and the shift that transformations make, one after another, as (x, y)."""
    scale: list[Fraction] | None = None
    shift = [Fraction(0), Fraction(0)]
    for each in transformations:
        kind = member(each, "type")
        values = _values(member(each, str(kind)), axes)
        if kind == "scale" and values is not None:
            scale = [a * b for a, b in zip(scale or _UNIT, values, strict=True)]
            shift = [a * b for a, b in zip(shift, values, strict=True)]
        elif kind == "translation" and values is not None:
            shift = [a + b for a, b in zip(shift, values, strict=True)]
        elif kind != "identity":
            return None, (Fraction(0), Fraction(0))
    return None if scale is None else (scale[0], scale[1]), (shift[0], shift[1])


def _values(values: Any, axes: Axes) -> tuple[Fraction, Fraction] | None:
    """Return the numbers of x and y in a list that has one for each axis."""
    if not isinstance(values, list) or len(values) != len(axes.names):
        return None
    found = values[axes.x], values[axes.y]
    if not all(type(value) in (int, float) and abs(value) <= _LARGEST for value in found):
        return None
    return as_written(found[0]), as_written(found[1])


def _colour(channel: Any) -> str | None:
    colour = member(channel, "color")
    return colour.removeprefix("#").upper()[:6] if isinstance(colour, str) else None


def _label(channel: Any) -> str | None:
    label = member(channel, "label")
    return label if isinstance(label, str) else None


def _window(channel: Any) -> Window | None:
    """Return the window of a channel; None where it is not one of whole numbers."""
    ends = [member(channel, "window", end) for end in ("start", "end")]
    if not all(type(end) in (int, float) and 0 <= end < 1 << 16 for end in ends):
        return None
    low, high = int(ends[0]), int(ends[1])
    return (low, high) if low < high else None


def _rgb(colour: str | None) -> Colour | None:
    try:
        red, green, blue = bytes.fromhex(colour or "")
    except ValueError:
        return None
    return red, green, blue
