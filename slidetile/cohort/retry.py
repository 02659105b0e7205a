"""Which failures may pass when a slide is tried again, and which may be of all slides."""

import errno
from collections.abc import Iterator

from slidetile.errors import StoreBusyError
from slidetile.runtime.processes import ProcessDiedError

_NAMES = """
EIO EAGAIN EINTR EBUSY ENOMEM ENFILE EMFILE ENOLCK ETIMEDOUT ESTALE EREMOTEIO EHOSTDOWN
EHOSTUNREACH ENETDOWN ENETUNREACH ENETRESET ECONNRESET ECONNABORTED ECONNREFUSED EPIPE
"""

_MAY_PASS = {getattr(errno, name) for name in _NAMES.split() if hasattr(errno, name)}
"""Errors of disks and networks that may answer again, and of what others hold at the moment."""


_MAY_HOLD_FOR_ALL = _MAY_PASS | {errno.EACCES, errno.EPERM, errno.EINVAL}
"""Also those of servers that let nobody in."""


def may_hold_for_all(error: BaseException) -> bool:
    """Return whether what failed by an error may fail for other slides, too.

    A bucket may be out of reach, or the credentials have expired; also where nothing came of it in
    the time that a slide has. To ask the bucket tells.
    """
    found = (each for each in _chain(error) if isinstance(each, OSError))
    return any(isinstance(e, TimeoutError) or e.errno in _MAY_HOLD_FOR_ALL for e in found)


def may_pass(error: BaseException) -> bool:
    """Return whether what failed by an error may succeed when it is tried again.

    A process that died may have been killed for another's memory; a disk or a network may answer
    again. What is no slide, does not exist, may not be read or took too long stays so.
    """
    return any(_is_passing(each) for each in _chain(error))


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, ProcessDiedError | StoreBusyError):
        return True
    return isinstance(error, OSError) and error.errno in _MAY_PASS


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and those that it came of."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
