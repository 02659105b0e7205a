"""Which kinds of numbers a slide's samples may be, whichever reader opens it."""

from slidetile.slides.reader import FinalRefusalError

_REMEDIES = {
    "signed": "if none is below 0, save them as unsigned, else add a number to all of them",
    "floating-point": (
        "choose the lowest and the highest value that count, low and high, and save "
        "round((value − low) / (high − low) · 65535) as unsigned numbers of 16 bits"
    ),
}


def check_kind(bits: int, kind: str) -> None:
    """Check that samples are unsigned whole numbers of 8 or 16 bits.

    Parameters
    ----------
    bits
        Bits in which a sample is stored.
    kind
        "unsigned", "signed", "floating-point" or another word.

    Raises
    ------
    FinalRefusalError
        They are not: to make them so takes a scale, which is for people to choose.
    """
    if kind != "unsigned":
        remedy = _REMEDIES.get(kind, "save them as unsigned numbers of 16 bits")
        raise FinalRefusalError(
            f"its samples are {bits}-bit {kind} numbers, and slidetile reads unsigned ones of 8 or "
            f"16 bits: {remedy}"
        )
    if bits == 1:
        raise FinalRefusalError(
            "its samples have 1 bit: it is a mask, not a slide; give it as --annotations of one"
        )
    if bits not in (8, 16):
        raise FinalRefusalError(
            f"its samples are {bits}-bit unsigned numbers, and slidetile reads those stored in 8 "
            "or 16 bits: save them in 16, which holds up to 16 bits as they are"
        )
