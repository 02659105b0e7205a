"""The page in a real Chromium: sorted, filtered, opened, by mouse and by keys, without network."""

import re
import shutil
import time

import pytest
import report_slides

from slidetile.cohort.report.facts import cohort_facts
from slidetile.cohort.report.page import page_parts
from slidetile.cohort.report.report import write_report

pytestmark = pytest.mark.slow

PATIENCE_S = 30


class Page:
    """A report as a person uses it, in a tab whose console has to stay empty."""

    def __init__(self, tab):
        self.tab = tab
        self.said: list[str] = []
        self.asked: list[str] = []
        self._expected: tuple[str, ...] = ()
        tab.on("console", lambda message: self.said.append(message.text))
        tab.on("pageerror", lambda error: self.said.append(str(error)))
        tab.on("request", lambda request: self.asked.append(request.url))

    def expects(self, *parts):
        """Let the console say what holds one of these, from before it goes wrong until the end."""
        self._expected += parts

    @property
    def unexpected(self):
        return [text for text in self.said if not any(part in text for part in self._expected)]

    def open(self, path, fragment=""):
        self.tab.goto("about:blank")  # another fragment alone would load nothing
        self.tab.goto(f"{path.as_uri()}{fragment}")
        return self

    def all(self, selector):
        return self.tab.locator(selector).all()

    def one(self, selector):
        return self.tab.locator(selector).first

    def run(self, script, *given):
        return self.tab.evaluate(f"given => (function () {{{script}}}).apply(null, given)", given)

    def wait(self, condition):
        end = time.monotonic() + PATIENCE_S
        while not (found := condition()):
            assert time.monotonic() < end, "it did not come about"
            self.tab.wait_for_timeout(20)
        return found

    def choose(self, name, value):
        self.tab.select_option(f"#{name}", value)

    def press(self, *keys):
        for key in keys:
            self.tab.keyboard.press(key)

    @property
    def names(self):
        return self.run("return [...document.querySelectorAll('#rows th a')].map(a => a.innerText)")

    def column(self, head):
        """The texts of a column of the table."""
        return self.run(
            "return [...document.querySelectorAll(`#rows td[data-head='${arguments[0]}']`)]"
            ".map(cell => cell.innerText)",
            head,
        )

    def sort(self, head):
        heads = {each.inner_text().rstrip(" ▲▼"): each for each in self.all("#heads button")}
        heads[head].click()

    @property
    def opened(self):
        """The name of the slide that is open; None where none is."""
        return self.run(
            "const d = document.getElementById('slide');"
            "return d.open ? document.getElementById('slide-name').innerText : null"
        )

    @property
    def requests(self):
        """Where the page went for anything, itself and what is in it left out."""
        return [url for url in self.asked if not url.startswith(("data:", "about:"))]

    def has_loaded(self, selector):
        """Whether a picture is there with its pixels."""
        return self.run(
            "const i = document.querySelector(arguments[0]);"
            "return Boolean(i) && i.complete && i.naturalWidth > 0",
            selector,
        )


@pytest.fixture
def new_page(chromium, tmp_path):  # noqa: ARG001  files outlive the pages that show them
    """Open a page in a window of its own, whose console has to stay empty."""
    contexts, pages = [], []

    def new_page(**options):
        context = chromium.new_context(viewport={"width": 1280, "height": 900}, **options)
        contexts.append(context)
        pages.append(Page(context.new_page()))
        return pages[-1]

    yield new_page
    for context in contexts:
        context.close()
    assert [text for page in pages for text in page.unexpected] == []


@pytest.fixture
def page(new_page):
    return new_page()


@pytest.fixture(scope="module")
def report(faulty, tmp_path_factory):
    """The report of a cohort with every fault, its pictures in it."""
    return write_report(faulty, tmp_path_factory.mktemp("report") / "report.html").path


def written(folder, slides):
    facts = cohort_facts(slides, lambda _: None)
    path = folder / "many.html"
    path.write_bytes(b"".join(page_parts("many", facts, (), beside=False)))
    return path


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """The report of 5,000 slides."""
    return written(tmp_path_factory.mktemp("large"), report_slides.many(5000))


def test_it_shows_all_that_went_wrong_first(page, report):
    page.open(report)
    failures = page.one("section[aria-labelledby=failures]")
    for name in ("bad.svs", "lost.svs", "table.svs", "overview.svs", "level.svs", "begun"):
        assert name in failures.inner_text()
    assert "bad.svs cannot be opened" in failures.inner_text()
    headings = [each.inner_text() for each in page.all("h1, main h2")]
    assert headings == ["cohort", "Totals", "Failures (6)", "Warnings (1 slide)", "Slides"]
    assert len(page.names) == 8


def test_markup_in_a_name_is_text(page, report):
    page.open(report)
    title = page.tab.title()
    (name,) = (each for each in page.names if each.startswith("<img"))
    page.run(
        "location.hash = [...document.querySelectorAll('#rows th a')]"
        ".find(a => a.innerText.startsWith('<img')).getAttribute('href')"
    )
    page.wait(lambda: page.opened == name)
    assert (page.tab.title(), title) == (title, "cohort: slidetile report")
    assert page.all("[onerror]") == page.all("script[src]") == page.all("b") == []


