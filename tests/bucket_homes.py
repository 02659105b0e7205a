"""Empty places in buckets of other servers than Amazon's, for tests."""

import os
from contextlib import contextmanager

from slidetile.cloud.address import Address
from slidetile.cloud.objects import names_below
from slidetile.cloud.options import set_storage_options, storage_options


@contextmanager
def empty_home(bucket, options):
    """Give an empty place in a bucket; addresses named meanwhile lead there."""
    before = storage_options()
    set_storage_options({**options, "max_retries": "3"})
    try:
        yield Address.parse(f"{bucket}/{os.urandom(6).hex()}")
    finally:
        set_storage_options(before)


def names(address):
    """The names of all objects below an address."""
    return {name for name, _ in names_below(address)}
