"""What an export of windows leaves out."""

from slidetile.export.exported import UNREADABLE_WINDOWS
from slidetile.store.windows import Windows


def left_out(windows: Windows) -> dict[str, int]:
    """Return how many windows are left out, by the reason."""
    return {UNREADABLE_WINDOWS: windows.unreadable} if windows.unreadable else {}
