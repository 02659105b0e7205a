"""Where a run's logs are written on this machine.

Knows that nothing is appended to in a bucket. Does not know what logs say.
"""

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

from slidetile.cohort.layout import RunFolder

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def log_folder_of(run: RunFolder) -> Iterator[Path]:
    """Yield the folder that the logs of slides are written in: the run's own, or a temporary one.

    From that each is put into the bucket when its slide ends. Those that could not be put stay, and
    so does the folder.
    """
    if isinstance(run.path, Path):
        yield run.path
        return
    folder = Path(tempfile.mkdtemp(prefix="slidetile-logs-"))
    try:
        yield folder
    finally:
        try:
            folder.rmdir()
        except OSError:
            _log.warning("logs that could not be written to %s are in %s", run.path, folder)
