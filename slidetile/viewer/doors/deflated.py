"""JSON as pages take it in one piece: deflated, in the format of zlib.

Knows JSON. Does not know what it says.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any

QUICK = 1
"""The level of what is sent once; what is kept is worth more time."""


def deflated(value: Mapping[str, Any], level: int = zlib.Z_DEFAULT_COMPRESSION) -> bytes:
    """Return a value as deflated JSON, which has no NaN."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return zlib.compress(text.encode(), level)