def test_the_classes_of_labels_have_columns_and_are_told_with_their_slide(page, tmp_path):
    nasty, label = report_slides.NASTY, report_slides.label
    slides = [
        report_slides.slide("one", classes=(label(nasty, tiles=3), label("tumor", tiles=1234))),
        report_slides.slide("two", classes=(label("tumor", tiles=0, least=0.5, points=2),)),
        report_slides.slide("three"),
    ]
    page.open(written(tmp_path, slides))
    assert "Classes (2)" in [each.inner_text() for each in page.all("h2")]
    page.sort("tumor: tiles")
    assert page.names == ["one", "two", "three"]
    assert page.column("tumor: tiles") == ["1,234", "0", ""]
    assert any(each.inner_text().startswith("<img") for each in page.all("#heads button"))
    page.tab.fill("#query", "onerror")
    assert page.wait(lambda: len(page.names) == 1)
    page.one("#rows th a").click()
    page.wait(lambda: page.opened == "one")
    told = page.one("#slide-body").inner_text()
    assert "tumor: on 1,234 tiles, the largest on 12; 1.50 mm² labelled" in told
    assert page.all("[onerror]") == page.all("script[src]") == page.all("b") == []


def test_nothing_is_asked_for_but_the_page_itself(page, report):
    page.open(report)
    page.one("#rows th a").click()
    page.wait(lambda: page.opened)
    assert page.requests == [report.as_uri()]


def test_the_policy_stops_what_gets_in_all_the_same(page, report):
    page.open(report)
    page.expects("Content Security Policy")
    page.run(
        "const i = document.createElement('img'); i.src = 'http://127.0.0.1:9/x.png';"
        "document.body.append(i);"
        "const s = document.createElement('script'); s.textContent = 'window.broken = 1';"
        "document.body.append(s);"
    )
    page.wait(lambda: len(page.said) > 1)
    assert page.run("return window.broken") is None


def test_a_slides_picture_opens_and_closes(page, report):
    page.open(report)
    page.wait(lambda: page.has_loaded("#rows img"))
    page.one("#rows img").click()
    page.wait(lambda: page.has_loaded("#slide-body img"))
    assert page.opened in ("damaged.svs", "level.svs")
    assert "tissue outlined in green" in page.one("#slide-body img").get_attribute("alt")
    page.one("#slide-close").click()
    page.wait(lambda: page.opened is None)
    assert "#" not in page.tab.url


def test_a_slide_opens_by_keys_and_gives_the_focus_back(page, report):
    page.open(report)
    page.run("document.querySelector('#rows th a').focus()")
    page.press("Enter")
    page.wait(lambda: page.opened)
    first, names = page.opened, page.names
    assert first == names[0]
    assert page.run("return document.getElementById('slide').contains(document.activeElement)")
    page.press("ArrowRight")
    page.wait(lambda: page.opened == names[1])
    page.press("ArrowLeft", "ArrowLeft")
    page.wait(lambda: page.opened == first)
    page.press("Escape")
    page.wait(lambda: page.opened is None)
    assert page.run("return document.activeElement.innerText") == first


def test_an_address_opens_its_slide(page, report):
    page.open(report, "#slide=damaged")
    page.wait(lambda: page.opened == "damaged.svs")
    notes = page.one(".notes").inner_text()
    assert "1 of 30 tiles could not be read: no start marker (1)" in notes


@pytest.mark.parametrize("fragment", ["#slide=none", "#slide=%E0%A4%A", "#slide=__proto__"])
def test_an_address_of_no_slide_opens_none(page, report, fragment):
    page.open(report, fragment)
    assert page.opened is None
    assert len(page.names) == 8


def test_pictures_beside_the_page_are_loaded_lazily(page, faulty, tmp_path):
    report = write_report(faulty, tmp_path / "x.html", most_page_bytes=0)
    page.open(report.path)
    page.run("document.querySelector('#rows').scrollIntoView()")
    page.wait(lambda: page.has_loaded("#rows img"))
    assert {each.get_attribute("loading") for each in page.all("#rows img")} == {"lazy"}
    folder = (tmp_path / "x_files").as_uri()
    assert all(
        url == report.path.as_uri() or url.startswith(f"{folder}/slide-") for url in page.requests
    )
    page.one("#rows img").click()
    page.wait(lambda: page.has_loaded("#slide-body img"))


def test_a_picture_that_is_lost_ends_nothing(page, faulty, tmp_path):
    report = write_report(faulty, tmp_path / "x.html", most_page_bytes=0)
    shutil.rmtree(report.pictures)
    page.expects("ERR_FILE_NOT_FOUND")
    page.open(report.path, "#slide=damaged")
    page.wait(lambda: page.opened == "damaged.svs")
    assert "could not be read" in page.one("#slide-body").inner_text()


def numbers(texts):
    return [float(re.sub(r"[^\d.]", "", text)) for text in texts if text]


