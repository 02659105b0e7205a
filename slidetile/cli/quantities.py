"""Numbers with their units as text for people.

Knows how quantities are written; none is ever written as 8.3e-05. Does not know what they measure.
"""

from collections.abc import Sequence

from rich.filesize import decimal


def number(value: float) -> str:
    """Write a number with about four digits: 0.00008261, 0.5, 1,715."""
    import numpy as np

    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return np.format_float_positional(value, precision=4, fractional=False, trim="-")


def counted(count: int) -> str:
    """Write a count: 2,989."""
    return f"{count:,}"


def size_bytes(count: int) -> str:
    """Write a number of bytes: 999 bytes, 614.4 kB, 1.3 MB."""
    return decimal(count)


def duration(seconds: float) -> str:
    """Write a time: 6.2 s, 3 min 20 s, 1 h 5 min."""
    if seconds < 0.05:
        return "less than 0.1 s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min"


def tiles_per_second(speed: float, things: str = "tiles") -> str:
    """Write a number of tiles, or of other things, per second: 340 tiles/s, 0.4 tiles/s."""
    return f"{speed:.0f} {things}/s" if speed >= 9.5 else f"{speed:.1f} {things}/s"


def bytes_per_second(speed: float) -> str:
    """Write a number of bytes per second: 12.5 MB/s."""
    return f"{size_bytes(int(speed))}/s"


def share(fraction: float) -> str:
    """Write a fraction, 0–1, in percent: 43.1 %."""
    return f"{fraction:.1%}".replace("%", " %")


def extent(width: int, height: int) -> str:
    """Write a size in pixels: 3840×2560."""
    return f"{width}×{height}"


def pair(values: Sequence[float]) -> str:
    """Write an (x, y) pair of values: 0.5, or 0.5×0.51 where they differ."""
    return "×".join(dict.fromkeys(map(number, values)))


def resolution(mpp: Sequence[float] | None) -> str:
    """Write micrometres per pixel: 0.5 µm per pixel."""
    return "unknown" if mpp is None else f"{pair(mpp)} µm per pixel"
