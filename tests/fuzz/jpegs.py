"""Mutants of JPEG streams: their segments, and their scan."""

from random import Random

from fuzz import odd

_SOF, _DQT, _DHT, _SOS, _COM, _EOI = 0xC0, 0xDB, 0xC4, 0xDA, 0xFE, 0xD9


def mutate(random: Random, stream: bytes) -> bytes:
    """Return a JPEG stream with one thing wrong."""
    segments, scan = _split(stream)
    if not segments or random.random() < 0.4:
        return _head(segments) + _mutate_scan(random, scan)
    number = random.randrange(len(segments))
    marker, body = segments[number]
    match random.randrange(7):
        case 0:
            del segments[number]
        case 1:
            segments.insert(number, segments[number])
        case 2:
            segments[number] = random.choice((_SOF, _SOF + 2, _SOF + 1, _DHT, _DQT, _COM)), body
        case 3:
            segments[number] = marker, odd.spoil(random, body)
        case 4:
            segments.insert(number, (_COM, b"Jane Doe " * random.randrange(1, 7000)))
        case 5:
            return _head(segments, wrong=(number, odd.number(random, len(body)) % 65_536)) + scan
        case _:
            _resize(random, segments)
    return _head(segments) + scan


def _resize(random: Random, segments: list[tuple[int, bytes]]) -> None:
    """Change a byte of the frame header: size, bits, components or how they are sampled."""
    for number, (marker, body) in enumerate(segments):
        if _SOF <= marker <= _SOF + 2 and body:
            changed = bytearray(body)
            changed[random.randrange(len(body))] = odd.number(random) % 256
            segments[number] = marker, bytes(changed)


def _mutate_scan(random: Random, scan: bytes) -> bytes:
    middle = len(scan) // 2
    return random.choice(
        (
            odd.spoil(random, scan),
            odd.spoil(random, scan),
            scan[:middle] + bytes(len(scan) // 8) + scan[middle + len(scan) // 8 :],
            scan[:middle] + b"\xff\xd3" + scan[middle:],
            scan[:middle] + b"\xff\xd9" + scan[middle:],
            scan[:middle] + b"\xff\xc4" + scan[middle:],
            scan[:-2],
            scan[:middle],
            scan + b"Jane Doe",
            scan[:middle] + scan[-2:],
        )
    )


def _split(stream: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """Return the segments up to the scan's header, and the scan with whatever follows it."""
    segments: list[tuple[int, bytes]] = []
    at = 2
    while at + 4 <= len(stream) and stream[at] == 0xFF:
        length = int.from_bytes(stream[at + 2 : at + 4])
        segments.append((stream[at + 1], stream[at + 4 : at + 2 + length]))
        at += 2 + length
        if segments[-1][0] == _SOS:
            break
    return segments, stream[at:]


def _head(segments: list[tuple[int, bytes]], wrong: tuple[int, int] = (-1, 0)) -> bytes:
    """Return the segments as bytes; segment ``wrong[0]`` claims the length ``wrong[1]``."""
    parts = [b"\xff\xd8"]
    for number, (marker, body) in enumerate(segments):
        length = wrong[1] if number == wrong[0] else min(len(body) + 2, 65_535)
        parts.append(bytes((0xFF, marker)) + length.to_bytes(2) + body[:65_533])
    return b"".join(parts)
