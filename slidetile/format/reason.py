"""What is wrong with a tile, as a store records it.

A reason comes from a decoder or from a reader of somebody's own, which may repeat what a damaged
file says.
"""

MOST_CHARACTERS = 200
UNSAID = "does not decode"
"""What stands for a reason without a word."""

OTHERS = "other reasons"
"""What the rarest reasons are counted under together: a damaged file may have any number."""

_MOST_LOOKED_AT = 4 * MOST_CHARACTERS


def as_reason(text: object) -> str:
    r"""Return a reason as one line of 1–200 characters that show, others being escaped.

    Examples
    --------
    >>> as_reason("cut\x1b[31m\n short")
    'cut\\x1b[31m short'
    """
    words = " ".join(str(text)[:_MOST_LOOKED_AT].split())
    shown = "".join(sign if sign.isprintable() else _escaped(sign) for sign in words)
    whole = shown if len(shown) <= MOST_CHARACTERS else f"{shown[: MOST_CHARACTERS - 1]}…"
    return whole or UNSAID


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode()
