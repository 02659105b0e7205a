"""The options of a batch that say on which cluster it runs."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import click

from slidetile.cli.places import PATH

if TYPE_CHECKING:
    from slidetile.cohort.batch_options import BatchOptions
    from slidetile.cohort.engines.dask import DaskEngine

Command = TypeVar("Command", bound=Callable[..., Any])


def cluster_options(command: Command) -> Command:
    """Add the options to a command."""
    for option in (
        click.option(
            "--split-tiles",
            type=click.IntRange(min=1),
            metavar="N",
            help="Have a slide of more tiles written by several tasks; needs --scheduler or "
            "--cluster.  [default: none is split]",
        ),
        click.option(
            "--cluster",
            type=PATH,
            metavar="FILE",
            help="Tile on the jobs that a YAML file describes, through dask-jobqueue.",
        ),
        click.option(
            "--scheduler",
            metavar="ADDRESS",
            help="Tile on the workers of a scheduler of dask.distributed, such as tcp://host:8786.",
        ),
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterChoice:
    """On which cluster a batch runs, if on any."""

    scheduler: str | None
    """Address of a scheduler."""

    cluster: Path | None
    """File that describes a cluster."""

    split_tiles: int | None
    """The most tiles that one task writes."""

    @classmethod
    def take(cls, options: dict[str, Any], *, isolate: bool) -> Self:
        """Remove the options about clusters from a command's; return them as a value.

        ``isolate``, and what else is about this machine's processes, does not go with a cluster.
        """
        names = ("scheduler", "cluster", "split_tiles")
        choice = cls(**{name: options.pop(name) for name in names})
        if choice.scheduler is not None and choice.cluster is not None:
            raise click.UsageError("--scheduler and --cluster exclude each other.")
        if choice.split_tiles is not None and not choice.is_any:
            raise click.UsageError("--split-tiles needs --scheduler or --cluster.")
        is_given = options["processes"] is not None
        if choice.is_any and (is_given or isolate):
            name = "--processes" if is_given else "--isolate"
            raise click.UsageError(
                f"{name} is about processes of this machine, and a cluster's workers tile the "
                "slides: leave it out."
            )
        return choice

    @property
    def is_any(self) -> bool:
        """Whether the batch runs on a cluster at all."""
        return self.scheduler is not None or self.cluster is not None

    @contextmanager
    def engine(
        self, how: "BatchOptions", *, memory_bytes: int | None
    ) -> Iterator["DaskEngine | None"]:
        """Open the cluster's engine, None where there is no cluster.

        ``memory_bytes`` is the most that the process of a task may hold.

        Raises
        ------
        ClusterError
            The cluster is not there, or cannot be started.
        """
        if not self.is_any:
            yield None
            return
        from slidetile.cohort.engines.clusters import cluster_client, scheduler_client
        from slidetile.cohort.engines.dask import DaskEngine

        _silence_dask()
        if self.cluster is not None:
            opened = cluster_client(self.cluster)
        else:
            assert self.scheduler is not None, "asked for only where there is a cluster"
            opened = scheduler_client(self.scheduler)
        with opened as client:
            yield DaskEngine(
                client,
                most_tiles=self.split_tiles,
                threads=how.workers,
                timeout_s=how.timeout_s,
                memory_bytes=memory_bytes,
            )


def _silence_dask() -> None:
    """Silence Dask's logs: of a lost connection they say in many lines what the engine does in one.

    Dask gives its loggers handlers and levels when it is loaded.
    """
    import importlib
    import importlib.util

    if importlib.util.find_spec("distributed") is None:
        return  # which opening the cluster tells
    importlib.import_module("distributed")
    for name in [*logging.root.manager.loggerDict]:
        if name.partition(".")[0] in {"asyncio", "distributed", "tornado"}:
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = [logging.NullHandler()], False
