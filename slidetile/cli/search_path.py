"""Where a command looks for modules of yours: where Python does, and last in the current folder."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def current_folder_searched() -> Iterator[None]:
    """Find modules in the current folder too, until this ends."""
    here = str(Path.cwd())
    if here in sys.path:
        yield
        return
    sys.path.append(here)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # a module of yours may have removed it
            sys.path.remove(here)
