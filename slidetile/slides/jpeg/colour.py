"""Which colours a JPEG stream holds, where it and its file may say different things.

The rule, for every reader: of two readings the one that can be true. Where the chroma is stored
smaller than the luma it is YCbCr, for nobody halves green and blue. JFIF knows YCbCr alone. Then
Adobe's marker counts, which the encoder wrote, and last what the file says.
"""

from typing import Literal

from slidetile.slides.jpeg.segments import Frame, Header
from slidetile.slides.native import Damaged

Model = Literal["RGB", "YCbCr"]

ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"
"""Adobe's marker, but for its last byte: 0 for RGB, 1 for YCbCr."""

JFIF = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
"""JFIF's marker, without a resolution and a thumbnail."""

_MODELS: dict[int, Model] = {0: "RGB", 1: "YCbCr"}
"""By the transform of Adobe's marker."""

_UNKNOWN = Damaged("colours that no decoder knows, by its Adobe marker")


def own_model(header: Header, frame: Frame, tables: Header) -> Model | Damaged | None:
    """Return the colours that a stream of three components itself states; None if it does not.

    Parameters
    ----------
    header, frame
        The stream's.
    tables
        Those that it shares with others.
    """
    if is_subsampled(frame) or header.is_jfif or tables.is_jfif:
        return "YCbCr"
    adobe = tables.adobe if header.adobe is None else header.adobe
    return None if adobe is None else _MODELS.get(adobe, _UNKNOWN)


def colour_marker(
    header: Header, frame: Frame, tables: Header, tagged: Model | None
) -> bytes | Damaged:
    """Return the one marker by which decoders know the colours of a stream of three components.

    Parameters
    ----------
    header, frame, tables
        As in `own_model`.
    tagged
        What the file says; None if it says nothing.
    """
    own = own_model(header, frame, tables)
    if isinstance(own, Damaged):
        return own
    adobe = tables.adobe if header.adobe is None else header.adobe
    if (header.is_jfif or tables.is_jfif) and adobe != 1:
        return JFIF
    model = own or tagged
    return b"" if model is None else ADOBE + bytes([model == "YCbCr"])


def is_subsampled(frame: Frame) -> bool:
    """Return whether components are stored smaller than others."""
    return len(set(frame.sampling)) > 1


def contradiction(header: Header, frame: Frame, tagged: Model | None) -> str | None:
    """Return why a stream's colours are not those that its file states; None where they are.

    A sentence for people, in the same words for every slide of the kind.
    """
    own = own_model(header, frame, Header())
    if frame.components != 3 or tagged is None or isinstance(own, Damaged) or own in (None, tagged):
        return None
    if is_subsampled(frame):
        why = "stores chroma smaller than luma"
    else:
        why = "is marked as JFIF" if header.is_jfif else f"has Adobe's marker of {own}"
    return f"says {tagged}, but its JPEG {why}: read as {own}"
