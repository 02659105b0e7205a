"""The error of a cluster, which ends a run."""

from slidetile.errors import SlidetileError


class ClusterError(SlidetileError):
    """A cluster cannot carry out a run: it is not there, or its workers can do none of it."""
