"""The list of the shards of an export: a file beside them, which is not trusted.

Knows what the list says, and whether it is ours. Does not know what is in a shard.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from slidetile.runtime.files import read_regular, write_whole

_LARGEST_BYTES = 1 << 28

_OURS = "slidetile"
"""The key by which a list is known to be ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A finished shard.

    Raises
    ------
    ValueError
        A number is none, or less than 0.
    """

    name: str
    """Its file."""

    windows: int
    """Samples in it."""

    copied: int
    """Those of them whose image is a chunk of the store."""

    size_bytes: int
    """Its length."""

    sha256: str
    """SHA-256 of its bytes, in hex."""

    def __post_init__(self) -> None:
        for number in (self.windows, self.copied, self.size_bytes):
            if type(number) is not int or number < 0:
                raise ValueError(f"A shard has numbers from 0 on, but this one has {number!r:.40}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardList:
    """A list of shards, which may be there or not."""

    path: Path
    """Its file."""

    stem: str
    """How the names of its shards begin."""

    provenance: Mapping[str, Any]
    """Where the samples come from, which only a list of the same export says."""

    def names(self) -> frozenset[str] | None:
        """Return the names of shards that are in it, whatever else of it is damaged.

        None where there is no list of ours. Files of other names are left out, so that no list can
        have them deleted.

        Raises
        ------
        OSError
            It cannot be read.
        """
        found = self._read()
        if found is None:
            return None
        shards = found["shards"] if isinstance(found["shards"], list) else []
        names = (str(each.get("name")) for each in shards if isinstance(each, dict))
        return frozenset(
            filter(re.compile(rf"{re.escape(self.stem)}-\d{{6}}\.tar").fullmatch, names)
        )

    def any(self) -> list[Shard] | None:
        """Return the shards that it names, of whatever export; None where there is no list of ours.

        Raises
        ------
        OSError
            It cannot be read.
        """
        found = self._read()
        return None if found is None else self._named(found)

    def own(self) -> list[Shard] | None:
        """Return its shards, where it is of this very export; otherwise None.

        Raises
        ------
        OSError
            It cannot be read.
        """
        found = self._read()
        if found is None or found[_OURS] != json.loads(json.dumps(self.provenance)):
            return None
        return self._named(found)

    def write(self, shards: Sequence[Shard]) -> None:
        """Write it, whole or not at all.

        Raises
        ------
        OSError
            It cannot be written.
        """
        facts = {
            "shards": [asdict(shard) for shard in shards],
            "windows": sum(shard.windows for shard in shards),
            _OURS: self.provenance,
        }
        write_whole(self.path, [(json.dumps(facts, indent=1) + "\n").encode()])

    def _read(self) -> dict[str, Any] | None:
        try:
            found = json.loads(read_regular(self.path, _LARGEST_BYTES))
        except (FileNotFoundError, ValueError, RecursionError):
            return None
        is_ours = isinstance(found, dict) and {_OURS, "shards"} <= found.keys()
        return found if is_ours else None

    def _named(self, found: Mapping[str, Any]) -> list[Shard]:
        try:
            shards = [Shard(**each) for each in found["shards"]]
        except (TypeError, ValueError):  # it is damaged
            return []
        return [s for n, s in enumerate(shards) if s.name == f"{self.stem}-{n:06d}.tar"]
