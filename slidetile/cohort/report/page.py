"""The page of a report: HTML that needs nothing but itself, and the pictures beside it.

All text from slides is untrusted: it is escaped here, or lies in a JSON block that the page's
script shows as text. Knows facts and HTML. Does not know where facts come from.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from slidetile.cohort.report.class_section import class_section
from slidetile.cohort.report.facts import CohortFacts, KindFacts, SlideFacts, TotalFacts
from slidetile.cohort.report.markup import inert, source_digest
from slidetile.counts import how_many

BEGINS = b"<!doctype html>\n<!-- slidetile report -->\n"
"""What each report begins with, by which slidetile knows its own."""

MOST_LISTED = 200
"""Failures that are listed one by one at the top; the table has all."""

_ASSETS = Path(__file__).parent / "assets"


def page_parts(
    title: str, facts: CohortFacts, pictures: Iterable[tuple[str, bytes]], *, beside: bool
) -> Iterator[bytes]:
    """Yield the page, part by part.

    Parameters
    ----------
    title
        What the report is of.
    facts
        What it tells.
    pictures
        The base64 of each picture that the page has itself, by its slide's key.
    beside
        Whether pictures lie beside the page.
    """
    style, script = _asset("report.css"), _asset("report.js")
    yield BEGINS
    yield _bytes(_head(title, style, script, beside=beside))
    yield _bytes(_body(title, facts))
    places = {slide["key"]: place for place, slide in enumerate(facts["slides"])}
    for key, picture in pictures:
        opening = f'<script type="text/plain" id="picture-{places[key]}">'
        yield b"%b%b</script>\n" % (opening.encode(), picture)
    yield b'<script type="application/json" id="facts">'
    yield data_json(facts)
    yield _bytes(f"</script>\n<script>{script}</script>\n</body>\n</html>\n")


def data_json(facts: CohortFacts) -> bytes:
    """Return facts as JSON in which nothing can end the element that holds it."""
    text = json.dumps(facts, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text.encode()


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _bytes(text: str) -> bytes:
    return text.encode(errors="replace")


def _head(title: str, style: str, script: str, *, beside: bool) -> str:
    policy = "; ".join(
        (
            "default-src 'none'",
            f"img-src data:{' ' + chr(39) + 'self' + chr(39) if beside else ''}",
            f"style-src {source_digest(style)}",
            f"script-src {source_digest(script)}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return f"""<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{inert(title)}: slidetile report</title>
<style>{style}</style>
</head>
"""


def _body(title: str, facts: CohortFacts) -> str:
    return f"""<body>
<a class="skip" href="#slides">Skip to the table of slides</a>
<header>
<p class="kind">slidetile report</p>
<h1><bdi>{inert(title)}</bdi></h1>
{_summary(facts["totals"])}
</header>
<main>
{_totals(facts["totals"])}
{_failures(facts)}
{_warning_kinds(facts)}
{class_section(facts["classes"])}
{_asset("slides.html")}
</main>
{_asset("dialog.html")}
"""


def _summary(totals: TotalFacts) -> str:
    slides = how_many(totals["slides"], "slides")
    told = f"{slides}: {totals['failed']:,} failed, {totals['with_warnings']:,} with warnings."
    ended = "" if totals["ended"] is None else f" Last slide ended {inert(totals['ended'])}."
    return f'<p class="summary">{told}{ended}</p>'


def _totals(totals: TotalFacts) -> str:
    numbers = [
        ("slides", f"{totals['slides']:,}", ""),
        ("failed", f"{totals['failed']:,}", "bad" if totals["failed"] else ""),
        ("with warnings", f"{totals['with_warnings']:,}", "odd" if totals["with_warnings"] else ""),
        ("tiles", f"{totals['tiles']:,}", ""),
        ("unreadable tiles", f"{totals['unreadable']:,}", "odd" if totals["unreadable"] else ""),
        ("tissue", f"{totals['tissue_area_mm2']:,.1f} mm²", ""),
        ("tiles’ bytes", _size(totals["tile_bytes"]), ""),
    ]
    if totals["seconds"] is not None:
        numbers.append(("time of all slides", _duration(totals["seconds"]), ""))
    if totals["peak_memory_bytes"] is not None:
        numbers.append(("most memory of a slide", _size(totals["peak_memory_bytes"]), ""))
    cells = "\n".join(
        f'<div class="{kind}"><dt>{name}</dt><dd>{value}</dd></div>'
        for name, value, kind in numbers
    )
    return f"""<section aria-labelledby="totals">