def test_a_column_sorts_both_ways_and_slides_without_a_value_come_last(page, report):
    page.open(report)
    page.choose("sort", "warnings")
    assert page.names[0] == "damaged.svs"
    page.sort("Tiles’ size")
    falling = page.column("Tiles’ size")
    assert numbers(falling) == sorted(numbers(falling), reverse=True)
    assert falling[-4:] == [""] * 4
    (head,) = page.all("#heads [aria-sort]")
    assert head.get_attribute("aria-sort") == "descending"
    page.sort("Tiles’ size")
    rising = page.column("Tiles’ size")
    assert numbers(rising) == sorted(numbers(rising))
    assert rising[-4:] == [""] * 4
    assert page.one("#sort").input_value() == "bytes"
    page.choose("sort", "")
    assert page.all("#heads [aria-sort]") == []


def test_names_sort_as_people_count(page, tmp_path):
    slides = [report_slides.slide(name) for name in ("s10", "s9", "S1", "é")]
    page.open(written(tmp_path, slides))
    page.sort("Slide")
    assert page.names == ["é", "S1", "s9", "s10"]


def test_filters_leave_what_they_say(page, report):
    page.open(report)
    page.choose("status", "damaged store")
    assert sorted(page.names) == ["level.svs", "overview.svs", "table.svs"]
    assert page.one("#count").inner_text() == "3 of 8 slides"
    page.one("#query").press_sequentially("parquet")
    assert page.names == ["table.svs"]
    page.one("#filters button[type=reset]").click()
    assert len(page.names) == 8
    page.one("#query").press_sequentially("UnsupportedSlideError")
    assert page.names == ["bad.svs"]
    page.one("#query").press_sequentially(" and nothing else")
    assert (page.names, page.one("#rows").inner_text()) == ([], "No slide matches.")


def test_a_kind_of_warning_shows_its_slides(page, report):
    page.open(report)
    (button,) = page.all(".show[data-warning='unreadable tiles']")
    button.click()
    assert page.names == ["damaged.svs"]
    assert page.one("#warning").input_value() == "unreadable tiles"
    assert page.run("return document.activeElement.id") == "slides"


def test_a_large_cohort_is_shown_by_pages(page, large):
    page.open(large)
    assert len(page.names) == 50
    assert page.one("#page").inner_text() == "Page 1 of 100 (1–50)"
    assert page.names[0] == "slide-00000.svs"
    page.one("#last").click()
    assert page.one("#page").inner_text() == "Page 100 of 100 (4,951–5,000)"
    assert page.names[-1] == "slide-04999.svs"
    page.one("#previous").click()
    assert page.one("#page").inner_text().startswith("Page 99 ")


def test_a_large_cohort_is_sorted_and_filtered_whole(page, large):
    page.open(large)
    page.sort("Tiles")
    assert numbers(page.column("Tiles"))[:3] == [4999, 4998, 4997]
    page.choose("status", "failed")
    assert page.one("#count").inner_text() == "50 of 5,000 slides"
    page.choose("status", "")
    page.choose("warning", "no tissue")
    assert page.one("#count").inner_text() == "50 of 5,000 slides"
    page.choose("warning", "")
    page.one("#query").press_sequentially("slides/3/ 0499")
    assert page.one("#count").inner_text().endswith(" of 5,000 slides")
    assert page.names == ["slide-04994.svs"]
    assert page.run("return document.getElementsByTagName('*').length") < 3000


def test_paper_has_all_rows(page, large):
    page.open(large)
    page.choose("status", "failed")
    page.run("window.dispatchEvent(new Event('beforeprint'))")
    assert len(page.names) == 50
    page.one("#filters button[type=reset]").click()
    assert len(page.names) == 5000
    page.run("window.dispatchEvent(new Event('afterprint'))")
    assert len(page.names) == 50


def test_without_scripts_failures_and_warnings_are_there(new_page, report):
    page = new_page(java_script_enabled=False).open(report)
    assert "bad.svs cannot be opened" in page.one("#failures ~ ul").inner_text()
    assert "needs JavaScript" in page.one("noscript").inner_text()
    assert not page.one(".show").is_visible()


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_the_width_and_text_stands_out(page, report, width, scheme):
    page.tab.emulate_media(color_scheme=scheme)
    page.tab.set_viewport_size({"width": width, "height": 800})
    page.open(report)
    assert page.run("return document.documentElement.scrollWidth") <= width
    assert page.run(FAINT) == []
    page.open(report, "#slide=damaged")
    page.wait(lambda: page.opened)
    assert page.run(FAINT) == []


FAINT = """
const parts = text => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
  .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
function ground(element) {
  for (let each = element; each; each = each.parentElement) {
    const colour = parts(getComputedStyle(each).backgroundColor);
    if (colour.length < 4 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
}
const faint = [];
for (const element of document.querySelectorAll('body *')) {
  const own = [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim());
  if (!own || !element.checkVisibility() || element.disabled) continue;
  const [a, b] = [light(parts(getComputedStyle(element).color)), light(ground(element))];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (contrast < 4.5) faint.push(`${element.tagName} ${element.className} ${contrast}`);
}
return faint;
"""
"""Lists the elements whose text has less contrast than WCAG 2 asks for (4.5)."""
