"""Why a store has no windows of some choice, in a sentence."""

from slidetile.cloud.address import Location
from slidetile.counts import how_many
from slidetile.store.windows import Windows


def why_none(
    path: Location, windows: Windows, *, size: tuple[int, int], tiles: int, is_chosen: bool
) -> str:
    """Return why there are no windows, and what to choose.

    Parameters
    ----------
    path
        The store.
    windows
        What it has: none.
    size
        (width, height) of its level 0.
    tiles
        How many it has.
    is_chosen
        Whether windows may lie on some of them only.
    """
    if not tiles:
        return f"{path} has no tiles, so it has no windows."
    spec, (width, height) = windows.spec, size
    across, down = (step * spec.size for step in windows.downsample)
    if spec.edge == "drop" and (across > width or down > height):
        return (
            f"A window of {spec.size} px covers {across:.0f}×{down:.0f} px of level 0, but the "
            f"slide has {width}×{height} px there: choose a smaller size or a finer mpp."
        )
    chosen = " that where allows" if is_chosen else ""
    unreadable = f", {how_many(windows.unreadable, 'of them')} on tiles that could not be read"
    return (
        f"No window of {spec.size} px lies wholly on the tiles of {path}{chosen} and has at least "
        f"{spec.min_tissue_fraction:.0%} tissue{unreadable if windows.unreadable else ''}: choose "
        "a smaller size or a lower minimum tissue fraction."
    )
