"""Whether the windows of several stores can be of one dataset."""

from collections.abc import Mapping

from slidetile.store.store import TileStore

LARGEST_RATIO = 1.02
"""As far apart may the resolutions of stores be that count as the same."""


def check_alike(stores: Mapping[str, TileStore], mpp: float | None) -> None:
    """Make sure that stores have the same channels and samples, and one resolution.

    Raises
    ------
    ValueError
        They do not.
    """
    first = next(iter(stores))
    for name, store in stores.items():
        for what, one, other in (
            ("channels", len(stores[first].channels), len(store.channels)),
            ("samples", stores[first].dtype, store.dtype),
        ):
            if one != other:
                raise ValueError(
                    f"The {what} of {first} and {name} differ: {one} and {other}. Make a dataset "
                    "of each kind."
                )
    if mpp is None:
        _check_mpp(stores)


def _check_mpp(stores: Mapping[str, TileStore]) -> None:
    (name, first), *others = stores.items()
    for other, store in others:
        if not _are_near(first.mpp, store.mpp):
            raise ValueError(
                f"The pixels of {name} and {other} are of different sizes: {_told(first)} and "
                f"{_told(store)}. Give mpp, to read all at one resolution."
            )


def _are_near(one: tuple[float, float] | None, other: tuple[float, float] | None) -> bool:
    if one is None or other is None:
        return one is other
    pairs = zip(one, other, strict=True)
    return all(max(a, b) <= LARGEST_RATIO * min(a, b) for a, b in pairs)


def _told(store: TileStore) -> str:
    return "unknown" if store.mpp is None else f"{store.mpp[0]:g}×{store.mpp[1]:g} µm"
