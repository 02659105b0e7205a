"""Where an export comes from, as facts that go into it.

Knows what tells a store. Does not know where the facts are put.
"""

import json
from dataclasses import asdict
from typing import Any

from slidetile.cloud.address import Address
from slidetile.store.store import TileStore


def provenance(store: TileStore, spec: Any, *, anonymous: bool) -> dict[str, str]:
    """Return what an export says of its store: the same for the same store and settings.

    Parameters
    ----------
    store
        The store.
    spec
        The choices of the export, a dataclass.
    anonymous
        Leave out names.
    """
    import slidetile

    source = store.metadata.source
    path = store.path
    name = path.name if isinstance(path, Address) else path.resolve().name
    names = {"store": name, "slide": source.name or ""}
    facts = {
        "store_digest": store.digest,
        "store_codec": store.codec,
        "slide_fingerprint": source.fingerprint,
        "plan_sha256": store.metadata.parameters.plan_sha256,
        "slidetile": slidetile.__version__,
        "settings": json.dumps(settings_of(spec), sort_keys=True),
    }
    return facts if anonymous else names | facts


_NOT_CONTENT = {"existing", "memory_bytes", "durable", "dicom_attributes"}
"""Choices that do not shape what is written, and files, whose content does."""


def settings_of(spec: Any) -> dict[str, Any]:
    """Return the choices of an export that shape what is written."""
    return {name: value for name, value in asdict(spec).items() if name not in _NOT_CONTENT}
