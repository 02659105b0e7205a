"""Whether the files of a store are there, by their names and lengths alone.

Knows the list of a store's files. Does not read any other, so that thousands of stores of a batch
are asked in little time.
"""

from pathlib import Path

from slidetile.errors import StoreError
from slidetile.format.names import MANIFEST
from slidetile.verify._tree import StoreTree, check_lengths, read_manifest
from slidetile.verify.finding import Finding


def lost_files(folder: Path) -> tuple[Finding, ...]:
    """Return the files of a finished store that are missing, cut short, or no files any more.

    What has changed within a file of the same length is not found: that takes `verify_store`.

    Parameters
    ----------
    folder
        The store's folder.

    Returns
    -------
    tuple of Finding
        Empty where all files are there; else one for each file that is not, by name.
    """
    tree = StoreTree(folder)
    try:
        return tuple(check_lengths(tree, read_manifest(tree)))
    except StoreError as error:
        return (Finding(MANIFEST, str(error)),)
