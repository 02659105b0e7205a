"""An unfinished store in a bucket: its objects are whole or absent, and one process writes them.

Nothing in a bucket can be renamed. So a new store is written where it will lie: it is one as soon
as its root is there, which is written last. A store that will replace another is written whole
below ``NAME.zarr.partial``; then the old root is removed, the objects are copied within the bucket,
the root last. At any moment one of the two is complete, and a run that is killed in between leaves
what the next one completes.
"""

import errno
from collections.abc import Callable, Sequence

from slidetile.cloud.address import Address
from slidetile.cloud.claim_file import BUCKET_TIMES, BucketClaimFile
from slidetile.cloud.errors import ObjectChangedError
from slidetile.cloud.objects import (
    IN_FLIGHT,
    copy_object,
    entries_in,
    has_objects,
    in_parallel,
    names_below,
    object_exists,
    read_object,
    remove_objects,
    write_object,
)
from slidetile.errors import StoreExistsError
from slidetile.format.metadata.node import LARGEST_JSON_BYTES
from slidetile.format.names import (
    MANIFEST,
    PARTIAL_BEGIN,
    PARTIAL_NOTE,
    PARTIAL_REMOVED,
    ROOT,
    finishing_path,
    owner_path,
    partial_path,
)
from slidetile.runtime.claim import Claim, ClaimTimes, refuse_if_claimed
from slidetile.runtime.shared_claim import SharedClaim
from slidetile.store.marks import is_store, is_unfinished, refusal
from slidetile.writing._bucket_lines import BucketLines

Check = Callable[[], None]
"""Makes sure that this process may still write the store."""


