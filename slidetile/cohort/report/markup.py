"""What pages that are one file have in common: text that runs nothing, and scripts that may.

Knows HTML. Does not know what a page says.
"""

import base64
import hashlib
import html


def inert(value: object) -> str:
    """Return text that is shown as it is, whatever is in it, in an element or an attribute."""
    return html.escape("".join(sign if sign.isprintable() else "\ufffd" for sign in str(value)))


def source_digest(text: str) -> str:
    """Return how a content security policy names a style or a script, which it lets in by it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
