"""Where a command finds the user's modules: where Python does, and last in the current folder."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def current_folder_searched() -> Iterator[None]:
    """Let Python find modules in the current folder too, inside this context."""
    here = str(Path.cwd())
    if here in sys.path:
        yield
        return
    sys.path.append(here)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # a user's module may have removed it
            sys.path.remove(here)
