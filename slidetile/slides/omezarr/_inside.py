"""Paths within a slide's folder, which nothing in it may lead out of."""

import os
from pathlib import Path

from slidetile.errors import SlideReadError


def inside(folder: Path, *parts: str) -> Path:
    """Return the path of a part of a folder.

    Raises
    ------
    SlideReadError
        Symbolic links on the way lead out of the folder.
    """
    path = folder.joinpath(*parts)
    root, real = os.path.realpath(folder), os.path.realpath(path)
    if not real.startswith(f"{root.rstrip(os.sep)}{os.sep}"):
        raise SlideReadError(
            f"{path} leads out of the slide's folder, to {real}: what lies there is not read. Copy "
            "it into the folder in place of the link."
        )
    return path
