"""Whether the files of a store are there, by their names and lengths alone.

Knows the list of a store's files. Does not read any other, so that thousands of stores of a batch
are asked in little time.
"""

from slidetile.cloud.address import Location
from slidetile.errors import StoreError
from slidetile.format.names import MANIFEST
from slidetile.verify._tree import check_lengths, open_tree, read_manifest
from slidetile.verify.finding import Finding


def lost_files(folder: Location) -> tuple[Finding, ...]:
    """Return the files of a finished store that are missing, cut short, or no files any more.

    What has changed within a file of the same length is not found: that takes `verify_store`.

    Parameters
    ----------
    folder
        The store's folder or address; an address takes one listing.

    Returns
    -------
    tuple of Finding
        Empty where all files are there; else one for each file that is not, by name.
    """
    try:
        tree = open_tree(folder)
        return tuple(check_lengths(tree, read_manifest(tree)))
    except StoreError as error:
        return (Finding(MANIFEST, str(error)),)
