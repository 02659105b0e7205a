"""The store that a store's pixels were taken from: ``attributes.slidetile.recoded``."""

from dataclasses import dataclass
from typing import Annotated

from slidetile.choices import CodecName
from slidetile.format.metadata.part import JsonPart
from slidetile.format.metadata.rules import Digest, OneOf


@dataclass(frozen=True, slots=True, kw_only=True)
class RecodedFacts(JsonPart):
    """A store of another codec, of which this one was made without the slide."""

    codec: Annotated[CodecName, OneOf("native", "zstd", "jxl", "jpeg", "raw")]
    """Its codec; or jpeg, if its own pixels were those of a jpeg store."""

    digest: Annotated[str, Digest()]
    """What told it from all others, as `TileStore.digest` does."""
