"""The page as it was built: a few files that lie in the package, read once.

Knows their names. Does not know what is in them.
"""

import importlib.resources
from dataclasses import dataclass

MEDIA_TYPES = {
    "index.html": "text/html; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
}
"""The files of the page that a server hands out, and what they are."""


class PageMissingError(FileNotFoundError):
    """The page was not built, as in a source checkout."""


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """A file of the page."""

    media_type: str
    """What it is."""

    data: bytes
    """Its content."""


def built_page() -> dict[str, BuiltFile]:
    """Return the files of the page, by name.

    Raises
    ------
    PageMissingError
        It was not built.
    """
    return {name: BuiltFile(kind, built_file(name)) for name, kind in MEDIA_TYPES.items()}


def built_file(name: str) -> bytes:
    """Return a file that `make viewer` builds; wheels have them all.

    Raises
    ------
    PageMissingError
        It was not built.
    """
    place = importlib.resources.files("slidetile.viewer") / "built" / name
    try:
        return place.read_bytes()
    except FileNotFoundError as error:
        raise PageMissingError(
            "The viewer's page is not built, since this is a checkout of the source: run `make "
            "viewer` in it, for which npm (Node.js 18 or newer) is needed."
        ) from error
