"""Who may ask a local server for anything: a page of its own, on this machine, with the token.

A web page that somebody visits can send requests to this machine, too. Three things keep it out:
the token, which it does not know; the host, which is another where a name was made to lead here;
and the origin. Knows headers and paths. Does not know what is served.
"""

import secrets
from typing import Any

from slidetile.serving.access import behind_token, is_own_host, is_own_page

_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob: data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
)

HEADERS = {
    "content-security-policy": "; ".join(_POLICY),
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",  # the address has the token
    "x-content-type-options": "nosniff",
}
"""What each answer says: the page runs nothing but its own script, and asks nobody else."""


LONGEST_PATH = 1000
"""Letters of a path; those of the page have fewer than a hundred."""


def new_token() -> str:
    """Return a token that nobody guesses."""
    return secrets.token_urlsafe(24)


def refusal(scope: Any, token: str) -> tuple[int, str] | None:
    """Return the status and the words by which a request is refused; None where it is not.

    Parameters
    ----------
    scope
        The request, as ASGI has it.
    token
        The first part of each path.
    """
    headers = [(name.lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) != 1 or not is_own_host(hosts[0]):
        return 403, "This server answers only to 127.0.0.1 and localhost."
    origins = [value for name, value in headers if name == b"origin"]
    if not all(is_own_page(origin, hosts[0]) for origin in origins):
        return 403, "This server answers only to its own pages."
    if behind_token(scope["path"], token) is None:
        return 403, "The token in the address is missing or wrong: use the address as printed."
    if len(scope["path"]) > LONGEST_PATH:
        return 414, "There is no such long address here."
    return None
