"""Objects in buckets: read by ranges, written whole, listed and removed.

Every function raises errors of the system, each with a sentence (see `slidetile.cloud._explain`),
once obstore has tried as often as it may.
"""

import contextlib
import errno
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from slidetile.cloud._connect import connection, loaded
from slidetile.cloud._explain import Right, explained
from slidetile.cloud.address import Address
from slidetile.cloud.errors import ObjectChangedError, changed

IN_FLIGHT = 8
"""Requests of one reader at a time."""

PART_BYTES = 8 << 20
"""Objects that are longer are uploaded in parts of this length."""

PARTS_IN_FLIGHT = 2
"""Parts of one object that are uploaded at a time: each has to arrive within a request's time, of
all objects together. They are not copied, so that the memory of the object is all there is."""

UPLOAD_S = 1800.0
"""Seconds after which no part of an object is begun any more."""

_SMALL_BYTES = 1 << 24
"""So much is read back to see whether it is what was written."""

_EMPTY = "416"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectState:
    """What tells an object from another of its name."""

    size: int
    """Bytes."""

    etag: str | None
    """The server's mark of its content; None where the server gives none."""

    modified: datetime
    """When it was written, by the server's clock, which may count whole seconds."""

    version: str | None = field(default=None, compare=False)
    """The server's number of it, where that is what a replacement is bound to."""

    def is_same(self, other: "ObjectState") -> bool:
        """Return whether another state is of the same content, as far as a server tells."""
        if self.size != other.size:
            return False
        if self.etag is not None and other.etag is not None:
            return self.etag == other.etag
        return self.modified == other.modified

    @classmethod
    def of(cls, meta: Any) -> "ObjectState":
        """Return the state in obstore's words."""
        etag = meta["e_tag"]
        if etag is not None and not etag.endswith('"'):
            etag = f'"{etag}"'  # Azure leaves the quotes out where it lists objects
        return cls(
            size=meta["size"],
            etag=etag,
            modified=meta["last_modified"],
            version=meta.get("version"),
        )


def check_writable(address: Address) -> None:
    """Check that objects may be written below an address, as far as its scheme tells.

    Raises
    ------
    OSError
        It is on a web server.
    """
    if address.is_web:
        raise OSError(
            errno.EROFS,
            "a web server is read only: write to a bucket (s3://, gs://, az://) or a folder",
            str(address),
        )


def object_state(address: Address) -> ObjectState:
    """Return the state of an object.

    Raises
    ------
    FileNotFoundError
        There is no such object.
    OSError
        The server does not tell.
    """
    obstore = loaded(address)

    with _explaining(address, Right.READ):
        return ObjectState.of(obstore.head(connection(address), address.key))


def object_exists(address: Address) -> bool:
    """Return whether an object is there; raises OSError where the server does not tell."""
    try:
        object_state(address)
    except FileNotFoundError:
        return False
    return True


def read_range(
    address: Address, start: int, stop: int, state: ObjectState | None = None
) -> tuple[bytes, ObjectState]:
    """Return bytes of an object, fewer where it ends before, and its state.

    Parameters
    ----------
    address
        The object.
    start, stop
        Offset of the first byte, and after the last one.
    state
        What the object must be; None to take what is there.

    Raises
    ------
    ObjectChangedError
        It is another object by now.
    FileNotFoundError, OSError
        As `object_state` does.
    """
    return _get(address, (start, stop), state)


def read_tail(
    address: Address, count: int, state: ObjectState | None = None
) -> tuple[bytes, ObjectState]:
    """Return the last bytes of an object, and its state; as in `read_range`.

    That takes one request, or two of Azure, which has to be told where they begin.
    """
    if address.scheme == "az":
        found = state or object_state(address)
        return _get(address, (max(0, found.size - count), found.size), found)
    return _get(address, {"suffix": count}, state)


def read_object(address: Address, most_bytes: int) -> bytes:
    """Return the content of an object, or its first bytes where it has more; as in `read_range`."""
    return read_range(address, 0, most_bytes)[0]


