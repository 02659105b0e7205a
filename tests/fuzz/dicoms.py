"""Mutants of DICOM files: the elements of their header, and the frames behind it."""

from random import Random

from fuzz import jpegs, odd

_LONG = {b"OB", b"OW", b"OF", b"OD", b"OL", b"SQ", b"UN", b"UC", b"UR", b"UT"}
_UNDEFINED = 0xFFFFFFFF


def mutate(random: Random, data: bytes) -> bytes:
    """Return a DICOM file with one thing wrong."""
    if random.random() < 0.35:
        return _frame(random, data)
    elements = _elements(data)
    if not elements or random.random() < 0.1:
        return odd.spoil(random, data)
    at, body_at, length = random.choice(elements)
    body = data[body_at : body_at + length]
    match random.randrange(4):
        case 0:
            return data[:at] + data[body_at + length :]
        case 1:
            changed = odd.spoil(random, body)[:length].ljust(length, b" ")
        case 2:
            changed = str(odd.number(random)).encode()[:length].ljust(length, b" ")
        case _:
            changed = (odd.number(random) % (1 << 8 * length)).to_bytes(length, "little")
    return data[:body_at] + changed + data[body_at + length :]


def _frame(random: Random, data: bytes) -> bytes:
    """Change a JPEG frame; its item keeps its length."""
    starts = []
    at = data.find(b"\xff\xd8\xff", 132)
    while at > 0:
        starts.append(at)
        at = data.find(b"\xff\xd8\xff", at + 1)
    if not starts:
        return odd.spoil(random, data)
    start = random.choice(starts)
    length = int.from_bytes(data[start - 4 : start], "little")
    if not 0 < length <= len(data) - start:
        return odd.spoil(random, data)
    changed = jpegs.mutate(random, data[start : start + length])[:length].ljust(length, b"\0")
    return data[:start] + changed + data[start + length :]


def _elements(data: bytes) -> list[tuple[int, int, int]]:
    """Return (start, start of the value, length) of the elements outside sequences."""
    found: list[tuple[int, int, int]] = []
    at = 132
    while at + 12 <= len(data):
        kind = data[at + 4 : at + 6]
        if not kind.isalpha():
            break
        if kind in _LONG:
            length, body_at = int.from_bytes(data[at + 8 : at + 12], "little"), at + 12
        else:
            length, body_at = int.from_bytes(data[at + 6 : at + 8], "little"), at + 8
        if length == _UNDEFINED or body_at + length > len(data):
            break
        if length:
            found.append((at, body_at, length))
        at = body_at + length
    return found
