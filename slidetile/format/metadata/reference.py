"""Where the slide of a store without pixels lies: ``attributes.slidetile.reference``."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from slidetile.format.metadata.part import JsonPart
from slidetile.format.metadata.rules import Text

LONGEST_PATH = 4096
"""Most characters of a path; systems allow as many bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceFacts(JsonPart):
    """Two ways to the slide's file or folder, tried in this order."""

    relative: Annotated[str, Text(1, LONGEST_PATH)]
    """From the folder that holds the store: it stays right where both are moved together."""

    absolute: Annotated[str, Text(1, LONGEST_PATH)]
    """From the root of the file system: it stays right where the store alone is moved."""

    @classmethod
    def of(cls, slide: Path, store: Path) -> Self:
        """Return how a store's folder leads to a slide.

        Links to folders are followed, so that `..` means the same in every program; the slide's own
        name may be a link, and stays.

        Raises
        ------
        ValueError
            A path is too long, or is not text.
        """
        found = _plain(slide)
        relative = os.path.relpath(found, _plain(store).parent)
        return cls(relative=relative, absolute=str(found))

    def paths(self, store: Path) -> tuple[Path, ...]:
        """Return where the slide of a store may lie, the likeliest first, each once."""
        beside = os.path.normpath(_plain(store).parent / self.relative)
        return tuple(dict.fromkeys((Path(beside), Path(self.absolute))))


def _plain(path: Path) -> Path:
    """Return an absolute path without links to folders."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100  its last part may be a link
    return Path(os.path.realpath(absolute.parent), absolute.name)
