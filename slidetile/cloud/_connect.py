"""Connections to buckets: one for each bucket and its options, made when it is first used."""

import functools
import os
import re
import threading
from collections.abc import Mapping
from datetime import timedelta
from types import ModuleType
from typing import TYPE_CHECKING, Any

from slidetile.cloud.address import Address
from slidetile.cloud.errors import StorageOptionError
from slidetile.cloud.options import OWN_OPTIONS, StorageOptions

if TYPE_CHECKING:
    from obstore.store import ObjectStore

RETRIES = 5
"""Attempts after the first that fails."""

RETRY_S = 120
"""Seconds after which a request is given up, whatever is left of its attempts."""

TIMEOUT_S = 60
"""Seconds that one request may take, its body included."""

LONGEST_S = 300
"""What options may make of the two together: see `slidetile.cloud.claim_file.BUCKET_TIMES`."""

_CLIENT_KEYS = frozenset(
    {
        *("allow_http", "allow_invalid_certificates", "connect_timeout", "http1_only"),
        *("http2_only", "pool_idle_timeout", "pool_max_idle_per_host", "proxy_url"),
        *("proxy_ca_certificate", "proxy_excludes", "read_timeout", "root_certificate"),
        *("timeout", "user_agent"),
    }
)
_DURATIONS = ("timeout", "connect_timeout", "read_timeout", "pool_idle_timeout")
_UNITS_S = {
    **dict.fromkeys(("ms", "msec", "millis"), 0.001),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600),
}
_PART = re.compile(rf"(\d+)({'|'.join(sorted(_UNITS_S, key=len, reverse=True))})")
_TRUE = ("1", "true", "yes", "on")
_LOOPBACK = re.compile(r"http://(127\.|localhost|\[::1\])")
_pid = os.getpid()
_lock = threading.Lock()


def loaded(address: Address) -> ModuleType:
    """Return obstore; raises ImportError as `connection` does."""
    try:
        import obstore
    except ImportError as error:
        raise ImportError(
            f"{address.scheme}://{address.bucket} is in object storage, which needs the extra "
            "cloud: pip install 'slidetile[cloud]'"
        ) from error
    return obstore


def connection(address: Address) -> "ObjectStore":
    """Return the connection to an address's bucket.

    Raises
    ------
    ImportError
        obstore is not installed: the message says how it is.
    StorageOptionError
        An option is unknown, or is not what it must be.
    RuntimeError
        This process is a fork of one that has connections, which do not outlive a fork.
    """
    if os.getpid() != _pid and _connect.cache_info().currsize:
        raise RuntimeError(
            f"{address} cannot be read in a forked process: start processes by spawn "
            '(multiprocessing_context="spawn" of a DataLoader).'
        )
    loaded(address)
    with _lock:
        return _connect(address.scheme, address.bucket, address.options)


@functools.lru_cache(maxsize=64)
def _connect(scheme: str, bucket: str, options: StorageOptions) -> "ObjectStore":
    from obstore import exceptions, store

    own, client, retry = _sorted(options, is_loopback=bucket.startswith(("127.0.0.1", "localhost")))
    shared: dict[str, Any] = {"client_options": client, "retry_config": retry}
    try:
        if scheme in ("http", "https"):
            if scheme == "http":
                client["allow_http"] = True
            return store.HTTPStore.from_url(f"{scheme}://{bucket}", **shared)
        kind: Any = {"s3": store.S3Store, "gs": store.GCSStore, "az": store.AzureStore}[scheme]
        made: ObjectStore = kind(bucket, config=own, **shared)
    except (exceptions.BaseError, ValueError, TypeError) as error:
        raise StorageOptionError(_sentence(error, options, f"{scheme}://{bucket}")) from None
    return made


def _sorted(
    options: Mapping[str, str], *, is_loopback: bool
) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
    """Return the options of the store, of its client and of its retries."""
    own, client = {}, dict[str, Any](timeout=timedelta(seconds=TIMEOUT_S))
    retry: dict[str, Any] = {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_S)}
    for key, value in options.items():
        _check_web_address(key, value)
        if key == "max_retries":
            retry[key] = _whole(key, value)
        elif key == "retry_timeout":
            retry[key] = _duration(key, value)
        elif key in OWN_OPTIONS:
            continue
        elif key in _DURATIONS:
            client[key] = _duration(key, value)
        elif key in _CLIENT_KEYS:
            is_flag = key.startswith(("allow_", "http1", "http2"))
            client[key] = value.lower() in _TRUE if is_flag else value
        else:
            own[key] = value
    _check_bound(client["timeout"], retry["retry_timeout"])
    endpoint = next((value for key, value in own.items() if "endpoint" in key), "")
    # What the environment says of the client counts for nothing where some of it is given.
    is_allowed = os.environ.get("AWS_ALLOW_HTTP", "").lower() in _TRUE
    if is_allowed or is_loopback or _LOOPBACK.match(endpoint):  # loopback: it stays here
        client.setdefault("allow_http", True)
    return own, client, retry


def _check_web_address(key: str, value: str) -> None:
    """Check where obstore would panic."""
    is_one = (key.endswith("endpoint") and "use_" not in key) or key == "proxy_url"
    if is_one and not re.match(r"(https?|socks5h?)://[^/\s]", value):
        raise StorageOptionError(
            f"The storage option {key} is a web address, which begins with http:// or https://, "
            "and what was given does not."
        )


def _check_bound(timeout: timedelta, retry_timeout: timedelta) -> None:
    longest = timedelta(seconds=LONGEST_S)
    if timeout + retry_timeout > longest:
        raise StorageOptionError(
            f"The storage options timeout ({timeout.total_seconds():g} s) and retry_timeout "
            f"({retry_timeout.total_seconds():g} s) are {LONGEST_S} s together at most: a run that "
            "waits for longer may be taken for dead, and its store be taken over."
        )


def _duration(key: str, value: str) -> timedelta:
    """Return a duration as obstore writes it: one or more numbers, each with its unit."""
    text = "".join(value.split()).lower()
    parts = _PART.findall(text)
    if text.isdecimal():
        return timedelta(seconds=int(text))
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise StorageOptionError(
            f"The storage option {key} is a duration, such as 90, 90s, 2m or 1m 30s, and "
            "what was given is none."
        )
    return timedelta(seconds=sum(int(number) * _UNITS_S[unit] for number, unit in parts))


def _whole(key: str, value: str) -> int:
    if not value.isdecimal():
        raise StorageOptionError(
            f"The storage option {key} is a whole number, and what was given is none."
        )
    return int(value)


def _sentence(error: Exception, options: StorageOptions, where: str) -> str:
    """Return what is wrong with options, of which no value is shown."""
    text = " ".join(str(error).partition("Debug source")[0].split())
    for value in options.values():
        if value:
            text = text.replace(value, "…")
    return f"{where} cannot be used: {text}"
