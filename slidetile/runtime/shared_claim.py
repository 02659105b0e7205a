"""A claim that one process holds, and others may write under: they know its token.

Knows the claim's file. Does not know what is written, nor by how many processes.
"""

from pathlib import Path

from slidetile.errors import StoreBusyError
from slidetile.runtime.claim import look


class SharedClaim:
    """The right to write one store on behalf of the process that holds its claim.

    It gives no signs of life of its own: the holder does, and may take the right back at any time,
    by `Claim.renew` or by its end.

    Parameters
    ----------
    path
        The claim's file.
    token
        The token of the claim, as its holder told it.
    """

    def __init__(self, path: Path, token: str) -> None:
        self.path = path
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
        seen = look(self.path)
        holder = None if seen is None else seen.holder
        if holder is not None and holder.token == self.token:
            return
        why = f"its claim, {self.path}, is gone" if holder is None else f"{holder} has its claim"
        raise StoreBusyError(
            f"This process may no longer write a part of {self.path.with_suffix('')}: {why}, with "
            "another token than the one it was given. What it has written is kept."
        )

    def release(self) -> None:
        """Do nothing: the holder releases the claim."""
