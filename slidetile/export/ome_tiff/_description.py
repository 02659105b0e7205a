"""OME's description of an image, as XML (OME data model 2016-06).

Knows stores' metadata. Does not know TIFF.
"""

from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

from slidetile.raster.channels import Channel
from slidetile.store.store import TileStore

_SCHEMA = "http://www.openmicroscopy.org/Schemas/OME/2016-06"

NAMESPACE = "slidetile"
"""Under which the file says where it comes from."""


def describe(store: TileStore, facts: Mapping[str, str], *, name: str, is_interleaved: bool) -> str:
    """Return the description of a store's image.

    Parameters
    ----------
    store
        The store.
    facts
        Where it comes from.
    name
        The image's name.
    is_interleaved
        Whether one directory has all samples of a pixel, or each channel one of its own.
    """
    import slidetile

    width, height = store.levels[0].size
    count = len(store.channels)
    pixels = {
        "ID": "Pixels:0",
        "DimensionOrder": "XYCZT",
        "Type": str(store.dtype),
        "SignificantBits": str(store.metadata.bits),
        "BigEndian": "false",
        "Interleaved": str(is_interleaved).lower(),
        "SizeX": str(width),
        "SizeY": str(height),
        "SizeZ": "1",
        "SizeC": str(count),
        "SizeT": "1",
        **_physical(store),
    }
    is_colour = is_interleaved and count > 1
    channels = [_interleaved(count)] if is_colour else map(_own, range(count), store.channels)
    data = [
        f'<TiffData IFD="{i}" FirstC="{i}" FirstZ="0" FirstT="0" PlaneCount="1"/>'
        for i in range(1 if is_interleaved else count)
    ]
    told = "".join(f"<M K={quoteattr(key)}>{_text(value)}</M>" for key, value in facts.items())
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{_SCHEMA}" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:schemaLocation="{_SCHEMA} {_SCHEMA}/ome.xsd" '
        f'Creator="slidetile {slidetile.__version__}">'
        f'<Image ID="Image:0" Name={quoteattr(name)}><Pixels {_attributes(pixels)}>'
        f"{''.join(channels)}{''.join(data)}</Pixels>"
        '<AnnotationRef ID="Annotation:0"/></Image><StructuredAnnotations>'
        f'<MapAnnotation ID="Annotation:0" Namespace="{NAMESPACE}"><Value>{told}</Value>'
        "</MapAnnotation></StructuredAnnotations></OME>"
    )


def _physical(store: TileStore) -> dict[str, str]:
    if store.mpp is None:
        return {}
    x, y = map(repr, store.mpp)
    unit = {"PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm"}
    return {"PhysicalSizeX": x, "PhysicalSizeY": y} | unit


def _interleaved(count: int) -> str:
    return f'<Channel ID="Channel:0:0" SamplesPerPixel="{count}"/>'


def _own(number: int, channel: Channel) -> str:
    color = int.from_bytes(bytes([*channel.colour, 255]), "big", signed=True)
    return (
        f'<Channel ID="Channel:0:{number}" SamplesPerPixel="1" Color="{color}" '
        f"Name={quoteattr(channel.name)}/>"
    )


def _attributes(values: Mapping[str, str]) -> str:
    return " ".join(f"{name}={quoteattr(value)}" for name, value in values.items())


def _text(value: str) -> str:
    return escape("".join(c if c.isprintable() else "�" for c in value))
