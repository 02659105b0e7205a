"""A finished store that an export would write again, the same.

Knows what two stores say of themselves. Does not look at pixels.
"""

from dataclasses import replace

from slidetile.choices import NATIVE_CHECK
from slidetile.cloud.address import Location
from slidetile.errors import StoreError
from slidetile.export.zarr_choice import ZarrExport
from slidetile.format.codecs.named import chosen_codec, jpeg_name
from slidetile.format.metadata.node import JsonNode
from slidetile.format.metadata.parameters import CodecParameters
from slidetile.format.metadata.recoded import RecodedFacts
from slidetile.store.marks import is_store
from slidetile.store.store import TileStore, open_store
from slidetile.verify.files import lost_files
from slidetile.writing.recoded import origin


def store_done_before(store: TileStore, place: Location, spec: ZarrExport) -> TileStore | None:
    """Return the store that is there where it is whole and what the export would write.

    None where there is none, or another one, which the export then refuses or replaces.
    """
    if spec.existing == "overwrite" or not is_store(place):
        return None
    try:
        found = open_store(place)
        is_again = _is_of(store, found, spec) and _is_coded_so(found, spec)
        return found if is_again and not lost_files(place) else None
    except StoreError:
        return None


_OF_THE_CODEC = (
    "format_version",
    "codec",
    "not_native",
    "downsamples",
    "quality",
    "damage",
    "reference",
)
"""What stores of the same tiles may say otherwise."""


def _is_of(store: TileStore, found: TileStore, spec: ZarrExport) -> bool:
    """Return whether a store has the tiles of another, and says the same of all else."""
    mine, its = store.metadata, found.metadata
    recoded = None
    if store.slide is None:
        recoded = RecodedFacts(codec=origin(mine), digest=store.digest)
    parameters = replace(mine.parameters, codec=its.parameters.codec)
    own = {name: getattr(its, name) for name in _OF_THE_CODEC}
    expected = replace(mine, parameters=parameters, recoded=recoded, **own)
    return its == (expected.without_names() if spec.anonymous else expected)


def _is_coded_so(found: TileStore, spec: ZarrExport) -> bool:
    """Return whether a store's chunks are stored as the export would store them."""
    metadata = found.metadata
    parameters = replace(metadata.parameters.codec, drafted=None)
    if jpeg_name(metadata.chunk_codec) not in (None, spec.codec_name):
        return False
    if metadata.codec == "native":
        checked = parameters.check_by or NATIVE_CHECK
        return spec.codec in ("auto", "native") and checked == spec.check
    if spec.codec == "auto":  # of tiles that cannot be copied
        return metadata.not_native is not None
    codec = chosen_codec(spec.chunk_codec)
    expected = CodecParameters.from_node(JsonNode(codec.parameters, "parameters.codec"))
    return metadata.codec == codec.name and parameters == expected
