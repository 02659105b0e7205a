"""The header of an ICC colour profile: whether it can say how RGB pixels look.

Knows bytes. Does not know how colours are computed. Source: ICC.1:2022, 7.2 and 7.3.
"""

import struct
from dataclasses import dataclass
from typing import Literal, Self, get_args

LARGEST_PROFILE_BYTES = 12_000_000
"""Longest colour profile that is stored or applied. A scanner's has 1 MB at most; in base64, more
than this would make a ``zarr.json`` that readers refuse."""

Intent = Literal["perceptual", "relative", "saturation", "absolute"]
"""What becomes of colours that sRGB does not have, and of white; in the order of ICC's numbers."""

_HEADER_BYTES = 128
_TAG = struct.Struct(">4sII")
_MOST_TAGS = 1000
_CLASSES = {b"scnr", b"mntr", b"prtr", b"spac"}
"""Profiles of devices and colour spaces: what comes from one can be converted to another."""


class ProfileError(ValueError):
    """A colour profile that cannot be applied; the message goes on from "its colour profile"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RgbProfile:
    """A colour profile of RGB pixels, its table within its bytes."""

    data: bytes
    """The profile, without what follows it."""

    intent: Intent
    """How its maker wants it to be applied."""

    @classmethod
    def of(cls, data: bytes) -> Self:
        """Return the profile in these bytes; a few more may follow it, as DICOM pads.

        Raises
        ------
        ProfileError
            They are no whole profile, one of other pixels than RGB, or too many.
        """
        if len(data) > LARGEST_PROFILE_BYTES:
            raise ProfileError(
                f"has {len(data) / 1e6:.1f} MB, more than the {LARGEST_PROFILE_BYTES / 1e6:.0f} MB "
                "that are read; profiles of scanners take about 1 MB"
            )
        if len(data) < _HEADER_BYTES + 4 or data[36:40] != b"acsp":
            raise ProfileError("is damaged: it does not have the header of an ICC profile")
        _check_kind(data)
        size = int.from_bytes(data[:4])
        if not _HEADER_BYTES + 4 <= size <= len(data):
            raise ProfileError(f"is cut short: of its {size} bytes {len(data)} are there")
        _check_table(data, size)
        return cls(data=data[:size], intent=_intent(data))


def _check_kind(data: bytes) -> None:
    kind, space, connection = data[12:16], data[16:20], data[20:24]
    if space != b"RGB ":
        raise ProfileError(f"is of the colour space {_shown(space)}, but the pixels are RGB")
    if kind not in _CLASSES:
        raise ProfileError(
            f"is of the class {_shown(kind)}, but only those of scanners (scnr), displays (mntr), "
            "printers (prtr) and colour spaces (spac) say how pixels look"
        )
    if connection not in (b"XYZ ", b"Lab "):
        raise ProfileError(f"is damaged: it connects to {_shown(connection)}, not to XYZ or Lab")


def _check_table(data: bytes, size: int) -> None:
    (count,) = struct.unpack_from(">I", data, _HEADER_BYTES)
    first = _HEADER_BYTES + 4
    if count > _MOST_TAGS or first + count * _TAG.size > size:
        raise ProfileError(f"is damaged: {count} tags do not fit into its {size} bytes")
    for number in range(count):
        tag, start, length = _TAG.unpack_from(data, first + number * _TAG.size)
        if start + length > size:
            raise ProfileError(f"is damaged: its tag {_shown(tag)} ends beyond its {size} bytes")


def _intent(data: bytes) -> Intent:
    """Return the rendering intent: the lower half of four bytes, of which the upper is ICC's."""
    number = int.from_bytes(data[66:68])
    names = get_args(Intent)
    if number >= len(names):
        raise ProfileError(f"is damaged: its rendering intent is {number}, and 0 to 3 are known")
    found: Intent = names[number]
    return found


def _shown(signature: bytes) -> str:
    """Return a signature as text: four characters, whatever its bytes."""
    text = signature.decode("ascii", "replace").strip(" ")
    return "".join(each if each.isalnum() else "?" for each in text) or "nothing"
