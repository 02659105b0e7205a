"""The note in an unfinished store, by which a later run knows whether it may continue it."""

from dataclasses import dataclass, replace
from typing import Any, Self

from slidetile.format.metadata.node import parse_json, to_json
from slidetile.format.metadata.store import StoreMetadata


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedNote:
    """The content of ``unfinished.json``."""

    attributes: dict[str, Any]
    """``attributes.slidetile`` of the store to be, as `json.loads` returns them."""

    @classmethod
    def of(cls, metadata: StoreMetadata) -> Self:
        """Return the note of a store to be.

        It is without the damage that only a finished run knows, and without the numbers of what
        filters dropped, which follow from the rest.
        """
        return cls(attributes=replace(metadata, damage=None, selection=None).attributes)

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Return the note in a file.

        The attributes may be those of another version: they are compared, and never trusted.

        Raises
        ------
        StoreError
            It is not JSON, or has no attributes.
        """
        node = parse_json(data)["slidetile"]
        if not isinstance(node.value, dict):
            raise node.refusal("an object")
        return cls(attributes=node.value)

    def to_json(self, store_name: str) -> bytes:
        """Return the file of an unfinished store that is to have this name."""
        what = (
            "An unfinished slidetile store. Run the same command again to finish it as "
            f"{store_name}, or delete this folder."
        )
        return to_json({"what": what, "slidetile": self.attributes})

    @property
    def codec(self) -> str | None:
        """How chunks are stored, or None if the note does not tell."""
        codec = self.attributes.get("codec")
        return codec if isinstance(codec, str) else None

    @property
    def fingerprint(self) -> str | None:
        """What tells the slide from others, or None if the note does not tell."""
        source = self.attributes.get("source")
        fingerprint = source.get("fingerprint") if isinstance(source, dict) else None
        return fingerprint if isinstance(fingerprint, str) else None

    @property
    def not_native(self) -> str | None:
        """Why the codec was not native, or None if the note does not tell."""
        reason = self.attributes.get("not_native")
        return reason if isinstance(reason, str) else None

    def differing(self, other: "UnfinishedNote") -> list[str]:
        """Return the keys, sorted, whose values differ from another's.

        Why the codec was chosen makes no difference.
        """
        mine, theirs = self.attributes, other.attributes
        keys = (mine.keys() | theirs.keys()) - {"not_native"}
        return sorted(k for k in keys if (k in mine, mine.get(k)) != (k in theirs, theirs.get(k)))
