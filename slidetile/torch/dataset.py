"""Windows of any number of stores as a map-style dataset of PyTorch."""

from collections.abc import Iterable, Iterator, Sequence
from operator import index as as_index
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slidetile.choices import MIN_TISSUE_FRACTION, ColorName, Edge
from slidetile.counts import how_many
from slidetile.errors import StoreError
from slidetile.store.window_source import WindowSpec
from slidetile.torch._batches import TileItem
from slidetile.torch._damage import Unreadable, check_unreadable, was_read
from slidetile.torch._items import ItemMaker
from slidetile.torch._joined import (
    DamagedWindow,
    Jitter,
    JoinedWindows,
    ReadWindow,
    Transform,
)
from slidetile.torch._library import Dataset
from slidetile.torch._shared_numbers import SharedNumbers

if TYPE_CHECKING:
    from slidetile.store.store import TileChoice
    from slidetile.torch._labels import LabelChoice
    from slidetile.torch._opening import Stores


class TileDataset(Dataset):  # type: ignore[misc]  # of torch, whose types are not read
    """Windows of stores, each with where it lies, its slide, and its label.

    A DataLoader fetches batch by batch (``__getitems__``): windows of a batch that share chunks
    decode them about once, and of the store read last, each worker keeps up to 64 MiB of decoded
    chunks of each level for its next batch. Picklable and safe to fork: workers open the stores
    that they read, when they first do. An item is a dictionary, which the default collation joins
    to batches:

    - ``image``: uint8 [channel, row, column] (int32, where samples have more than 8 bits), its
      channels beside each other in memory (``torch.channels_last``);
    - ``x``, ``y``: its left and top edge in level-0 pixels of the slide, rounded down;
    - ``slide``: the store's name; ``index``: the window's index here;
    - ``label``, with ``labels``; ``context``, with ``context_mpp``.

    Parameters
    ----------
    stores
        A store or where it is; several of them; a mapping of names to them; or a folder of stores,
        such as `tile_slides` writes.
    size, stride, mpp, min_tissue_fraction, edge, color
        As in `TileStore.windows`.
    where
        Which tiles windows may lie on; as in `TileStore.windows`.
    transform
        What is done with each image before it is given: takes and returns a tensor. With contexts
        it is called once, with window and contexts as [1 + context, channel, row, column], so that
        what turns one turns all; transforms of torchvision (v2) take both.
    labels
        Where labels are from. The name of a column of the tile table: a window has the value of the
        tile under its centre, which is the tile's own: where windows are smaller than tiles, all
        of one tile have the same ``class_…`` or ``count_…``. Words become the place of the class in
        `classes`, -1 where there is none; numbers float32, NaN where there is none. Several names
        give a vector of numbers.
        Of stores that were tiled with labels, "classes" gives a vector of each window's share of
        each class, computed for the window itself, and "class" the class with the largest one.
        Something with ``names`` and ``fractions(regions)``, or a mapping of each store's name to
        such, gives such a vector as well. Moving a window by jitter does not change its label.
    context_mpp
        Coarser resolutions, or one, in µm per pixel. Each window then has a ``context``: of each,
        an image of the same size in pixels around the same centre. What is not stored has the
        background's colour there.
    jitter_px
        How far a window is moved at most, in its own pixels, to each side: anew in each epoch, the
        same for the same seed, epoch and index. It stays on the tiles that it may lie on: where it
        would not in eight tries, it is not moved.
    unreadable
        What becomes of a window of which a chunk is damaged. "raise" stops with an error that names
        it; "skip" leaves it out of its batch, with a warning that names it. Windows on tiles that
        could not be read from the slide are no windows of a store; `unreadable_tiles` has their
        number.
    seed
        Of the jitter.

    Raises
    ------
    ValueError
        No window is left, stores do not fit together, or a value is out of its range.
    MissingResolutionError
        An mpp is asked for, and a store does not know its own.
    SlidetileError
        A store cannot be opened.
    """

    def __init__(  # noqa: PLR0913  each says one thing about the windows
        self,
        stores: "Stores",
        *,
        size: int = 256,
        stride: int | None = None,
        mpp: float | None = None,
        min_tissue_fraction: float = MIN_TISSUE_FRACTION,
        edge: Edge = "drop",
        where: "TileChoice | None" = None,
        color: ColorName | None = None,
        transform: Transform | None = None,
        labels: "LabelChoice | None" = None,
        context_mpp: float | Sequence[float] = (),
        jitter_px: int = 0,
        unreadable: Unreadable = "raise",
        seed: int = 0,
    ) -> None:
        from slidetile.torch._choosing import chosen_windows, contexts_of

        check_unreadable(unreadable)
        spec = WindowSpec(
            size=size, stride=stride, mpp=mpp, min_tissue_fraction=min_tissue_fraction, edge=edge
        )
        contexts = contexts_of(context_mpp)
        chosen = chosen_windows(
            stores, spec, where=where, color=color, labels=labels, context_mpp=contexts
        )
        self._unreadable_tiles = chosen.unreadable_tiles
        self._maker = ItemMaker(windows=chosen.windows, labels=chosen.labels, transform=transform)
        self._unreadable = unreadable
        self._jitter_px, self._seed = natural(jitter_px, "jitter_px"), natural(seed, "seed")
        self._settings = {
            "size": spec.size,
            "mpp": spec.mpp,
            "color": color,
            "context_mpp": list(contexts),
            "jitter_px": self._jitter_px,
            "jitter_seed": self._seed if self._jitter_px else 0,
        }
        self._epoch = SharedNumbers([0])

    @property
    def windows(self) -> JoinedWindows:
        """What the windows are read from."""
        return self._maker.windows

    @property
    def settings(self) -> dict[str, Any]:
        """What of the arguments, besides where windows lie, changes the images: for a state."""
        return dict(self._settings)

    @property
    def slides(self) -> tuple[str, ...]:
        """The name of each store."""
        return self.windows.names

    @property
    def counts(self) -> dict[str, int]:
        """The number of windows of each store, those that have none included."""
        return {
            name: len(source)
            for name, source in zip(self.slides, self.windows.sources, strict=True)
        }

    @property
    def unreadable_tiles(self) -> dict[str, int]:
        """The number of tiles of each store that could not be read from its slide."""
        return dict(self._unreadable_tiles)

    @property
    def coordinates(self) -> NDArray[np.int64]:
        """int64 [window, 2]: left (x) and top (y) edge in level-0 pixels of its slide."""
        return np.concatenate([source.slide_corners for source in self.windows.sources])

    @property
    def slide_numbers(self) -> NDArray[np.int64]:
        """int64 [window]: which of `slides` each window is of."""
        return np.repeat(np.arange(len(self.slides)), list(self.counts.values()))

    @property
    def labels(self) -> NDArray[Any] | None:
        """The label of each window; None without."""
        return None if self._maker.labels is None else self._maker.labels.values

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that labels stand for, or the columns whose values they are."""
        return () if self._maker.labels is None else self._maker.labels.names

    @property
    def epoch(self) -> int:
        """The epoch, by which windows are moved."""
        return self._epoch[0]

    def set_epoch(self, epoch: int) -> None:
        """Move windows as is the epoch's turn; workers that are running already do so, too."""
        self._epoch[0] = natural(epoch, "epoch")

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> TileItem:
        """Return one window.

        Raises
        ------
        IndexError
            There is no such window.
        StoreError
            It cannot be read, whatever ``unreadable`` says; or its store was replaced or deleted.
        """
        (window,) = self.windows.read([self._checked(index)], self.jitter)
        if isinstance(window, DamagedWindow):
            raise window.error
        return self._maker.make(window)

    def __getitems__(self, indices: Sequence[int]) -> list[TileItem]:
        """Return several windows, in this order, each chunk they share decoded about once.

        Raises
        ------
        IndexError
            There is no such window.
        StoreError
            One cannot be read, and is not to be left out, or none can; or a store was replaced or
            deleted.
        """
        wanted = [self._checked(index) for index in indices]
        read = self.windows.read(wanted, self.jitter, self._maker.outs(wanted))
        items = [self._maker.make(window) for window in read if was_read(window, self._unreadable)]
        if read and not items:
            raise StoreError(
                f"None of the {how_many(len(read), 'windows')} of a batch can be read, so none "
                "are left: run slidetile verify on their stores."
            )
        return items

    @property
    def jitter(self) -> Jitter | None:
        """How windows are moved in this epoch; None where they stay."""
        if not self._jitter_px:
            return None
        return Jitter(reach_px=self._jitter_px, seed=self._seed, epoch=self.epoch)

    def read_each(self, indices: Sequence[int]) -> Iterator[ReadWindow | DamagedWindow]:
        """Yield windows as they are read, in this order; chunks are kept from one to the next."""
        return self.windows.read_each(indices, self.jitter)

    def made(self, read: Iterable[ReadWindow | DamagedWindow]) -> Iterator[TileItem]:
        """Yield windows that were read as items.

        Raises
        ------
        StoreError
            One could not be read, and is not to be left out.
        """
        return (self._maker.make(window) for window in read if was_read(window, self._unreadable))

    def _checked(self, index: int) -> int:
        number = as_index(index)
        if not -len(self) <= number < len(self):
            raise IndexError(
                f"The dataset has {how_many(len(self), 'windows')}, so there is no window {number}."
            )
        return number % len(self)

    def __repr__(self) -> str:
        spec = self.windows.sources[0].spec
        mpp = "" if spec.mpp is None else f" at {spec.mpp:g} µm per pixel"
        return (
            f"{type(self).__name__}({how_many(len(self), 'windows')} of {spec.size} px{mpp}, of "
            f"{how_many(len(self.slides), 'stores')})"
        )


def natural(number: int, name: str) -> int:
    """Return a number that is a whole one, 0 or more.

    Raises
    ------
    ValueError
        It is not.
    """
    found = as_index(number)
    if not 0 <= found < 1 << 63:
        raise ValueError(f"{name} is a number from 0 on, but this one is {found}.")
    return found
