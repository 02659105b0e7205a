"""What a GeoJSON file draws, without what was measured of it."""

import json


def unmeasured(path):
    """All features of a file; a plan's are a store's, of which more was measured."""
    found = json.loads(path.read_text())["features"]
    for feature in found:
        feature["properties"].pop("measurements", None)
    return found
