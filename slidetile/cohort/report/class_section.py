"""The table of a cohort's classes on the page of a report.

Knows facts and HTML. Does not know where facts come from.
"""

from collections.abc import Sequence

from slidetile.cohort.report.facts import ClassTotalFacts
from slidetile.cohort.report.markup import inert

MOST_CLASSES = 200
"""Classes that are listed; each slide's own are told with it."""

_HEADS = ("slides", "without a tile", "tiles", "largest in", "area", "points")


def class_section(classes: Sequence[ClassTotalFacts]) -> str:
    """Return the section of all slides' classes; nothing where no slide has any."""
    if not classes:
        return ""
    heads = "".join(f'<th scope="col" class="number">{head}</th>' for head in _HEADS)
    rows = "\n".join(map(_row, classes[:MOST_CLASSES]))
    more = len(classes) - MOST_CLASSES
    rest = f"<p>… and {more:,} classes more.</p>" if more > 0 else ""
    return f"""<section aria-labelledby="classes">
<h2 id="classes">Classes ({len(classes):,})</h2>
<div class="scroll" role="region" aria-labelledby="classes" tabindex="0">
<table class="kinds">
<caption class="unseen">Classes of the labels of all slides</caption>
<thead><tr><th scope="col">class</th>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>
{rest}
</section>"""


def _row(each: ClassTotalFacts) -> str:
    cells = (
        f"{each['slides']:,}",
        f"{each['slides_without_tile']:,}",
        f"{each['tiles']:,}",
        f"{each['tiles_of_it']:,}",
        f"{each['area_mm2']:,.2f} mm²",
        f"{each['points']:,}",
    )
    numbers = "".join(f'<td class="number">{cell}</td>' for cell in cells)
    return f'<tr><th scope="row"><bdi>{inert(each["name"])}</bdi></th>{numbers}</tr>'
