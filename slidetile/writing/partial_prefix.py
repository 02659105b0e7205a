"""An unfinished store in a bucket: its objects are whole or absent, and one process writes them.

Nothing in a bucket can be renamed. So a new store is written where it will lie: it is one as soon
as its root is there, which is written last. A store that will replace another is written whole
below ``NAME.zarr.partial``; then the old root is removed, the objects are copied within the bucket,
the root last. At any moment one of the two is complete, and a run that is killed in between leaves
what the next one completes.
"""

import errno
from collections.abc import Collection, Iterable, Sequence

from slidetile.cloud.address import Address
from slidetile.cloud.ahead import ObjectsAhead
from slidetile.cloud.claim_file import BUCKET_TIMES, BucketClaimFile
from slidetile.cloud.errors import ObjectChangedError
from slidetile.cloud.objects import (
    IN_FLIGHT,
    check_writable,
    entries_in,
    has_objects,
    object_exists,
    read_object,
    remove_objects,
    write_object,
)
from slidetile.errors import StoreExistsError
from slidetile.format.names import (
    PARTIAL_NOTE,
    ROOT,
    finishing_path,
    owner_path,
    partial_path,
)
from slidetile.runtime.claim import Claim, ClaimTimes, refuse_if_claimed
from slidetile.runtime.shared_claim import SharedClaim
from slidetile.store.marks import check_outside_stores, is_store, refusal
from slidetile.writing._bucket_lines import BucketLines
from slidetile.writing._published import (
    has_lost_root,
    is_ours,
    publish,
    recovered,
    remove_all,
    remove_helpers,
)


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
        self._ahead: ObjectsAhead | None = None
        self._is_shared = claim is not None
        if claim is not None:
            claim.check()  # first: what it may no longer write may be finished by now
        owner = BucketClaimFile(owner_path(store))
        self._claim = claim or Claim(owner, times or BUCKET_TIMES)
        try:
            if claim is None and object_exists(finishing_path(store)):
                # Of several processes that wrote it and were killed: none may finish it any more.
                remove_objects([finishing_path(store)])
            names, beside = recovered(store, self._claim.check)
            # It may just have been finished.
            _check_vacant(store, names, has_beside=bool(beside), overwrite=overwrite)
            self._replaces = ROOT in names or (overwrite and has_lost_root(names))
            self.where = partial_path(store) if self._replaces else store
            self._sizes = beside if self._replaces else names
            self._names = set(self._sizes)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let others write the store; an unfinished one stays for them to continue."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.close()
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
        if self._ahead is not None:
            return self._ahead.read(self.where / name, most_bytes)
        return read_object(self.where / name, most_bytes)

    def expect(self, names: Iterable[str]) -> None:
        """Announce objects that will be read about in this order; several are fetched ahead."""
        known = ((self.where / name, self._sizes.get(name)) for name in names)
        sizes = {address: size for address, size in known if size is not None}
        if self._ahead is not None:
            self._ahead.close()
        self._ahead = ObjectsAhead(sizes) if len(sizes) > 1 else None

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
        remove_all(self.where, self._claim.check)
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
            remove_helpers(self.where)
            if self._replaces:
                publish(self.where, self._store, self._claim.check)
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


def check_prefix(store: Address, *, overwrite: bool, is_placed: bool = False) -> None:
    """Check that a store may be written at an address, before any work is done for it.

    Parameters
    ----------
    store
        The address.
    overwrite
        Whether it may replace a finished store.
    is_placed
        Whether what lies above it has been looked at.

    Raises
    ------
    StoreExistsError
        Something is there that is not a store, or that was not to be overwritten; what lies beside
        it, which would be removed, is not slidetile's; or it would lie in a store.
    OSError
        The bucket cannot be read, or it is a web server, which cannot be written.
    """
    if not is_placed:
        check_prefix_place(store)
    if object_exists(store):
        raise StoreExistsError(
            f"{store} is an object, not a store, so it is not overwritten; choose another name."
        )
    folders, objects = entries_in(store)
    names = {each.name for each in objects}
    names.update(each.name for each in folders)
    has_beside = overwrite and bool(names) and has_objects(partial_path(store))
    _check_vacant(store, names, has_beside=has_beside, overwrite=overwrite)


def _check_vacant(
    store: Address, names: Collection[str], *, has_beside: bool, overwrite: bool
) -> None:
    """Check by the names of what lies at an address that a store may be written there."""
    beside = partial_path(store)
    if ROOT in names:
        if not is_store(store):
            raise StoreExistsError(
                f"{store} is not a store, so it is not overwritten; choose another name."
            )
        if not overwrite:
            raise _exists(store)
    elif names and not (is_ours(store) or is_store(beside)):
        raise refusal(store)
    if names and overwrite and has_beside and not is_ours(beside):
        raise refusal(beside)


def check_prefix_place(address: Address) -> None:
    """Check that an address names something in a bucket, and nothing in a store.

    Raises
    ------
    StoreExistsError
        It is a bucket, or lies in a store.
    OSError
        It is on a web server, or the bucket cannot be read.
    """
    check_writable(address)
    if not address.key:
        raise StoreExistsError(
            f"{address} is a bucket, and no name for a store: name one in it, such as "
            f"{address / 'NAME.zarr'}."
        )
    check_outside_stores(address)


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
    is_left = refuse_if_claimed(owner, BUCKET_TIMES)
    if not is_left and not object_exists(partial_path(store) / ROOT):
        return
    claim = Claim(owner, BUCKET_TIMES)
    try:
        recovered(store, claim.check)
    finally:
        claim.release()


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
