"""The page: nothing in a slide's name is markup, and nothing but itself is needed."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
import report_slides

from slidetile.cohort.report.class_section import MOST_CLASSES
from slidetile.cohort.report.facts import cohort_facts
from slidetile.cohort.report.page import BEGINS, MOST_LISTED, data_json, page_parts
from slidetile.cohort.report.row import CohortRow
from slidetile.cohort.report.slide import ReportedSlide

NASTY = [
    report_slides.NASTY,
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "a\x00b\x1b[31m\u202egnp.svs",
    "\u2028line\u2029",
    "' onmouseover='alert(1)",
    '" autofocus onfocus="alert(1)',
    "&lt;b&gt;",
    "javascript:alert(1)",
    "#slide=%",
    "\udcff not text",
]


class Parsed(HTMLParser):
    """The elements of a page, their attributes, and its text outside scripts."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.elements, self.text, self._open = [], [], None
        self.scripts = {}
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._open = tag, dict(attributes).get("id")

    def handle_endtag(self, _):
        self._open = None

    def handle_data(self, data):
        if self._open is not None and self._open[0] in ("script", "style"):
            self.scripts[self._open] = self.scripts.get(self._open, "") + data
        else:
            self.text.append(data)


def page(slides, pictures=(), *, beside=False, title="cohort"):
    facts = cohort_facts(slides, lambda key: f"x_files/{key}.jpg" if beside else None)
    return b"".join(page_parts(title, facts, pictures, beside=beside)).decode()


def failed(key):
    return ReportedSlide(key=key, status="failed", problem=f"{key} does not exist")


@pytest.fixture(scope="module")
def ordinary():
    return Parsed(page([report_slides.slide(str(n)) for n in range(3)]))


@pytest.mark.parametrize("name", NASTY, ids=ascii)
def test_no_name_or_reason_makes_an_element_or_an_attribute(name):
    row = {"slide": name, "warnings": (name,), "log": name}
    plain = row | {"slide": "a", "warnings": ("a",), "log": "a"}
    slides, usual = (
        [
            ReportedSlide(key=key, status="failed", problem=key, row=CohortRow(**some)),
            report_slides.slide(
                f"{key} 2",
                row=dict(list(some.items())[1:]),
                name=key,
                classes=(report_slides.label(key, tiles=0, least=0.5),),
            ),
        ]
        for key, some in ((name, {"key": name, **row}), ("a", {"key": "a", **plain}))
    )
    found, expected = Parsed(page(slides, title=name)), Parsed(page(usual, title="a"))
    tags = [(tag, sorted(attributes)) for tag, attributes in found.elements]
    assert tags == [(tag, sorted(attributes)) for tag, attributes in expected.elements]
    links = [each["href"] for tag, each in found.elements if tag == "a"]
    assert all(re.fullmatch(r"#(slides|slide=[\w.~%-]*)", link) for link in links)
    data = json.loads(found.scripts["script", "facts"])
    assert [slide["key"] for slide in data["slides"]] == [name, f"{name} 2"]


def test_control_characters_are_not_shown():
    text = "".join(Parsed(page([failed("a\x00b\x1b[31m\u202egnp.svs")])).text)
    assert "a\ufffdb\ufffd[31m\ufffdgnp.svs" in text


def test_the_data_end_no_element():
    data = data_json(cohort_facts([failed("</script><!--&")], lambda _: None))
    assert not set(b"<>&") & set(data)
    assert json.loads(data)["slides"][0]["key"] == "</script><!--&"


