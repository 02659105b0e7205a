"""Whether a store is still what was written, says the same everywhere, and holds the slide."""

from slidetile.verify.finding import Finding
from slidetile.verify.verify import verify_store

__all__ = [
    "Finding",
    "verify_store",
]
