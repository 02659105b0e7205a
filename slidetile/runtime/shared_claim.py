"""A claim that one process holds, and others may write under: they know its token.

Knows the claim's file. Does not know what is written, nor by how many processes.
"""

from pathlib import Path

from slidetile.errors import StoreBusyError
from slidetile.runtime.claim import claim_file
from slidetile.runtime.claim_file import ClaimFile


class SharedClaim:
    """The right to write one store on behalf of the process that holds its claim.

    It gives no signs of life of its own: the holder does, and may take the right back at any time,
    by `Claim.renew` or by its end.

    Parameters
    ----------
    file
        The claim's file, or its path.
    token
        The token of the claim, as its holder told it.
    """

    def __init__(self, file: Path | ClaimFile, token: str) -> None:
        self._file = claim_file(file)
        self.token = token

    def check(self) -> None:
        """Check that the claim's file still has the token.

        Raises
        ------
        StoreBusyError
            The holder has ended, has taken the right back, or another has taken over.
        OSError
            The file system does not answer, so that it is unknown who holds the claim.
        """
        seen = self._file.look()
        holder = None if seen is None else seen.holder
        if holder is not None and holder.token == self.token:
            return
        why = f"its claim, {self._file}, is gone" if holder is None else f"{holder} has its claim"
        raise StoreBusyError(
            f"This process may no longer write a part of {self._file.store}: {why}, with "
            "another token than the one it was given. What it has written is kept."
        )

    def release(self) -> None:
        """Do nothing: the holder releases the claim."""
