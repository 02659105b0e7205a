"""The claim on the end of a store that several processes write: one finishes it at a time."""

from slidetile.cloud.address import Location
from slidetile.cloud.claim_file import claim_file_at, claim_times
from slidetile.format.names import finishing_path, owner_path
from slidetile.runtime.claim import Claim
from slidetile.runtime.shared_claim import SharedClaim


class FinishingClaim(SharedClaim):
    """The right to finish one store on behalf of the process that holds its claim.

    A finishing process may be taken for lost and be begun again elsewhere while it goes on: two
    would take each other's files. So the second waits, or is refused, until the first has ended.

    Parameters
    ----------
    store
        Where the store lies.
    token
        The token of its claim, as its holder told it.

    Raises
    ------
    StoreBusyError
        Another process finishes the store, or the holder has taken the right back.
    OSError
        The claim's file cannot be written.
    """

    def __init__(self, store: Location, token: str) -> None:
        super().__init__(claim_file_at(owner_path(store)), token)
        super().check()
        self._own = Claim(claim_file_at(finishing_path(store)), claim_times(store))

    def check(self) -> None:
        """Check that this process may still finish the store.

        Raises
        ------
        StoreBusyError
            It may not.
        OSError
            The file system does not answer, so that it is unknown who may.
        """
        self._own.check()
        super().check()

    def release(self) -> None:
        """Let another process finish the store."""
        self._own.release()
