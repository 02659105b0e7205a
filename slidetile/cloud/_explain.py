"""What obstore's errors mean: an error of the system, with a sentence for people.

An OSError of the right kind is what the rest of slidetile knows how to tell, to retry and to
continue after. Nothing of a request's address or headers gets into it: they may hold secrets.
"""

import errno
import re
from enum import Enum

from slidetile.cloud.address import Address
from slidetile.cloud.errors import changed

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z]{1,64})</Code>|\(code: ([A-Za-z]{1,64})\)")
_RETRIES = re.compile(r"after (\d+) retries")

_DENIED = (
    *("AccessDenied", "AllAccessDisabled", "AccountProblem", "InvalidAccessKeyId"),
    *("SignatureDoesNotMatch", "AuthorizationPermissionMismatch", "AuthorizationFailure"),
)
_EXPIRED = ("ExpiredToken", "RequestExpired", "TokenRefreshRequired", "ExpiredTokenException")
_THROTTLED = ("SlowDown", "Throttling", "TooManyRequests", "RequestLimitExceeded", "ServerBusy")


class Right(Enum):
    """What a request needs to be allowed, as Amazon, Google and Azure call it."""

    READ = (
        "s3:GetObject, and s3:ListBucket, without which what is not there is denied as well",
        *("storage.objects.get", "read"),
    )
    WRITE = "s3:PutObject", "storage.objects.create", "write"
    REMOVE = "s3:DeleteObject", "storage.objects.delete", "delete"
    LIST = "s3:ListBucket", "storage.objects.list", "list"

    def named(self, scheme: str) -> str:
        """Return its name in the buckets of a scheme."""
        return self.value[("s3", "gs", "az").index(scheme)] if scheme in ("s3", "gs", "az") else ""


def explained(error: Exception, address: Address, right: Right) -> OSError:
    """Return the error of the system that an error of obstore's amounts to.

    Parameters
    ----------
    error
        It.
    address
        What was asked for.
    right
        What that needs.
    """
    from obstore import exceptions

    text = str(error)
    code, status = _first(_CODE, text), _first(_STATUS, text)
    said = " ".join(word for word in (status, code) if word)
    is_other = isinstance(
        error,
        exceptions.AlreadyExistsError | exceptions.PreconditionError | exceptions.NotModifiedError,
    )
    is_denied = (
        status in ("401", "403")
        or code in _DENIED
        or isinstance(error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError)
    )
    if is_other:
        found: OSError = changed(address)
    elif code in _EXPIRED:
        why = f"the credentials have expired ({said}): renew them and run again"
        found = PermissionError(errno.EACCES, why, str(address))
    elif isinstance(error, FileNotFoundError) or status == "404":
        is_bucket = code in ("NoSuchBucket", "ContainerNotFound")
        why = f"the bucket {address.bucket} does not exist" if is_bucket else "no such object"
        found = FileNotFoundError(errno.ENOENT, why, str(address))
    elif is_denied:
        needed = right.named(address.scheme)
        why = f"access is denied ({said or 'no credentials'}): check the credentials" + (
            f", and whether they have the right {needed}" if needed else " and their rights"
        )
        found = PermissionError(errno.EACCES, why, str(address))
    elif isinstance(error, exceptions.InvalidPathError):
        why = "a name there has an empty step (//), and is not read: call that object otherwise"
        found = OSError(errno.EINVAL, why, str(address))
    elif "StartTooLarge" in text:  # of a server that sends something else all the same
        found = OSError(errno.EINVAL, "it has no bytes there (416)", str(address))
    elif isinstance(error, exceptions.NotSupportedError) or status == "501":
        found = OSError(errno.ENOTSUP, "its server cannot do what is needed there", str(address))
    else:
        found = _failed(text, status, code, address)
    return found


_BY_WORDS: tuple[tuple[tuple[str, ...], int, str], ...] = (
    (("timed out", "timedout"), errno.ETIMEDOUT, "its server was too slow"),
    (
        ("unexpectedrange", "content-range", "requested range", "content_range"),
        errno.EIO,
        "its server sent other bytes than were asked for",
    ),
    (("dns error",), errno.EHOSTUNREACH, "its server is not found"),
    (
        ("error sending request", "connect error"),
        errno.ECONNREFUSED,
        "its server cannot be reached",
    ),
    (("body", "end of file", "incomplete"), errno.EIO, "what its server sends breaks off"),
)
"""What is looked for in a message, the error's number, and what is said."""


def _failed(text: str, status: str, code: str, address: Address) -> OSError:
    """Return the error of a request that was tried as often as may be."""
    retries = int(_first(_RETRIES, text) or 0)
    tried = f" after {retries + 1} attempts" if retries else ""
    if status:
        is_slow = code in _THROTTLED or status == "429"
        number = errno.EIO if is_slow or status[0] == "5" else errno.EINVAL
        why = "asks to slow down" if is_slow else "fails"
        if status == "400" and not code:  # an answer without a body, which would say why
            why = "refuses; perhaps the credentials have expired"
        said = " ".join(word for word in (status, code) if word)
        return OSError(number, f"its server {why}{tried} ({said})", str(address))
    lower = text.replace(address.key, "").lower()
    for words, number, why in _BY_WORDS:
        if any(word in lower for word in words):
            return OSError(number, f"{why}{tried}", str(address))
    return OSError(errno.EIO, f"its server does not answer as expected{tried}", str(address))


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return "" if found is None else next(filter(None, found.groups()), "")
