"""The page about the design is short, and agrees with the contract that the linter enforces."""

import re
import tomllib

from paths import ROOT

PAGE = (ROOT / "docs" / "explanation" / "design.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "slidetile"
MOST_WORDS = 900


def contract():
    """The rows of the contract, from the top, each as its packages and modules."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (layers,) = (
        contract["layers"]
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    )
    return [[name.strip() for name in row.split("|")] for row in layers]


def test_the_page_is_short():
    words = [word for word in PAGE.split() if re.search(r"\w", word)]
    assert 500 < len(words) <= MOST_WORDS


def test_its_rows_are_those_of_the_contract():
    (rows,) = re.findall(r"^    (__main__ / [^\n]*(?:\n    [^\n]+)*)$", PAGE, re.MULTILINE)
    assert [row.strip().split("|") for row in rows.split("/")] == contract()


def test_its_table_has_every_package_and_module_in_the_order_of_the_rows():
    listed = re.findall(r"^\| `(\w+)(?:/|\.py)` \|", PAGE, re.MULTILINE)
    named = [row for row in contract() if row != ["__main__"]]
    for row in named:
        assert set(listed[: len(row)]) == set(row)
        del listed[: len(row)]
    assert listed == []


def test_its_table_is_the_listing_of_the_package():
    listed = set(re.findall(r"^\| `(\w+/|\w+\.py)` \|", PAGE, re.MULTILINE))
    folders = {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    modules = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py", "__main__.py"}
    assert listed == folders | modules


def test_the_picture_names_what_there_is():
    picture = PAGE.partition("## Decide first, then do")[2].partition("Everything from")[0]
    named = set(re.findall(r"─(slides|tissue|planning)→|(writing):", picture))
    assert named == {("slides", ""), ("tissue", ""), ("planning", ""), ("", "writing")}
