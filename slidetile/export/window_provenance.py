"""Where an exported file of windows comes from: one line of JSON that it carries.

Knows a store's metadata. Does not know where the line is kept.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from slidetile import __version__
from slidetile.cloud.address import Address
from slidetile.store.store import TileStore


def provenance(store: TileStore, kind: str, choices: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an exported file says of the store it comes from.

    Parameters
    ----------
    store
        The store. Of one that names no slide, the name of its folder is left out, too.
    kind
        The kind of export.
    choices
        The settings, as JSON.
    """
    source = store.metadata.source
    named = {} if source.is_anonymous else {"store": store_name(store)}
    return {
        "slidetile": __version__,
        "export": kind,
        **named,
        "store_sha256": hashlib.sha256(store.metadata.to_json()).hexdigest(),
        "slide_fingerprint": source.fingerprint,
        "settings": dict(choices),
    }


def store_name(store: TileStore) -> str:
    """Return the name of a store's folder, however its path was given."""
    path = store.path
    return path.name if isinstance(path, Address) else path.resolve().name


def provenance_line(facts: Mapping[str, Any]) -> str:
    """Return it as text, the same for the same facts."""
    return json.dumps(facts, separators=(",", ":"), sort_keys=True)