<h2 id="totals">Totals</h2>
<dl class="totals">
{cells}
</dl>
</section>"""


def _size(count: int) -> str:
    unit, name = next(((u, n) for u, n in ((1e12, "TB"), (1e9, "GB")) if count >= u), (1e6, "MB"))
    return f"{count / unit:,.1f} {name}"


def _duration(seconds: float) -> str:
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60:,} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def _failures(facts: CohortFacts) -> str:
    """Return the list of failures, with their reasons; they are the first slides."""
    count = facts["totals"]["failed"]
    if not count:
        return ""
    listed = facts["slides"][: min(count, MOST_LISTED)]
    items = "\n".join(map(_failure, listed))
    more = count - len(listed)
    rest = f"<p>… and {how_many(more, 'slides')} more: see the table.</p>" if more else ""
    return f"""<section aria-labelledby="failures">
<h2 id="failures">Failures ({count:,})</h2>
<ul class="failures">
{items}
</ul>
{rest}
</section>"""


def _failure(slide: SlideFacts) -> str:
    recorded = slide["recorded"]
    log = None if recorded is None else recorded["log_path"]
    told = "" if log is None else f' <span class="log">log: {inert(log)}</span>'
    return (
        f'<li><a href="{_link(slide)}"><bdi>{inert(slide["name"])}</bdi></a> '
        f'<span class="badge bad">{inert(slide["status"])}</span> '
        f'<span class="reason"><bdi>{inert(slide["problem"])}</bdi></span>{told}</li>'
    )


def _link(slide: SlideFacts) -> str:
    return f"#slide={quote(slide['key'], safe='', errors='replace')}"


def _warning_kinds(facts: CohortFacts) -> str:
    """Return the table of the kinds of warnings, with their thresholds."""
    count = facts["totals"]["with_warnings"]
    there = [kind for kind in facts["warning_kinds"] if kind["slides"]]
    others = [kind for kind in facts["warning_kinds"] if not kind["slides"]]
    table = _kinds_table("Warnings by kind", there) if there else "<p>No slide has a warning.</p>"
    rest = _kinds_table("Kinds of warnings without a slide", others) if others else ""
    return f"""<section aria-labelledby="warnings">
<h2 id="warnings">Warnings ({how_many(count, "slides")})</h2>
{table}
<details>
<summary>What else is looked for</summary>
{rest or "<p>All kinds are listed above.</p>"}
</details>
</section>"""


def _kinds_table(caption: str, kinds: list[KindFacts]) -> str:
    rows = "\n".join(
        f'<tr><th scope="row">{inert(kind["kind"])}</th><td class="number">{kind["slides"]:,}</td>'
        f"<td>{inert(kind['rule'])}</td><td>{_show(kind)}</td></tr>"
        for kind in kinds
    )
    return f"""<table class="kinds">
<caption class="unseen">{caption}</caption>
<thead><tr><th scope="col">warning</th><th scope="col" class="number">slides</th>
<th scope="col">when</th><td></td></tr></thead>
<tbody>
{rows}
</tbody>
</table>"""


def _show(kind: KindFacts) -> str:
    if not kind["slides"]:
        return ""
    name = inert(kind["kind"])
    return (
        f'<button type="button" class="show" data-warning="{name}" hidden>show'
        f'<span class="unseen"> slides with the warning {name}</span></button>'
    )