def test_the_policy_forbids_all_but_this_script_and_this_style(ordinary):
    (policy,) = (
        attributes["content"]
        for _, attributes in ordinary.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    script, style = (
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in (ordinary.scripts["script", None], ordinary.scripts["style", None])
    )
    assert rules == {
        "default-src": "'none'",
        "img-src": "data:",
        "script-src": script,
        "style-src": style,
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_the_page_names_no_address(ordinary):
    whole = page([report_slides.slide("a")], beside=True)
    assert not re.search(r"https?:|//[\w-]+\.\w|url\(|@import", whole)
    names = {name for _, attributes in ordinary.elements for name in attributes}
    assert not {name for name in names if name.startswith("on")} | ({"src", "style"} & names)


def test_pictures_beside_the_page_are_allowed_and_no_others():
    assert "img-src data: 'self';" in page([report_slides.slide("a")], beside=True)


def test_pictures_in_the_page_stand_with_their_slide():
    slides = [report_slides.slide("b"), failed("a")]
    found = Parsed(page(slides, [("b", b"Qg=="), ("a", b"QQ==")]))
    data = json.loads(found.scripts["script", "facts"])
    for place, slide in enumerate(data["slides"]):
        expected = {"a": "QQ==", "b": "Qg=="}[slide["key"]]
        assert found.scripts["script", f"picture-{place}"] == expected


def test_failures_come_first_then_warnings_then_names():
    slides = [
        report_slides.slide("quiet"),
        report_slides.slide("pen", pen_share=0.1),
        report_slides.slide("empty", tiles=0),
        ReportedSlide(key="damaged", status="damaged store", problem="it is damaged"),
        failed("z"),
        report_slides.slide("both", tiles=0, slide_mpp=None),
        failed("a"),
    ]
    order = [each["key"] for each in cohort_facts(slides, lambda _: None)["slides"]]
    assert order == ["a", "z", "damaged", "both", "empty", "pen", "quiet"]
    text = page(slides)
    places = [text.index(f'id="{name}"') for name in ("failures", "warnings", "slides")]
    assert places == sorted(places)


def test_of_very_many_failures_the_first_are_listed():
    text = page([failed(f"{n:04d}") for n in range(MOST_LISTED + 5)])
    assert text.count('class="reason"') == MOST_LISTED
    assert "… and 5 slides more" in text


def test_totals_are_sums():
    slides = [
        report_slides.slide(str(n), row={"seconds": 2.5, "ended": f"2026-0{n}"}) for n in (1, 2)
    ]
    totals = cohort_facts([*slides, failed("x")], lambda _: None)["totals"]
    assert (totals["slides"], totals["failed"], totals["tiles"]) == (3, 1, 800)
    assert (totals["seconds"], totals["ended"]) == (5.0, "2026-02")
    assert totals["statuses"] == [
        {"status": "failed", "slides": 1},
        {"status": "ok", "slides": 2},
    ]
    assert totals["tissue_area_mm2"] == 45.0


def test_classes_are_summed_over_slides():
    label = report_slides.label
    slides = [
        report_slides.slide("a", classes=(label("b"), label("c", tiles=0, area_mm2=None))),
        report_slides.slide("b", classes=(label("b", points=2),)),
        report_slides.slide("c"),
        failed("d"),
    ]
    facts = cohort_facts(slides, lambda _: None)
    kept = {"slides_without_tile": 0, "tiles": 28, "tiles_of_it": 24, "area_mm2": 3.0, "points": 2}
    none = {"slides_without_tile": 1, "tiles": 0, "tiles_of_it": 12, "area_mm2": 0.0, "points": 0}
    assert facts["classes"] == [
        {"name": "b", "slides": 2, **kept},
        {"name": "c", "slides": 1, **none},
    ]
    own = {each["key"]: each["store"] and each["store"]["classes"] for each in facts["slides"]}
    assert [each["name"] for each in own["a"]] == ["b", "c"]
    assert own["c"] is own["d"] is None
    text = "".join(Parsed(page(slides)).text)
    assert "Classes (2)" in text
    assert "3.00 mm²" in text
    assert "Classes (" not in page([report_slides.slide("c")])


def test_of_very_many_classes_the_first_are_listed():
    classes = tuple(report_slides.label(f"{n:03d}") for n in range(MOST_CLASSES + 3))
    text = page([report_slides.slide("a", classes=classes)])
    assert "<bdi>199</bdi>" in text
    assert "<bdi>200</bdi>" not in text
    assert "… and 3 classes more." in text


def test_the_page_begins_with_its_mark_and_is_a_whole_document(ordinary):
    assert page([report_slides.slide("a")]).encode().startswith(BEGINS)
    tags = [tag for tag, _ in ordinary.elements]
    assert [tags.count(tag) for tag in ("html", "body", "main", "h1", "table")] == [1, 1, 1, 1, 2]
    languages = [attributes.get("lang") for tag, attributes in ordinary.elements if tag == "html"]
    assert languages == ["en"]