def write_object(
    address: Address,
    parts: Iterable[bytes],
    *,
    replaces: ObjectState | None = None,
    is_new: bool = False,
    check: Callable[[], None] = lambda: None,
    longest_s: float = UPLOAD_S,
) -> None:
    """Write an object; it is whole or not there, and what was there stays until then.

    Parameters
    ----------
    address
        The object.
    parts
        What it is made of.
    replaces
        Write it only in place of this one.
    is_new
        Write it only where none is.
    check
        Makes sure, before each part of a long object, that it may still be written; what it raises
        ends the upload, which leaves nothing.
    longest_s
        How long parts are begun.

    Raises
    ------
    ObjectChangedError
        Another object is there.
    OSError
        It cannot be written.
    """
    obstore = loaded(address)

    data = b"".join(parts)
    is_long = len(data) > PART_BYTES and not is_new and replaces is None
    mode: Any = "create" if is_new else "overwrite"
    if replaces is not None:
        mode = _bound_to(replaces, address)
    try:
        with _explaining(address, Right.WRITE):
            obstore.put(
                connection(address),
                address.key,
                _pieces(address, data, check, longest_s) if is_long else data,
                mode=mode,
                use_multipart=is_long,
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_IN_FLIGHT,
            )
    except ObjectChangedError:
        # A request that was tried twice may have been answered the first time already.
        if len(data) > _SMALL_BYTES:
            raise
        if read_range(address, 0, len(data) + 1)[0] != data:
            raise


def _pieces(
    address: Address, data: bytes, check: Callable[[], None], longest_s: float
) -> Iterator[memoryview]:
    """Yield the parts of an object, as long as they may be sent."""
    until, whole = time.monotonic() + longest_s, memoryview(data)
    for start in range(0, len(data), PART_BYTES):
        check()
        if time.monotonic() >= until:
            raise OSError(
                errno.ETIMEDOUT,
                f"{start:,} of {len(data):,} bytes were sent within {longest_s:.0f} s, so the "
                "upload was given up: the network is too slow",
                str(address),
            )
        yield whole[start : start + PART_BYTES]


def _bound_to(state: ObjectState, address: Address) -> dict[str, str]:
    """Return the condition that an object is still this one, as obstore takes it."""
    marks = {"e_tag": state.etag, "version": state.version}
    found = {name: mark for name, mark in marks.items() if mark is not None}
    if not found:
        raise OSError(
            errno.ENOTSUP,
            "its server gives objects no mark (ETag), so that it cannot be told whether another "
            "has replaced it",
            str(address),
        )
    return found


def remove_objects(addresses: Iterable[Address]) -> None:
    """Remove objects of one bucket; those that are not there count as removed.

    Raises
    ------
    OSError
        One could not be removed.
    """
    found = list(addresses)
    for first in range(0, len(found), 1000):
        batch = found[first : first + 1000]
        if batch[0].scheme == "s3":
            _remove(batch)
        else:  # one that is not there would be an error, and end the others
            in_parallel(lambda each: _remove([each]), batch)


def _remove(batch: Sequence[Address]) -> None:
    obstore = loaded(batch[0])
    with (
        contextlib.suppress(FileNotFoundError),
        _explaining(batch[0], Right.REMOVE),
    ):
        obstore.delete(connection(batch[0]), [each.key for each in batch])


def copy_object(source: Address, target: Address) -> None:
    """Copy an object within its bucket, without its bytes passing through this machine.

    Raises
    ------
    OSError
        It cannot be copied.
    """
    obstore = loaded(source)

    with _explaining(source, Right.WRITE):
        obstore.copy(connection(source), source.key, target.key)


def objects_below(prefix: Address) -> Iterator[tuple[Address, ObjectState]]:
    """Yield all objects below an address, at any depth, in no order.

    Raises
    ------
    OSError
        They cannot be listed.
    """
    obstore = loaded(prefix)

    _check_lists(prefix)
    with _explaining(prefix, Right.LIST):
        for batch in obstore.list(connection(prefix), prefix.key or None):
            for meta in batch:
                found = Address(prefix.scheme, prefix.bucket, meta["path"], prefix.options)
                yield found, ObjectState.of(meta)


