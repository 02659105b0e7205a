"""How a store becomes a slide again: the choices that all kinds of such files share.

Knows choices. Does not know stores or formats of files.
"""

from dataclasses import dataclass
from typing import get_args

from slidetile.choices import JPEG_QUALITY, Existing


@dataclass(frozen=True, slots=True, kw_only=True)
class SlideChoice:
    """How the tissue-only slide is written.

    Raises
    ------
    ValueError
        A choice is unknown or out of its range.
    """

    jpeg_quality: int | None = None
    """Quality of the codec jpeg, 1–100; None is 90."""

    existing: Existing = "continue"
    """What to do with an existing output: "continue" continues an unfinished one, "restart" deletes
    it, and "overwrite" also replaces a finished one that slidetile has written."""

    anonymous: bool = False
    """Leave out the names of the slide and of the store, and the scanner's maker."""

    durable: bool = False
    """Sync all files before the output gets its name."""

    memory_bytes: int | None = None
    """The most memory to use at once; None is what is available."""

    @property
    def quality(self) -> int:
        """Quality of what is encoded as JPEG."""
        return JPEG_QUALITY if self.jpeg_quality is None else self.jpeg_quality

    def check(self, kind: str, codec: str, codecs: tuple[str, ...]) -> None:
        """Check all choices, and the codec, which must be one of the kind's; raises ValueError."""
        if codec not in codecs:
            raise ValueError(
                f"The codec of {kind} must be one of {', '.join(codecs)}, not {codec!r}."
            )
        if self.existing not in get_args(Existing):
            raise ValueError(
                f"existing must be one of {get_args(Existing)}, not {self.existing!r}."
            )
        if self.jpeg_quality is not None and not 1 <= self.jpeg_quality <= 100:
            raise ValueError(f"jpeg_quality must be 1–100, but it is {self.jpeg_quality}.")
        if self.jpeg_quality is not None and codec != "jpeg":
            raise ValueError(
                f"jpeg_quality {self.jpeg_quality} is of the codec jpeg, not of {codec}: "
                "choose that codec, or leave the quality out."
            )
        if self.memory_bytes is not None and self.memory_bytes < 1:
            raise ValueError(f"memory_bytes must be at least 1, but it is {self.memory_bytes}.")
