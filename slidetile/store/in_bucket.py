"""What lies at an address: a finished store, an unfinished one, or something else.

A store that takes the place of another lies whole below ``NAME.zarr.partial`` until it does: from
when the old root is removed until the new one is written, it is the store of that name.
"""

import errno
from dataclasses import dataclass, field

from slidetile.cloud.address import Address
from slidetile.cloud.objects import (
    ObjectState,
    entries_in,
    in_parallel,
    names_below,
    object_exists,
    read_range,
)
from slidetile.errors import IncompleteStoreError, StoreError
from slidetile.format.manifest import LARGEST_MANIFEST_BYTES, FileSum, unpack_manifest
from slidetile.format.metadata.node import LARGEST_JSON_BYTES
from slidetile.format.names import MANIFEST, PARTIAL_NOTE, PARTIAL_SUFFIX, ROOT, STORE_SUFFIX
from slidetile.store.folder import LAST_LINE_BYTES, identity_of

MOST_OBJECTS = 1 << 21
"""More than any store has files: a listing that goes on is of something else."""

_ATTEMPTS = 3
"""How often what lies there is looked at, where it changes meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreObjects:
    """The objects of a finished store, as they were at one moment."""

    home: Address
    """What they lie below."""

    root: bytes
    """The content of the root's metadata, or as much of it as shows that it is too large."""

    root_state: ObjectState
    """What tells the root from another."""

    states: dict[str, ObjectState | None]
    """The state of each object by its name below the home; None where it could not be listed, so
    that the first read tells."""

    identity: bytes
    """A digest of what the store is known by."""

    lengths: dict[str, int] = field(default_factory=dict)
    """The length of each object by the manifest, where they could not be listed."""

    def length(self, name: str) -> int | None:
        """Return the length of an object as it was listed; None where there is none."""
        state = self.states.get(name)
        return self.lengths.get(name) if state is None else state.size

    def is_as_it_was(self, other: "StoreObjects") -> bool:
        """Return whether the root is the very object that it was, and not an equal one."""
        return (self.home, self.root_state) == (other.home, other.root_state)


def find_store(address: Address) -> StoreObjects:
    """Return the objects of the finished store at an address.

    Raises
    ------
    IncompleteStoreError
        The store there is not finished, or there is no root metadata.
    StoreError
        Nothing is there, or it cannot be read.
    """
    try:
        for _ in range(_ATTEMPTS):
            home, root, state = _find_root(address)
            states = _listed(home)
            if states is None:
                return _by_manifest(home, root, state)
            found = states.get(ROOT)
            if found is not None and found.is_same(state):
                last_line = _last_line(home, states.get(MANIFEST))
                return StoreObjects(
                    home=home,
                    root=root,
                    root_state=state,
                    states=dict(states),
                    identity=identity_of(root, last_line),
                )
    except OSError as error:
        raise unread(address, error) from error
    raise StoreError(f"{address} changes while it is opened: try again when it is finished.")


def unread(address: Address, error: OSError) -> StoreError:
    """Return the error that what lies at an address could not be read."""
    return StoreError(f"{address} could not be read: {error.strerror or error}.")


def _find_root(address: Address) -> tuple[Address, bytes, ObjectState]:
    """Return what a store lies below, and its root."""
    homes = (address, *_partials(address), address)  # once more: it may just have moved there
    for home in homes:
        if home != address and object_exists(home / PARTIAL_NOTE):
            break
        try:
            return home, *read_range(home / ROOT, 0, LARGEST_JSON_BYTES + 1)
        except FileNotFoundError as error:
            if error.strerror != "no such object":
                raise  # there is no bucket
    raise _refusal(address)


def _partials(address: Address) -> tuple[Address, ...]:
    is_partial = not address.name or address.name.endswith(PARTIAL_SUFFIX)
    return () if is_partial else (address.with_name(address.name + PARTIAL_SUFFIX),)


def _listed(home: Address) -> dict[str, ObjectState | None] | None:
    """Return the state of each object; None where they cannot be listed."""
    states: dict[str, ObjectState | None] = {}
    try:
        for name, state in names_below(home):
            states[name] = state
            if len(states) > MOST_OBJECTS:
                raise StoreError(f"{home} holds more objects than any store: name a store.")
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EACCES):
            raise
        return None
    return states


def _by_manifest(home: Address, root: bytes, state: ObjectState) -> StoreObjects:
    """Return the objects that a manifest lists."""
    files: dict[str, FileSum] = {}
    data = None
    try:
        data, _ = read_range(home / MANIFEST, 0, LARGEST_MANIFEST_BYTES + 1)
        files = unpack_manifest(data)
    except FileNotFoundError:
        pass
    except ValueError as error:
        raise StoreError(f"{home / MANIFEST} is damaged: {error}.") from error
    return StoreObjects(
        home=home,
        root=root,
        root_state=state,
        states={ROOT: state, **dict.fromkeys((MANIFEST, *files))},
        identity=identity_of(root, None if data is None else data[-LAST_LINE_BYTES:]),
        lengths={name: each.size_bytes for name, each in files.items()},
    )


def _last_line(home: Address, state: ObjectState | None) -> bytes | None:
    if state is None:
        return None
    start = max(0, state.size - LAST_LINE_BYTES)
    return read_range(home / MANIFEST, start, state.size, state)[0]


def _refusal(address: Address) -> StoreError:
    """Return the error that says what lies at an address instead of a finished store."""
    partials = _partials(address)
    notes = [home / PARTIAL_NOTE for home in (address, *partials)]
    is_unfinished = in_parallel(object_exists, [*notes, *(each / ROOT for each in partials)])
    is_partial = address.name.endswith(PARTIAL_SUFFIX)
    if any(is_unfinished) or is_partial:
        where = "it" if is_partial or is_unfinished[0] else f"{partials[0]} beside it"
        return IncompleteStoreError(
            f"{address} is not finished: {where} is an unfinished store. Run the command that "
            "began it once more to finish it."
        )
    if object_exists(address / MANIFEST):
        return IncompleteStoreError(f"{address} has lost its zarr.json: it is a damaged store.")
    if address.key and object_exists(address):
        return StoreError(
            f"{address} is an object, not a store: a store is what slidetile tile makes from a "
            f"slide, such as {address.with_suffix(STORE_SUFFIX)}."
        )
    return _other_prefix(address)


def _other_prefix(address: Address) -> StoreError:
    try:
        folders, objects = entries_in(address)
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EACCES):
            raise
        return StoreError(f"{address} does not exist, or is not a store: it has no zarr.json.")
    if not folders and not objects:
        return StoreError(f"{address} does not exist.")
    return IncompleteStoreError(
        f"{address} has no root zarr.json: it is not finished, or not a store. A store "
        "is NAME.zarr: give the address of one, such as s3://BUCKET/NAME.zarr."
    )
