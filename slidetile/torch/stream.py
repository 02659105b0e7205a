"""Windows of stores as an iterable dataset, which shuffles and decodes each chunk once."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.counts import how_many
from slidetile.torch._batches import TileItem
from slidetile.torch._beginnings import Beginnings
from slidetile.torch._giving import given
from slidetile.torch._library import IterableDataset, get_worker_info
from slidetile.torch._order import Order, Share, in_order, ordered
from slidetile.torch._progress import Progress, Reached, batches_of, delivered
from slidetile.torch._ranks import Rank
from slidetile.torch.dataset import TileDataset, natural


class TileStream(IterableDataset):  # type: ignore[misc]  # of torch, whose types are not read
    """The windows of a dataset, each once an epoch, in an order that is good to read.

    Shuffling a `TileDataset` decodes a chunk again for each batch that needs it. A stream decodes
    it once: windows that share chunks make a run; runs are shuffled, and some are read at a time,
    each from its beginning to its end; what is given is drawn from the windows that were read and
    wait in a buffer. (Two shares that divide a run, and stripes of a slide wider than 8192 px,
    decode the chunks on their border once each.) Items are those of the dataset.

    Workers of a DataLoader and training processes share each epoch: shares are disjoint and
    complete, and differ by one window at most. None is left out, and none is given twice to make
    ranks equal: where all must take the same number of steps, take those of the smallest share, or
    let ``torch.distributed.algorithms.Join`` wait for the others.

    The order follows from the seed and the epoch, the number of shares and the settings here, and
    from nothing else. Call `set_epoch` before each epoch; otherwise all are the same.

    A training that is interrupted goes on with the next window: `state_after` tells what to save,
    and `load_state_dict` takes it. torchdata's StatefulDataLoader does both by itself.

    Parameters
    ----------
    tiles
        The windows.
    shuffle
        Whether they are given in a drawn order; otherwise store by store, as a store orders them.
    buffer
        The most windows that wait, of each worker: the more, the better they are mixed. Of 256 px
        and three channels, 1,024 take 200 MB.
    open_runs
        The most runs that are read at a time. Each keeps decoded chunks, in 64 MiB for each level
        at most; those of three rows of chunks, as a rule.
    seed
        Of the order.
    rank, world_size
        Which of how many training processes this is; None is what ``RANK`` and ``WORLD_SIZE`` in
        the environment say, as torchrun sets them, or the only one.

    Raises
    ------
    ValueError
        A number is out of its range.
    TypeError
        The windows are no `TileDataset`.
    """

    def __init__(
        self,
        tiles: TileDataset,
        *,
        shuffle: bool = True,
        buffer: int = 1024,
        open_runs: int = 4,
        seed: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        if not isinstance(tiles, TileDataset):
            raise TypeError(
                f"A TileStream is of a TileDataset, not of {type(tiles).__name__}: "
                "TileStream(TileDataset(stores, size=…))."
            )
        for name, number in (("buffer", buffer), ("open_runs", open_runs)):
            if natural(number, name) < 1:
                raise ValueError(f"{name} is at least 1, but this one is {number}.")
        self._tiles = tiles
        self._shuffle, self._seed = shuffle, natural(seed, "seed")
        self._buffer, self._open_runs = buffer, open_runs
        self._rank, self._world_size = rank, world_size
        self._starts = _run_starts(tiles)
        self._progress, self._beginnings = Progress(of=self._identity()), Beginnings()

    @property
    def tiles(self) -> TileDataset:
        """The windows."""
        return self._tiles

    @property
    def epoch(self) -> int:
        """The epoch that is given next, or now."""
        return self._tiles.epoch

    @property
    def count(self) -> int:
        """The number of windows that this rank gives in an epoch, all its workers together."""
        rank = self._own_rank()
        return Share(number=rank.number, count=rank.count).size(len(self._tiles))

    def set_epoch(self, epoch: int) -> None:
        """Give an epoch from the next iteration on, by workers that are running, too.

        Where it is that of a state that was loaded, what was left of it is given first.
        """
        if epoch != self.epoch or not self._progress.is_of(epoch):
            self._progress.forget()
            self._beginnings.forget(self._own_rank().number)
        self._tiles.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return how far this process has come, to save it.

        In the process that iterates: without workers, or where a loader asks its workers, as
        torchdata's StatefulDataLoader does. `state_after` is for a DataLoader with workers.

        Raises
        ------
        RuntimeError
            Workers iterate, and this is asked of the process that trains, which does not see how
            far they have come.
        """
        if get_worker_info() is None and self._beginnings.by_workers(self._own_rank().number):
            raise RuntimeError(
                "This stream is given by workers of a DataLoader, and the process that trains does "
                "not see how far they have come: ask state_after(batches, batch_size=…, "
                "num_workers=…), or use torchdata's StatefulDataLoader and ask that."
            )
        begin = Reached(epoch=self.epoch, shares=self._own_share().count)
        return self._progress.state(self._progress.reached or begin)

    def state_after(
        self, batches: int, *, batch_size: int, num_workers: int = 0, drop_last: bool = False
    ) -> dict[str, Any]:
        """Return the state once a DataLoader of such settings has given so many batches.

        They are counted from where its iteration began, as ``enumerate`` does: the first one after
        `load_state_dict` began where the state was saved. It is exact as long as no window was
        left out as unreadable.

        It is computed from these numbers, and believes them: the DataLoader's own batch size,
        number of workers and ``drop_last`` have to be given. With others, training goes on
        elsewhere: windows are given twice, or never. Only what cannot be is refused.

        Raises
        ------
        ValueError
            A number is out of its range, no epoch has so many batches, another number of workers
            gives this stream, or what was loaded is of another number of them.
        """
        if natural(batch_size, "batch_size") < 1:
            raise ValueError(f"batch_size is at least 1, but this one is {batch_size}.")
        rank, workers = self._own_rank(), max(natural(num_workers, "num_workers"), 1)
        self._check_workers(num_workers, rank)
        begin = self._progress.going_on()
        begin = begin or Reached(epoch=self.epoch, shares=rank.count * workers)
        begin.check_shares(rank.count * workers)
        numbers = range(rank.number * workers, (rank.number + 1) * workers)
        begun = {n: begin.given.get(n, 0) for n in numbers}
        sizes = {n: Share(number=n, count=begin.shares).size(len(self._tiles)) for n in numbers}
        left = {n: max(sizes[n] - begun[n], 0) for n in numbers}
        count = natural(batches, "batches")
        most = batches_of(left.values(), batch_size, drop_last=drop_last)
        if count > most:
            raise ValueError(
                f"{how_many(count, 'batches')} of {batch_size} cannot have been given: "
                f"{how_many(workers, 'shares')} with {sum(left.values())} windows left give {most}."
                " Count from where the iteration began, and give the DataLoader's own batch_size, "
                "num_workers and drop_last."
            )
        more = delivered(left, count, batch_size, drop_last=drop_last)
        given = {n: begun[n] + more[n] for n in numbers}
        return self._progress.state(Reached(epoch=begin.epoch, shares=begin.shares, given=given))

    def _check_workers(self, given: int, rank: Rank) -> None:
        begun = self._beginnings.workers(rank.number)
        if begun and begun != given:
            raise ValueError(
                f"num_workers is {given}, but this stream is given by {how_many(begun, 'workers')}"
                ": give the DataLoader's own num_workers."
            )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a state was saved.

        The next iteration gives what was left, in its order, with workers as without; those after
        it give whole epochs. The epoch is the state's; but one that has nothing left does not go
        back from a later one.

        Raises
        ------
        ValueError
            The state is of other windows or settings, or of another rank; or it is none.
        """
        rank = self._own_rank()
        reached = self._progress.load(state, rank)
        if get_worker_info() is None:
            self._beginnings.load(rank.number)
        if self.epoch < reached.epoch or not reached.has_all(len(self._tiles)):
            self._tiles.set_epoch(reached.epoch)

    def __iter__(self) -> Iterator[TileItem]:
        share, worker = self._own_share(), get_worker_info()
        iteration = 0 if worker is None else worker.seed - worker.id  # its seed, which they share
        reached = self._progress.begin(share, epoch=self.epoch, iteration=iteration)
        workers = 0 if worker is None else worker.num_workers
        if not self._beginnings.begin(self._own_rank().number, workers=workers):
            return _loaded_too_late()
        return self._items(self._order(share), share, reached)

    def _items(self, order: Order, share: Share, reached: Reached) -> Iterator[TileItem]:
        for window in given(order, reached.given[share.number], self._tiles.read_each):
            reached.given[share.number] += 1
            self._progress.reached = reached
            yield from self._tiles.made([window])

    def _order(self, share: Share) -> Order:
        runs = np.split(np.arange(len(self._tiles)), self._starts[1:])
        if not self._shuffle:
            return in_order(runs, share)
        return ordered(
            runs,
            share,
            seed=self._seed,
            epoch=self.epoch,
            buffer=self._buffer,
            open_runs=self._open_runs,
        )

    def _own_rank(self) -> Rank:
        return Rank.given(self._rank, self._world_size)

    def _own_share(self) -> Share:
        """Return the share of this worker of this rank."""
        rank, worker = self._own_rank(), get_worker_info()
        workers, number = (1, 0) if worker is None else (worker.num_workers, worker.id)
        return Share(number=rank.number * workers + number, count=rank.count * workers)

    def _identity(self) -> dict[str, Any]:
        """Return what is given and in which order, besides the epoch and the shares."""
        digest = hashlib.sha256("\0".join(self._tiles.slides).encode())
        for array in (self._tiles.coordinates, self._starts):
            digest.update(array.tobytes())
        return {
            "windows": digest.hexdigest(),
            "seed": self._seed,
            "shuffle": self._shuffle,
            "buffer": self._buffer,
            "open_runs": self._open_runs,
            **self._tiles.settings,
        }

    def __repr__(self) -> str:
        how = f"shuffled by {self._seed}" if self._shuffle else "in order"
        return (
            f"TileStream({how_many(len(self._tiles), 'windows')} in "
            f"{how_many(len(self._starts), 'runs')}, {how})"
        )


def _loaded_too_late() -> Iterator[TileItem]:
    """Raise when an item is asked for: a worker that is kept dies of what ``iter`` raises."""
    yield from ()
    raise ValueError(
        "A state was loaded after the workers of this DataLoader had started, so they do not have "
        "it: load it before they start, or make a new DataLoader."
    )


def _run_starts(tiles: TileDataset) -> NDArray[np.int64]:
    """Return the first window of each run."""
    sources = tiles.windows.sources
    first = np.cumsum([0, *map(len, sources)])
    starts = [source.run_starts() + at for source, at in zip(sources, first.tolist(), strict=False)]
    return np.concatenate(starts).astype(np.int64)
