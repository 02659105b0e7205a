"""The windows of a dataset, chosen and labelled: what is done once, before anything is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slidetile.choices import ColorName
from slidetile.counts import how_many
from slidetile.store.store import TileStore
from slidetile.store.window_source import WindowSource, WindowSpec
from slidetile.torch._joined import JoinedWindows
from slidetile.torch._labelled import Labels
from slidetile.torch._labels import LabelChoice, labels_of
from slidetile.torch._likeness import check_alike
from slidetile.torch._opening import Stores, opened

if TYPE_CHECKING:
    from slidetile.store.store import TileChoice


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChosenWindows:
    """The windows of a dataset, and what is known of them."""

    windows: JoinedWindows
    """The windows."""

    labels: Labels | None
    """Their labels."""

    unreadable_tiles: dict[str, int]
    """Tiles of each store that could not be read from its slide."""


def chosen_windows(
    stores: Stores,
    spec: WindowSpec,
    *,
    where: "TileChoice | None",
    color: ColorName | None,
    labels: LabelChoice | None,
    context_mpp: tuple[float, ...],
) -> ChosenWindows:
    """Open stores and choose their windows.

    Raises
    ------
    ValueError, MissingResolutionError, SlidetileError
        As in `TileDataset`.
    """
    named = opened(stores)
    check_alike(named, spec.mpp)
    sources = [
        store.window_source(spec, where=where, color=color, context_mpp=context_mpp)
        for store in named.values()
    ]
    if not any(map(len, sources)):
        raise ValueError(_why_none(named, sources, spec, is_chosen=where is not None))
    return ChosenWindows(
        windows=JoinedWindows(sources, list(named)),
        labels=None if labels is None else labels_of(labels, named, sources),
        unreadable_tiles={name: store.unreadable for name, store in named.items()},
    )


def contexts_of(given: float | Sequence[float]) -> tuple[float, ...]:
    """Return the resolutions of the surroundings; a number is one of them.

    Raises
    ------
    TypeError
        They are no numbers.
    """
    try:
        each = [given] if isinstance(given, int | float | str) else list(given)
        return tuple(map(float, each))
    except (TypeError, ValueError):
        raise TypeError(
            "context_mpp is a number or several, in µm per pixel, such as (1.0, 4.0), but this "
            f"one is {given!r}."
        ) from None


def _why_none(
    stores: Mapping[str, TileStore],
    sources: list[WindowSource],
    spec: WindowSpec,
    *,
    is_chosen: bool,
) -> str:
    """Return why there are no windows."""
    sizes = {name: source.slide_size for name, source in zip(stores, sources, strict=True)}
    if all(spec.size > min(size) for size in sizes.values()):
        name, (width, height) = max(sizes.items(), key=lambda item: min(item[1]))
        return (
            f"A window of {spec.size}×{spec.size} px is larger than each slide: the largest, "
            f"{name}, has {width}×{height} px at that resolution. Ask for smaller ones."
        )
    tiles, smallest = sum(map(len, stores.values())), min(s.tile_size for s in stores.values())
    least = f"at least {spec.min_tissue_fraction:g} tissue (min_tissue_fraction)"
    chosen = ", on those that where allows" if is_chosen else ""
    return (
        f"No window is left: none of {spec.size}×{spec.size} px lies wholly on the "
        f"{how_many(tiles, 'tiles')} of {how_many(len(stores), 'stores')}{chosen}, with {least}. "
        f"Tiles have {smallest} px: ask for smaller windows, less tissue, or other tiles."
    )
