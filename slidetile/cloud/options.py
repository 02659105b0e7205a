"""Credentials and endpoints of object storage, as obstore takes them; never shown or written.

What is not given comes from where obstore looks: the environment, or the role of a machine.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Self

SCRATCH, SCRATCH_BYTES = "scratch", "scratch_bytes"
"""Our own: the folder for what is fetched as a whole, and the most bytes in it."""

OWN_OPTIONS = frozenset({SCRATCH, SCRATCH_BYTES})
"""Options that obstore does not know; they go where the others go, to all processes of a run."""


class StorageOptions(Mapping[str, str]):
    """Options by their names in lower case; no text of them shows a value.

    Picklable, so that processes of a batch have them; no file ever holds them.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = {str(key).lower(): str(value) for key, value in (values or {}).items()}

    def __getitem__(self, key: str) -> str:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(tuple(sorted(self._values.items())))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StorageOptions) and self._values == other._values

    def __repr__(self) -> str:
        return f"<{len(self)} storage options>"

    @classmethod
    def parse(cls, pairs: tuple[str, ...]) -> Self:
        """Return the options of texts KEY=VALUE.

        Raises
        ------
        ValueError
            One has no ``=``. The message does not show it: it may be a secret.
        """
        values = {}
        for number, pair in enumerate(pairs, start=1):
            key, equals, value = pair.partition("=")
            if not equals or not key.strip():
                raise ValueError(
                    f"Storage option {number} is not KEY=VALUE, such as region=eu-central-1."
                )
            values[key.strip()] = value
        return cls(values)


_NONE = StorageOptions()
_in_use: ContextVar[StorageOptions | None] = ContextVar("storage options", default=None)
_of_process = _NONE


def storage_options() -> StorageOptions:
    """Return the options of addresses that are named from now on."""
    return _in_use.get() or _of_process


def set_storage_options(options: Mapping[str, str]) -> None:
    """Set the options of the whole process, for every address that is named from now on.

    Parameters
    ----------
    options
        Names and values as obstore takes them: "region", "endpoint", "access_key_id", "timeout", ….
    """
    global _of_process  # noqa: PLW0603  a process has one command line
    _of_process = StorageOptions(options)


@contextmanager
def using_storage_options(options: Mapping[str, str] | None) -> Iterator[None]:
    """Use other options for the addresses that are named meanwhile, in this thread alone.

    Parameters
    ----------
    options
        As in `set_storage_options`; None leaves those of the process.
    """
    if options is None:
        yield
        return
    token = _in_use.set(StorageOptions(options))
    try:
        yield
    finally:
        _in_use.reset(token)
