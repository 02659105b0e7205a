"""Over how many channels, depths and times a TIFF spreads its image.

Each writer says it in its own way, and some put no directory into the file for all but the first.
Does not know OME-XML, which `_metadata` reads.
"""

import json
import math
import re
import struct
from dataclasses import dataclass

from tifffile import TiffPage

from slidetile.counts import how_many
from slidetile.slides.slide_file import SlideFile
from slidetile.slides.tiff._chain import Chain

_LSM, _METAMORPH_PLANES = 34412, 33629
_WIDTH, _NDPI_FOCUS = 256, 65424
_BYTES, _LSM_BYTES = 1, 28
_ARGOS = 65000
_MOST_CHARACTERS = 1 << 16
_MOST = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Planes:
    """How many images a slide is spread over, and along what."""

    channels: int = 1
    """Channels, beyond those of a grey or colour pixel."""

    depths: int = 1
    """Focal planes."""

    times: int = 1
    """Points in time."""

    images: int = 1
    """Images of the slide's size; of what, the file does not say."""

    @property
    def count(self) -> int:
        """How many images there are in all."""
        return max(self.channels * self.depths * self.times, self.images)

    def __str__(self) -> str:
        """Return their numbers in words, such as "3 channels and 5 depths"."""
        known = {"channels": self.channels, "depths": self.depths, "times": self.times}
        told = [how_many(count, what) for what, count in known.items() if count > 1]
        if not told or self.images > self.channels * self.depths * self.times:
            return f"{how_many(self.images, 'images')} (channels, depths or times)"
        return " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)


def stated_planes(page: TiffPage) -> Planes:
    """Return what the page of the slide's finest level says of others, but for OME-XML."""
    found = (_imagej(page), _metamorph(page), _argos(page), _shaped(page))
    return max(found, key=lambda planes: planes.count)


def ndpi_planes(chain: Chain, file: SlideFile) -> Planes:
    """Return the focal planes of a Hamamatsu NDPI: each of its images says which it is of."""
    widest = max(each.number(file, _WIDTH) for each in chain.directories)
    finest = [each for each in chain.directories if each.number(file, _WIDTH) == widest]
    return Planes(depths=max(1, len({each.number(file, _NDPI_FOCUS) for each in finest})))


def lsm_planes(chain: Chain, file: SlideFile) -> Planes:
    """Return the planes of a Zeiss LSM, by the head of its own tag, which names all sizes.

    They are x, y, z, channels and times, as 32-bit numbers behind a mark and a length. Libraries
    put its pages in order before they say how many there are.
    """
    entry = chain.directories[0].find(_LSM)
    if entry is None or entry.kind != _BYTES or entry.count < _LSM_BYTES:
        return Planes()
    head = bytes(chain.directories[0].numbers(file, _LSM, _LSM_BYTES))
    order = chain.directories[0].order
    depths, channels, times = (max(1, each) for each in struct.unpack_from(f"{order}3i", head, 16))
    return Planes(channels=channels, depths=depths, times=times)


def scn_planes(text: str) -> Planes:
    """Return the channels and focal planes of a Leica SCN, by the XML that describes it."""
    counts = dict.fromkeys("cz", 1)
    for dimension in re.findall(r"<dimension\b[^<>]{0,400}", text):
        for axis, number in re.findall(r'\s([cz])="(\d{1,4})"', dimension):
            counts[axis] = max(counts[axis], int(number) + 1)
    return Planes(channels=counts["c"], depths=counts["z"])


def _imagej(page: TiffPage) -> Planes:
    """Return what ImageJ's description says, which may put images behind the first."""
    if not page.description.startswith("ImageJ="):
        return Planes()
    fields = dict(
        line.partition("=")[::2] for line in page.description[:_MOST_CHARACTERS].splitlines()
    )
    names = {"channels": "channels", "depths": "slices", "times": "frames", "images": "images"}
    counts = {key: _count(fields.get(name)) for key, name in names.items()}
    if page.samplesperpixel > 1:  # colours count as channels
        counts["channels"] = max(1, counts["channels"] // page.samplesperpixel)
    return Planes(**counts)


def _metamorph(page: TiffPage) -> Planes:
    """Return the planes of a MetaMorph stack, of which one directory says where they begin."""
    tag = page.tags.get(_METAMORPH_PLANES)
    return Planes() if tag is None else Planes(images=max(1, min(int(tag.count), _MOST)))


def _argos(page: TiffPage) -> Planes:
    """Return the focal planes of an Argos slide."""
    text = argos_text(page)
    ends = [re.search(rf"<{name}>\s*(-?\d{{1,6}})\s*</{name}>", text) for name in ("MinZ", "MaxZ")]
    if ends[0] is None or ends[1] is None:
        return Planes()
    return Planes(depths=max(1, int(ends[1][1]) - int(ends[0][1]) + 1))


def argos_text(page: TiffPage) -> str:
    """Return the XML in which Argos describes a slide; nothing where there is none."""
    value = page.tags.valueof(_ARGOS) if _ARGOS in page.tags else None
    if isinstance(value, bytes):
        value = value[:_MOST_CHARACTERS].decode("utf-8", "replace")
    is_argos = isinstance(value, str) and "<Argos.Scan.Metadata" in value[:_MOST_CHARACTERS]
    return str(value)[:_MOST_CHARACTERS] if is_argos else ""


def _shaped(page: TiffPage) -> Planes:
    """Return what tifffile's description says, which may stand for images without directories."""
    text = page.description
    if not text.startswith('{"shape"') or len(text) > _MOST_CHARACTERS:
        return Planes()
    try:
        shape = json.loads(text)["shape"]
        whole = math.prod(int(side) for side in shape[:16])
    except (ValueError, TypeError, KeyError, RecursionError):
        return Planes()
    own = page.imagewidth * page.imagelength * page.samplesperpixel
    return Planes(images=min(max(1, whole // max(1, own)), _MOST))


def _count(text: str | None) -> int:
    text = (text or "").strip()
    return max(1, int(text)) if text.isdecimal() and len(text) < 10 else 1
