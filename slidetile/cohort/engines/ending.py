"""Why a job has failed whose process ended before it could say so."""

from slidetile.errors import explain
from slidetile.runtime.foreign import ForeignExitError
from slidetile.runtime.processes import ProcessDiedError

PROCESS_ERRORS = (ProcessDiedError, TimeoutError, MemoryError, ForeignExitError)
"""What `slidetile.runtime.processes` raises in a call's stead."""


def reason_of(error: BaseException) -> str:
    """Return the reason of a failure, of one of `PROCESS_ERRORS`."""
    if isinstance(error, ProcessDiedError):
        return f"{error}: a decoder or a detector crashed on this slide, or memory ran out"
    return explain(error)
