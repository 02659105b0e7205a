"""Odd values: the numbers, texts and bytes on which programs that read files trip."""

from random import Random

NUMBERS = (0, 1, 2, 3, 7, 8, 16, 127, 128, 255, 256, 257, 512, 65_535, 65_536, 99_999)
LARGE = (2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**63 - 1, 2**64 - 1)


def number(random: Random, now: int = 0) -> int:
    """Return a number that is near, far, or at a limit of a type."""
    near = (now - 1, now + 1, now * 2, now // 2, -now)
    return random.choice((*NUMBERS, *LARGE, *near, random.getrandbits(16), random.getrandbits(32)))


def value(random: Random) -> object:
    """Return something that JSON can hold."""
    return random.choice(
        (
            None,
            True,
            -1,
            number(random),
            random.uniform(-2, 2),
            1e308,
            float("nan"),
            "",
            "é\u202e\x1b[31m",
            "x" * 10_000,
            [],
            {},
            [[]],
            [number(random)] * 3,
            {"a": number(random)},
        )
    )


def text(random: Random, now: str) -> str:
    """Return a text with something repeated, cut, replaced or put in."""
    at = random.randrange(len(now) + 1)
    put_in = random.choice(
        (
            " " * 4000,
            "\x00",
            "|" * 500,
            "=" * 500,
            "\x1b[2J",
            "9" * 400,
            "-1",
            "1e999",
            "nan",
            "<!--",
        )
    )
    return random.choice(
        (
            now[:at],
            now[at:],
            now[:at] + put_in + now[at:],
            now[:at] + put_in + now[at + len(put_in) :],
            now * 3,
            now.replace("0", str(number(random))[:20], 2),
        )
    )


def spoil(random: Random, data: bytes) -> bytes:
    """Return bytes with some flipped, zeroed, cut out, doubled or put in."""
    if not data:
        return random.randbytes(random.randrange(1, 32))
    at, length = random.randrange(len(data)), 1 << random.randrange(12)
    stop = min(at + length, len(data))
    changed = random.choice(
        (
            bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 : stop],
            bytes(stop - at),
            b"",
            data[at:stop] * 2,
            random.randbytes(stop - at),
            random.randbytes(random.randrange(1, 16)) + data[at:stop],
        )
    )
    is_cut = random.random() < 0.1
    return data[:at] + (b"" if is_cut else changed + data[stop:])
