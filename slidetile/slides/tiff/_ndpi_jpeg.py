"""From the one JPEG of an NDPI level: the header of a tile of it, and a flat stripe to fill with.

Nothing is decoded.
"""

from collections.abc import Iterator

import numpy as np

from slidetile.slides.jpeg.segments import EOI
from slidetile.slides.jpeg.tiles import JpegTiles
from slidetile.slides.native import Damaged

_SOF0, _DHT, _SOS = 0xC0, 0xC4, 0xDA
_YCBCR = 6
_COUNTS = 16
_FLAT = 0
"""The symbol of no difference (DC), and of no more coefficients in a block (AC)."""

_Tables = dict[int, bytes]
"""The body of each Huffman table, by its class (0 DC, 1 AC) times 16 plus its number."""


def plain_header(header: bytes) -> bytes | Damaged:
    """Return what of a JPEG's bytes before its scan data decoding needs, and its colour marker."""
    stream = JpegTiles(tables=None, photometric=_YCBCR).standalone(header + EOI)
    return stream if isinstance(stream, Damaged) else stream.removesuffix(EOI)


def resized(header: bytes, width: int, height: int) -> bytes:
    """Return a plain header with another size in its frame."""
    at = next(start for marker, start, _ in _segments(header) if marker == _SOF0)
    return header[: at + 5] + height.to_bytes(2) + width.to_bytes(2) + header[at + 9 :]


def flat_stripe(header: bytes, units: int) -> bytes | None:
    """Return the scan data of a stripe of one colour.

    Parameters
    ----------
    header
        The plain header of a JPEG with restart markers: its own Huffman tables code the stripe.
    units
        The units (MCUs) of the stripe, each with one block of every component.

    Returns
    -------
    bytes or None
        None where the tables have no code for it.
    """
    codes = [_flat_code(table) for table in _tables_in_order(header)]
    if not codes or None in codes:
        return None
    unit = [int(bit) for code in codes for bit in code or ""]
    bits = np.tile(np.array(unit, np.uint8), units)
    padded = np.append(bits, np.ones(-len(bits) % 8, np.uint8))
    return np.packbits(padded).tobytes().replace(b"\xff", b"\xff\0")


def _segments(header: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield the marker, the start and the end of each segment of a plain header."""
    at = 2
    while at < len(header):
        end = at + 2 + int.from_bytes(header[at + 2 : at + 4])
        yield header[at + 1], at, end
        at = end


def _tables_in_order(header: bytes) -> Iterator[bytes]:
    """Yield the tables in the order in which a unit needs them: DC and AC of each component."""
    tables: _Tables = {}
    for marker, start, end in _segments(header):
        body = header[start + 4 : end]
        if marker == _DHT:
            tables |= _split(body)
        if marker == _SOS:
            for chosen in body[2 : 1 + 2 * sum(body[:1]) : 2]:
                yield tables.get(chosen >> 4, b"")
                yield tables.get(16 + (chosen & 15), b"")


def _split(body: bytes) -> _Tables:
    """Return the tables of one segment."""
    tables: _Tables = {}
    while len(body) > _COUNTS:
        length = 1 + _COUNTS + sum(body[1 : 1 + _COUNTS])
        tables[body[0]] = body[1:length]
        body = body[length:]
    return tables


def _flat_code(table: bytes) -> str | None:
    """Return the bits of the flat symbol in a table, whose codes ascend (ITU-T T.81, annex C)."""
    code, symbols = 0, iter(table[_COUNTS:])
    for length, count in enumerate(table[:_COUNTS], 1):
        for _ in range(count):
            if next(symbols, None) == _FLAT:
                return f"{code:0{length}b}"
            code += 1
        code <<= 1
    return None