class PartialPrefix:
    """The objects below ``NAME.zarr`` without its root, or below ``NAME.zarr.partial``.

    Parameters
    ----------
    store
        Address of the finished store.
    overwrite
        Whether it may replace a finished store.
    times
        How often the holder of the claim gives signs of life, and when it counts as dead.
    claim
        The claim of another process, on behalf of which this one writes; None makes one.

    Raises
    ------
    StoreBusyError
        Another process, or another thread of this one, writes this store.
    StoreExistsError
        ``store`` exists and may not be replaced, or something there is not slidetile's.
    OSError
        The bucket cannot be read or written.
    """

    in_flight = IN_FLIGHT
    keeps_whole = True

    def __init__(
        self,
        store: Address,
        *,
        overwrite: bool = False,
        times: ClaimTimes | None = None,
        claim: SharedClaim | None = None,
    ) -> None:
        self._store = store
        self._is_shared = claim is not None
        if claim is not None:
            claim.check()  # first: what it may no longer write may be finished by now
        owner = BucketClaimFile(owner_path(store))
        self._claim = claim or Claim(owner, times or BUCKET_TIMES)
        try:
            if claim is None and object_exists(finishing_path(store)):
                # Of several processes that wrote it and were killed: none may finish it any more.
                remove_objects([finishing_path(store)])
            _recover(store, self._claim.check)
            check_prefix(store, overwrite=overwrite)  # it may just have been finished
            self._replaces = object_exists(store / ROOT)
            self.where = partial_path(store) if self._replaces else store
            self._names = _names_in(self.where)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let others write the store; an unfinished one stays for them to continue."""
        self._claim.release()

    def check(self) -> None:
        """Check that this process may still write the store; raises StoreBusyError."""
        self._claim.check()

    def is_begun(self) -> bool:
        """Return whether an earlier run has left objects in it."""
        return bool(self._names)

    def is_finished(self) -> bool:
        """Return whether it is a whole store that has only to get its place."""
        return ROOT in self._names and PARTIAL_NOTE not in self._names

    def read(self, name: str, most_bytes: int) -> bytes:
        """Return the content of an object, or its first bytes where it has more.

        Raises
        ------
        FileNotFoundError
            There is none.
        OSError
            It cannot be read.
        """
        if name not in self._names and not self._is_shared:
            raise FileNotFoundError(errno.ENOENT, "no such object", str(self.where / name))
        return read_object(self.where / name, most_bytes)

    def write(self, name: str, parts: Sequence[bytes]) -> None:
        """Write an object; it is whole or absent.

        Raises
        ------
        StoreBusyError
            Another process has taken over.
        StoreExistsError
            It is the root, and a store has been written there meanwhile.
        OSError
            It cannot be written.
        """
        self._claim.check()
        try:
            is_new = name == ROOT and name not in self._names
            write_object(self.where / name, parts, is_new=is_new, check=self._claim.check)
        except ObjectChangedError as error:
            raise _exists(self._store) from error
        except OSError as error:
            raise _resumable(error) from error
        self._names.add(name)

    def keep(self, name: str) -> None:
        """Do nothing: what a bucket has lasts."""

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        if name in self._names or self._is_shared:
            self._claim.check()
            remove_objects([self.where / name])
            self._names.discard(name)

    def lines(self, name: str, *, is_part: bool) -> BucketLines:  # noqa: ARG002  each has its own
        """Return the lines of a name."""
        return BucketLines(self.where / name, self._names, self._claim.check)

    def remove_strays(self) -> None:
        """Do nothing: an object is whole or absent."""

    def discard(self) -> None:
        """Remove all objects; the next `write` begins anew."""
        _remove_all(self.where, self._claim.check)
        self._names.clear()

    def finish(self) -> None:
        """Remove what only an unfinished store has, and publish one that replaces another.

        Raises
        ------
        StoreBusyError
            Another process has taken over.
        """
        self._claim.check()
        try:
            _remove_helpers(self.where)
            if self._replaces:
                _publish(self.where, self._store, self._claim.check)
        except OSError as error:
            raise _resumable(error) from error


def claim_prefix(store: Address, *, overwrite: bool, times: ClaimTimes | None = None) -> Claim:
    """Claim a store that may be written.

    Raises
    ------
    StoreBusyError, StoreExistsError, OSError
        As `PartialPrefix` does.
    """
    check_prefix(store, overwrite=overwrite)
    return Claim(BucketClaimFile(owner_path(store)), times or BUCKET_TIMES)


def reads_prefix(store: Address, name: str, most_bytes: int) -> bytes:
    """Return the content of an object of the unfinished store at an address.

    Raises
    ------
    FileNotFoundError
        There is none.
    OSError
        It cannot be read.
    """
    if not object_exists(store / ROOT):
        return read_object(store / name, most_bytes)
    return read_object(partial_path(store) / name, most_bytes)


def check_prefix(store: Address, *, overwrite: bool) -> None:
    """Check that a store may be written at an address, before any work is done for it.

    Raises
    ------
    StoreExistsError
        Something is there that is not a store, or that was not to be overwritten; what lies beside
        it, which would be removed, is not slidetile's; or it would lie in a store.
    OSError
        The bucket cannot be read, or it is a web server, which cannot be written.
    """
    check_prefix_place(store)
    if object_exists(store):
        raise StoreExistsError(
            f"{store} is an object, not a store, so it is not overwritten; choose another name."
        )
    folders, objects = entries_in(store)
    names = {each.name for each in objects}
    if ROOT in names:
        if not is_store(store):
            raise StoreExistsError(
                f"{store} is not a store, so it is not overwritten; choose another name."
            )
        if not overwrite:
            raise _exists(store)
        beside = partial_path(store)
        if has_objects(beside) and not _is_ours(beside):
            raise refusal(beside)
    elif (folders or names) and not (_is_ours(store) or is_store(partial_path(store))):
        raise refusal(store)


def check_prefix_place(address: Address) -> None:
    """Check that an address names something in a bucket, and nothing in a store.

    Raises
    ------
    StoreExistsError
        It is a bucket, or lies in a store.
    OSError
        It is on a web server, or the bucket cannot be read.
    """
    if address.is_web:
        raise OSError(
            errno.EROFS,
            "a web server is read only: write to a bucket (s3://, gs://, az://) or a folder",
            str(address),
        )
    if not address.key:
        raise StoreExistsError(
            f"{address} is a bucket, and no name for a store: name one in it, such as "
            f"{address / 'NAME.zarr'}."
        )
    above = []
    parent = address.parent
    while parent.key:
        above.append(parent)
        parent = parent.parent
    marks = [folder / name for folder in above for name in (ROOT, PARTIAL_NOTE)]
    for mark, is_there in zip(marks, in_parallel(object_exists, marks), strict=True):
        if is_there:
            raise StoreExistsError(
                f"{address} lies in the store {mark.parent}, which holds only its own files: "
                "choose another output."
            )


def tidy_prefix(store: Address) -> None:
    """Complete what a run has left that was killed while, or after, it finished a store.

    Raises
    ------
    StoreBusyError
        A living process writes the store.
    OSError
        The bucket cannot be read.
    """
    owner = BucketClaimFile(owner_path(store))
    refuse_if_claimed(owner, BUCKET_TIMES)
    if owner.look() is None and not object_exists(partial_path(store) / ROOT):
        return
    claim = Claim(owner, BUCKET_TIMES)
    try:
        _recover(store, claim.check)
    finally:
        claim.release()


def _recover(store: Address, check: Check) -> None:
    """Complete what a killed run has left: what it publishes, or what it had to remove."""
    partial = partial_path(store)
    for place in (store, partial):
        if object_exists(place / PARTIAL_REMOVED):
            _remove_all(place, check)
    if object_exists(store / ROOT):
        if object_exists(store / PARTIAL_NOTE):
            _remove_helpers(store)
        # Perhaps it is published, and perhaps it mends a store of the same settings.
        if _same_root(store, partial) and not object_exists(partial / PARTIAL_NOTE):
            _publish(partial, store, check)
    elif is_store(partial) and not object_exists(partial / PARTIAL_NOTE):
        _publish(partial, store, check)


def _publish(partial: Address, store: Address, check: Check) -> None:
    """Put a whole store in the place of another, object by object, its root last."""
    check()
    remove_objects([store / ROOT])
    new = _names_in(partial) - {ROOT}
    old = _names_in(store)

    def copy(name: str) -> None:
        check()
        copy_object(partial / name, store / name)

    in_parallel(copy, sorted(new))
    check()
    remove_objects([store / name for name in sorted(old - new)])
    copy(ROOT)
    _remove_all(partial, check)


def _same_root(one: Address, other: Address) -> bool:
    try:
        return _root(one) == _root(other)
    except FileNotFoundError:
        return False


def _root(address: Address) -> bytes:
    return read_object(address / ROOT, LARGEST_JSON_BYTES + 1)


def _remove_helpers(address: Address) -> None:
    """Remove what only an unfinished store has, the note last."""
    names = {name for name in _names_in(address) if name.startswith(PARTIAL_BEGIN)}
    remove_objects([address / name for name in sorted(names - {PARTIAL_NOTE})])
    remove_objects([address / PARTIAL_NOTE])


def _remove_all(address: Address, check: Check) -> None:
    """Remove all objects below an address.

    A mark says so meanwhile, and the root goes first: what a killed run leaves of a whole store is
    not taken for one, by readers or by the next run.
    """
    check()
    write_object(address / PARTIAL_REMOVED, [b"-"])
    remove_objects([address / ROOT])
    check()
    names = _names_in(address)
    remove_objects([address / name for name in sorted(names - {PARTIAL_REMOVED})])
    remove_objects([address / PARTIAL_REMOVED])


def _names_in(address: Address) -> set[str]:
    return {name for name, _ in names_below(address)}


def _is_ours(address: Address) -> bool:
    """Return whether an unfinished or a replaced store lies at an address."""
    return (
        is_unfinished(address)
        or is_store(address)
        or object_exists(address / PARTIAL_REMOVED)
        or object_exists(address / MANIFEST)  # it has lost its root
    )


def _exists(store: Address) -> StoreExistsError:
    return StoreExistsError(
        f"{store} exists already; choose another name, or overwrite it on purpose with "
        '--overwrite (existing="overwrite").'
    )


def _resumable(error: OSError) -> OSError:
    """Return an error that says that the next run continues."""
    return type(error)(
        error.errno,
        f"{error.strerror}; what is written is kept: run the same command again",
        error.filename,
    )