def names_below(prefix: Address) -> Iterator[tuple[str, ObjectState]]:
    """Yield the name of each object below an address, as a path below it, and its state.

    Raises
    ------
    OSError
        They cannot be listed.
    """
    begin = len(prefix.key) + 1 if prefix.key else 0
    for found, state in objects_below(prefix):
        yield found.key[begin:], state


def entries_in(prefix: Address) -> tuple[list[Address], list[Address]]:
    """Return the prefixes and the objects directly below an address, each by name.

    Raises
    ------
    OSError
        They cannot be listed.
    """
    folders, states = _directly_below(prefix)
    return sorted(folders), sorted(states)


def objects_in(prefix: Address) -> dict[Address, ObjectState]:
    """Return the objects directly below an address; raises OSError as `entries_in` does."""
    return _directly_below(prefix)[1]


def _directly_below(prefix: Address) -> tuple[list[Address], dict[Address, ObjectState]]:
    obstore = loaded(prefix)

    _check_lists(prefix)
    with _explaining(prefix, Right.LIST):
        found = obstore.list_with_delimiter(connection(prefix), prefix.key or None)

    def named(key: str) -> Address:
        return Address(prefix.scheme, prefix.bucket, key.rstrip("/"), prefix.options)

    states = {named(meta["path"]): ObjectState.of(meta) for meta in found["objects"]}
    return list(map(named, found["common_prefixes"])), states


def has_objects(prefix: Address) -> bool:
    """Return whether any object lies below an address; raises OSError as `entries_in` does."""
    folders, objects = entries_in(prefix)
    return bool(folders or objects)


Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(
    do: Callable[[Item], Result], items: Sequence[Item], *, most: int = IN_FLIGHT
) -> list[Result]:
    """Return what a function returns for each item, with several requests in flight."""
    if len(items) < 2:
        return [do(item) for item in items]
    copies = [copy_context() for _ in items]
    with ThreadPoolExecutor(min(most, len(items)), thread_name_prefix="slidetile_cloud") as pool:
        # What is set for the thread that asks holds for those that help it.
        return list(pool.map(lambda item: copies.pop().run(do, item), items))


def _get(address: Address, part: Any, state: ObjectState | None) -> tuple[bytes, ObjectState]:
    obstore = loaded(address)

    options: Any = {"range": part}
    if state is not None and state.etag is not None and not state.etag.startswith("W/"):
        options["if_match"] = state.etag
    try:
        with _explaining(address, Right.READ):
            got = obstore.get(connection(address), address.key, options=options)
            found = ObjectState.of(got.meta)
            if state is not None and not state.is_same(found):
                raise changed(address)
            start, stop = got.range
            data = bytes(got.bytes())
    except OSError as error:
        if _is_past_the_end(error):
            found = object_state(address)
            if state is None or state.is_same(found):
                return b"", found
        raise
    _check_range(address, part, (start, stop), len(data), found)
    return data, found


def _check_range(
    address: Address, asked: Any, sent: tuple[int, int], count: int, found: ObjectState
) -> None:
    """Make sure that a server sent what was asked for."""
    if isinstance(asked, tuple):
        wanted = asked[0], min(asked[1], found.size)
    else:
        wanted = max(0, found.size - asked["suffix"]), found.size
    if sent != wanted or count != wanted[1] - wanted[0]:
        raise OSError(
            errno.EIO,
            f"its server sent {count} bytes from {sent[0]}, where {wanted[1] - wanted[0]} from "
            f"{wanted[0]} were asked for",
            str(address),
        )


def _is_past_the_end(error: OSError) -> bool:
    return error.errno == errno.EINVAL and f"({_EMPTY}" in (error.strerror or "")


def _check_lists(prefix: Address) -> None:
    if prefix.is_web:
        raise OSError(
            errno.ENOTSUP, "a web server does not list what it has: name one file", str(prefix)
        )


@contextlib.contextmanager
def _explaining(address: Address, right: Right) -> Iterator[None]:
    """Raise errors of the system, which name the right that a server denies."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        if isinstance(error, FileNotFoundError) and error.errno is None:
            raise explained(error, address, right) from None
        raise
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "obstore":
            raise
        raise explained(error, address, right) from None
