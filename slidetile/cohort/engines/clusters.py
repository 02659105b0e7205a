"""Clients of dask.distributed: of a scheduler that runs, or of a cluster that a file describes.

Knows how a scheduler is reached, and what a cluster's file may hold. Does not know what is done
there.
"""

import difflib
import inspect
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from slidetile.cohort.engines.cluster_error import ClusterError
from slidetile.errors import explain
from slidetile.runtime.files import read_regular

if TYPE_CHECKING:
    from distributed import Client

LARGEST_FILE_BYTES = 1 << 20
"""More is no description of a cluster."""

CONNECT_S = 15
"""Seconds in which a scheduler must answer."""

KINDS = {
    "htcondor": "HTCondorCluster",
    "lsf": "LSFCluster",
    "moab": "MoabCluster",
    "oar": "OARCluster",
    "pbs": "PBSCluster",
    "sge": "SGECluster",
    "slurm": "SLURMCluster",
    "local": "LocalCluster",
}
"""The classes of dask-jobqueue; "local" has its jobs run on this machine, to try a file out."""

_HIDDEN = {"self", "args", "kwargs", "job_kwargs", "job_cls", "loop", "asynchronous", "scheduler"}
"""Parameters that a file may not set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFile:
    """What a cluster's file says.

    Raises
    ------
    ClusterError
        A value cannot be what it is.
    """

    kind: str
    """One of `KINDS`."""

    jobs: int | None = None
    """Number of jobs to start; None where it follows the work."""

    adapt: tuple[int, int] | None = None
    """(fewest, most) jobs, where their number follows the work."""

    keywords: Mapping[str, Any] = field(default_factory=dict)
    """What the class of dask-jobqueue is given."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            known = ", ".join(KINDS)
            raise ClusterError(
                f"kind is one of {known}, but not {self.kind!r}{_meant(self.kind, KINDS)}."
            )
        if (self.jobs is None) == (self.adapt is None):
            raise ClusterError(
                "Either jobs, a number, or adapt, as in {minimum: 0, maximum: 20}, says how many "
                f"jobs to start, but {'neither' if self.jobs is None else 'both'} is there."
            )
        if self.jobs is not None and not _is_number(self.jobs, least=1):
            raise ClusterError(f"jobs is a number from 1 on, but not {self.jobs!r}.")
        if self.adapt is not None:
            fewest, most = self.adapt
            if not (_is_number(fewest, least=0) and _is_number(most, least=max(1, fewest))):
                raise ClusterError(
                    "adapt has a minimum from 0 and a maximum from 1 on, but they are "
                    f"{fewest!r} and {most!r}."
                )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file.

        Raises
        ------
        ClusterError
            It cannot be read, is not YAML, or says something that it may not. The message names the
            file and the key.
        """
        try:
            return cls._of(_read_yaml(path))
        except ClusterError as error:
            raise ClusterError(f"{path}: {error}") from error

    @classmethod
    def _of(cls, node: object) -> Self:
        if not isinstance(node, dict) or not all(isinstance(key, str) for key in node):
            raise ClusterError(
                "it holds no keys with values, such as kind: slurm, jobs: 10, cores: 8 and "
                "memory: 32GB."
            )
        values = dict(node)
        if "class" in values:
            name = values.pop("class")
            values.setdefault("kind", next((k for k, v in KINDS.items() if v == name), name))
        if "kind" not in values:
            raise ClusterError(f"kind is missing: one of {', '.join(KINDS)}.")
        kind, jobs = str(values.pop("kind")), values.pop("jobs", None)
        return cls(kind=kind, jobs=jobs, adapt=_adapt(values.pop("adapt", None)), keywords=values)

    def checked_keywords(self, class_: type) -> dict[str, Any]:
        """Return the keywords for a class of dask-jobqueue.

        Raises
        ------
        ClusterError
            It has no such keyword.
        """
        known = _parameters(class_)
        for name in self.keywords:
            if name not in known:
                raise ClusterError(
                    f"{KINDS[self.kind]} of dask-jobqueue has no keyword {name!r}"
                    f"{_meant(name, known)}."
                )
        keywords = dict(self.keywords)
        if "cores" in keywords:  # a task needs a process of its own: see the docs on clusters
            keywords.setdefault("processes", keywords["cores"])
        return keywords


def _is_number(value: object, *, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _adapt(node: object) -> tuple[int, int] | None:
    if node is None:
        return None
    if not isinstance(node, dict) or set(node) != {"minimum", "maximum"}:
        raise ClusterError(f"adapt has a minimum and a maximum, but it is {node!r}.")
    return node["minimum"], node["maximum"]


def _read_yaml(path: Path) -> object:
    import yaml

    try:
        data = read_regular(path, LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise ClusterError(f"it cannot be read: {error.strerror or error}.") from error
    if len(data) > LARGEST_FILE_BYTES:
        raise ClusterError(f"it has more than {LARGEST_FILE_BYTES} bytes.")
    try:
        return yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ClusterError(f"it is not YAML: {explain(error)}") from error


def _meant(name: str, known: Mapping[str, Any] | set[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _parameters(class_: type) -> set[str]:
    """Return the keywords of a class, of those that it is derived from, and of its jobs."""
    job: type = class_.job_cls  # type: ignore[attr-defined]
    classes = [each for each in (*class_.__mro__, *job.__mro__) if _is_of_jobqueue(each)]
    names = {name for each in classes for name in inspect.signature(each.__init__).parameters}  # type: ignore[misc]
    return names - _HIDDEN


def _is_of_jobqueue(class_: type) -> bool:
    return class_.__module__.startswith("dask_jobqueue.") and "__init__" in vars(class_)


@contextmanager
def scheduler_client(address: str) -> Iterator["Client"]:
    """Open a client of a scheduler that runs, such as ``tcp://host:8786``.

    Raises
    ------
    ClusterError
        There is none, or the extra ``cluster`` is not installed.
    """
    client_class = _client_class()
    try:
        _knock(address)
        client = client_class(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError, ImportError) as error:
        raise ClusterError(
            f"No scheduler of dask.distributed answers at {address} ({explain(error)}): give its "
            "address as its log tells it, such as tcp://host:8786."
        ) from error
    with client:
        yield client


def _knock(address: str) -> None:
    """Connect once, and hang up: a client that cannot takes half a minute more to be closed.

    Raises
    ------
    OSError, ValueError
        Nothing listens at the address, or it is none.
    """
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    if parts.scheme in ("tcp", "tls"):
        where = parts.hostname or "", parts.port or 8786
        socket.create_connection(where, timeout=CONNECT_S).close()


@contextmanager
def cluster_client(path: Path) -> Iterator["Client"]:
    """Start the cluster that a file describes, through dask-jobqueue, and open a client of it.

    Its jobs end when the context does.

    Raises
    ------
    ClusterError
        The file cannot be used, the cluster cannot be started, or the extra ``cluster`` is not
        installed.
    """
    client_class = _client_class()
    file = ClusterFile.read(path)
    with ExitStack() as stack:
        try:
            class_ = _cluster_class(file.kind)
            cluster = stack.enter_context(class_(**file.checked_keywords(class_)))
            if file.adapt is None:
                cluster.scale(jobs=file.jobs)
            else:
                fewest, most = file.adapt
                cluster.adapt(minimum_jobs=fewest, maximum_jobs=most)
            client = stack.enter_context(client_class(cluster, set_as_default=False))
        except ClusterError as error:
            raise ClusterError(f"{path}: {error}") from error
        except (OSError, TimeoutError, ValueError, TypeError, RuntimeError) as error:
            raise ClusterError(
                f"{path}: the cluster cannot be started: {explain(error)}"
            ) from error
        yield client


def _client_class() -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise ClusterError(
            "Clusters need dask.distributed: pip install 'slidetile[cluster]'."
        ) from error
    return Client


def _cluster_class(kind: str) -> Any:
    try:
        import dask_jobqueue
        from dask_jobqueue.local import LocalCluster
    except ImportError as error:
        raise ClusterError(
            "A cluster from a file needs dask-jobqueue: pip install 'slidetile[cluster]'."
        ) from error
    return LocalCluster if kind == "local" else getattr(dask_jobqueue, KINDS[kind])
