"""How other libraries' errors are quoted in ours."""


def one_line(error: BaseException | None) -> str:
    """Return what an error says, without line breaks, and short."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:199] + "…"
