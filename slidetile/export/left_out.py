"""What an export of windows leaves out."""

from slidetile.store.windows import Windows

UNREADABLE_WINDOWS = "windows on unreadable tiles"
"""What `Exported.left_out` calls windows that need a tile that the slide could not give."""


def left_out(windows: Windows) -> dict[str, int]:
    """Return how many windows are left out, by the reason."""
    return {UNREADABLE_WINDOWS: windows.unreadable} if windows.unreadable else {}
