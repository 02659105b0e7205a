"""Links from a public name, wherever a page writes it as code, to its place in the reference."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError

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
    if name.partition(".")[0] not in slidetile.__all__:
        return match[0]
    return f'<autoref identifier="{_identifier(name)}" optional>{match[0]}</autoref>'


def _identifier(name: str) -> str:
    """Return what the reference calls a public name, or a member of what has one."""
    module = getattr(slidetile, name.partition(".")[0]).__module__
    face = ".".join(module.split(".")[:2])  # of slidetile.slides.opening, slidetile.slides
    return f"{face}.{name}"


def on_post_build(config: MkDocsConfig, **_: object) -> None:
    """Make sure that the reference has every public name."""
    pages = Path(config.site_dir, "reference", "api").glob("*.html")
    text = "".join(page.read_text("utf-8") for page in pages)
    missing = [name for name in slidetile.__all__ if f'id="{_identifier(name)}"' not in text]
    if missing:
        raise PluginError(f"The reference lacks {', '.join(missing)}.")
