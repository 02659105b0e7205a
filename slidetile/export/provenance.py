"""Where an export comes from, as facts that go into it.

Knows what tells a store. Does not know where the facts are put.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from slidetile.cloud.address import Address
from slidetile.store.store import TileStore


def provenance(
    store: TileStore, kind: str, settings: Mapping[str, Any], *, anonymous: bool = False
) -> dict[str, str]:
    """Return what an export says of its store: the same for the same store and settings.

    Parameters
    ----------
    store
        The store. Of one that names no slide, the name of its folder is left out, too.
    kind
        The kind of export.
    settings
        The choices that shape what is written, as JSON.
    anonymous
        Leave out names.
    """
    import slidetile

    source, names = store.metadata.source, {}
    if not (anonymous or source.is_anonymous):
        names = {"store": store_name(store), "slide": source.name or ""}
    return names | {
        "export": kind,
        "store_digest": store.digest,
        "store_codec": store.codec,
        "slide_fingerprint": source.fingerprint,
        "plan_sha256": store.metadata.parameters.plan_sha256,
        "slidetile": slidetile.__version__,
        "settings": _text(settings),
    }


def store_name(store: TileStore) -> str:
    """Return the name of a store's folder, however its path was given."""
    path = store.path
    return path.name if isinstance(path, Address) else path.resolve().name


def provenance_line(facts: Mapping[str, str]) -> str:
    """Return it as text, the same for the same facts."""
    return _text(facts)


_NOT_CONTENT = {"existing", "memory_bytes", "durable", "dicom_attributes"}
"""Choices that do not shape what is written, and files, whose content does."""


def settings_of(spec: Any) -> dict[str, Any]:
    """Return the choices of an export, a dataclass, that shape what is written."""
    return {name: value for name, value in asdict(spec).items() if name not in _NOT_CONTENT}


def _text(facts: Mapping[str, Any]) -> str:
    return json.dumps(dict(facts), separators=(",", ":"), sort_keys=True)
