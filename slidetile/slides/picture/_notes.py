"""What stands beside the pixels of a picture: its resolution and profile, and whose part it is."""

import io
import math
import os
from dataclasses import dataclass
from pathlib import Path

from slidetile.runtime.files import read_regular
from slidetile.slides.reader import FinalRefusalError

_UM_PER_INCH = 25_400.0
_ORIENTATION = 274
_LISTS = (".vms", ".vmu")
_LIST_BYTES = 1 << 20
_MOST_LISTS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What a picture says of itself beside its size."""

    mpp: tuple[float, float] | None = None
    """Micrometres per pixel, by the resolution that it states."""

    icc_profile: bytes | None = None
    """Its colour profile."""

    is_turned: bool = False
    """Whether EXIF says that it is to be shown turned or mirrored."""


def read_notes(data: bytes) -> Notes:
    """Return what a picture says; what cannot be read is left out.

    Nothing is decoded.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "JPEG2000")) as image:
            profile, dots = image.info.get("icc_profile"), image.info.get("dpi")
            turned = image.getexif().get(_ORIENTATION, 1)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - broken notes must not cost the pixels
        return Notes()
    return Notes(
        mpp=_mpp(dots),
        icc_profile=profile if isinstance(profile, bytes) and profile else None,
        is_turned=turned not in (0, 1),
    )


def check_is_whole(path: Path) -> None:
    """Check that a picture is no part of a Hamamatsu VMS slide beside it, which names its parts.

    Raises
    ------
    FinalRefusalError
        It is.
    """
    try:
        names = sorted(os.listdir(path.parent))  # noqa: PTH208  the names alone
    except OSError:
        return
    lists = [name for name in names if name.lower().endswith(_LISTS)]
    for name in lists[:_MOST_LISTS]:
        try:
            named = read_regular(path.with_name(name), _LIST_BYTES)
        except OSError:
            continue
        if os.fsencode(path.name) in named:
            raise FinalRefusalError(f"it is one part of the slide {name} beside it: name that one")


def _mpp(dots: object) -> tuple[float, float] | None:
    """Return µm per pixel of dots per inch, where they are numbers."""
    if not isinstance(dots, tuple) or len(dots) != 2:
        return None
    per_inch = [float(each) for each in dots]
    if not all(each > 1 and math.isfinite(each) for each in per_inch):
        return None
    return _UM_PER_INCH / per_inch[0], _UM_PER_INCH / per_inch[1]
