"""What a request is answered, by the rules of the web: who may ask, and from which pages.

Knows requests and headers. Does not know stores.
"""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
"""The names of this machine that nobody else can give a page."""


def is_own_host(host: str) -> bool:
    """Return whether a header ``host`` is a name of this machine that nobody else can give."""
    try:
        return urlsplit(f"//{host}").hostname in LOOPBACK
    except ValueError:
        return False


def is_own_page(origin: str, host: str) -> bool:
    """Return whether a header ``origin`` is of a page that came from the host that is asked."""
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        return False


def _is_origin(origin: str) -> bool:
    """Return whether a page's origin can be named; "null", that of a file, is none."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and origin == f"{parts.scheme}://{parts.netloc}"


def behind_token(path: str, token: str) -> str | None:
    """Return a path behind a token; None where it does not begin with it."""
    given, _, rest = path.removeprefix("/").partition("/")
    is_same = hmac.compare_digest(given.encode(errors="replace"), token.encode())
    return rest if is_same else None


class Answer(NamedTuple):
    """A status, a body and headers."""

    status: int
    body: bytes
    headers: dict[str, str]


def refusal(status: int, text: str) -> Answer:
    """Return an answer that says in a line why there is no other."""
    kind = {"content-type": "text/plain; charset=utf-8"}
    return Answer(status, f"{text}\n".encode(errors="backslashreplace"), kind)


_RANGE = re.compile(r"bytes=(\d{1,18})?-(\d{1,18})?", re.ASCII)


def part_of(answer: Answer, asked: str | None) -> Answer:
    """Return the part of an answer that a request's header ``range`` asks for.

    All of it where it asks for nothing, or for what no reader of chunks asks for.
    """
    if answer.status != 200:
        return answer
    size, told = len(answer.body), answer.headers | {"accept-ranges": "bytes"}
    found = _RANGE.fullmatch(asked or "")
    if found is None or found[1] is found[2] is None:
        return answer._replace(headers=told)
    first, last = (None if each is None else int(each) for each in found.groups())
    start = max(0, size - (last or 0)) if first is None else first
    stop = size if first is None or last is None else min(size, last + 1)
    if start >= stop:
        return Answer(416, b"", told | {"content-range": f"bytes */{size}"})
    span = {"content-range": f"bytes {start}-{stop - 1}/{size}"}
    return Answer(206, answer.body[start:stop], told | span)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may ask.

    Raises
    ------
    ValueError
        An origin is none.
    """

    token: str | None
    """What addresses begin with; None for nothing."""

    origins: frozenset[str] = frozenset()
    """The origins whose pages may read, such as https://viewer.example; "*" is all of them."""

    is_loopback: bool = True
    """Whether only this machine is listened to: then it is asked by its own names alone."""

    def __post_init__(self) -> None:
        for origin in self.origins - {"*"}:
            if not _is_origin(origin):
                raise ValueError(
                    f"An origin is a scheme, a host and perhaps a port, such as "
                    f"https://viewer.example, but this one is {origin!r}."
                )

    def refused(self, headers: Mapping[str, str]) -> Answer | None:
        """Return why a request is refused by its headers; None where it is not.

        A page of another origin could point its own name at this machine.
        """
        host = headers.get("host", "")
        if self.is_loopback and not is_own_host(host):
            return refusal(403, "This server is asked by the names of its own machine alone.")
        origin = headers.get("origin")
        if origin is None or self._allows(origin) or is_own_page(origin, host):
            return None
        option = origin if _is_origin(origin) else "'*', which lets every page read"
        return refusal(403, f"Pages of {origin} may not read here: serve with --cors {option}")

    def path(self, path: str) -> str | None:
        """Return a path behind the token; None where it does not begin with it."""
        if self.token is None:
            return path.removeprefix("/")
        return behind_token(path, self.token)

    def cors(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers that let a page read the answer to its request."""
        origin = headers.get("origin")
        if origin is None or not self._allows(origin):
            return {}
        told = {
            "access-control-allow-origin": origin,
            "access-control-expose-headers": "content-length, content-range",
            "vary": "Origin",
        }
        if "access-control-request-method" in headers:
            told |= {
                "access-control-allow-methods": "GET, HEAD, OPTIONS",
                "access-control-allow-headers": "range, if-none-match, cache-control",
                "access-control-max-age": "600",
            }
        if headers.get("access-control-request-private-network") == "true":
            told["access-control-allow-private-network"] = "true"
        return told

    def _allows(self, origin: str) -> bool:
        return "*" in self.origins or origin in self.origins
