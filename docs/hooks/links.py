"""Links from a public name, wherever a page writes it as code, to its place in the reference."""

import re

import slidetile

_CODE = re.compile(
    r"(<pre.*?</pre>|<a .*?</a>|<h\d.*?</h\d>|<autoref.*?</autoref>)"
    r"|<code>(\w+(?:\.\w+)*)(\(\))?</code>",
    re.DOTALL,
)


def on_page_content(html: str, **_: object) -> str:
    """Make references of public names; what is nothing's name stays as it is."""
    return _CODE.sub(_reference, html)


def _reference(match: re.Match[str]) -> str:
    kept, name = match[1], match[2]
    if kept:
        return kept
    first = name.partition(".")[0]
    if first not in slidetile.__all__:
        return match[0]
    module = getattr(slidetile, first).__module__
    face = ".".join(module.split(".")[:2])  # of slidetile.slides.opening, slidetile.slides
    return f'<autoref identifier="{face}.{name}" optional>{match[0]}</autoref>'
