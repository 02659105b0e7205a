"""The reference says what the package is: its names, errors, columns, codecs and dependencies."""

import importlib
import pkgutil
import re
import tomllib

import pyarrow as pa
import pytest
from paths import ROOT

import slidetile as st
from slidetile import errors

REFERENCE = ROOT / "docs" / "reference"

FACES = sorted(
    name
    for _, name, _ in pkgutil.iter_modules(st.__path__, "slidetile.")
    if getattr(importlib.import_module(name), "__all__", None) and name != "slidetile.cli"
)


def rows(page):
    """The first cells of a page's table rows, as the names in backticks they hold."""
    lines = (REFERENCE / page).read_text(encoding="utf-8").splitlines()
    return [re.findall(r"`([^`]+)`", line.split("|")[1]) for line in lines if line.startswith("|")]


@pytest.mark.parametrize("face", FACES)
def test_every_face_has_its_page(face):
    page = REFERENCE / "api" / f"{face.removeprefix('slidetile.')}.md"
    assert f"::: {face}\n" in page.read_text(encoding="utf-8")


def test_the_index_lists_every_public_name():
    index = (REFERENCE / "api" / "index.md").read_text(encoding="utf-8")
    names = {name for name in st.__all__ if not name.endswith("Error")}
    assert names <= set(re.findall(r"`(\w+)`", index))


def test_the_error_tree_is_the_modules():
    page = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    tree = re.search(r"```text\n(SlidetileError\n.*?)```", page, re.DOTALL)[1]
    assert tree in errors.__doc__


def test_the_exit_codes_are_those_of_the_help(cli):
    page = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    codes = re.findall(r"^\| (\d+(?:, \d+)*) \|", page, re.MULTILINE)
    said = cli("--help").output.partition("Exit codes:")[2].partition("Options:")[0]
    assert [n for cell in codes for n in cell.split(", ")] == re.findall(r"\b\d+\b", said)


def test_the_columns_are_those_of_a_store(sample, tmp_path):
    table = st.tile_slide(sample, tmp_path / "x.zarr").tiles
    names = [name for cell in rows("table.md") for name in cell]
    assert names == table.column_names
    types = re.findall(r"^\| `.*` \| (\w+) \|", (REFERENCE / "table.md").read_text(), re.MULTILINE)
    each = [
        kind for cell, kind in zip(filter(None, rows("table.md")), types, strict=True) for _ in cell
    ]
    found = [getattr(field.type, "value_type", field.type) for field in table.schema]
    assert [pa.type_for_alias(kind) for kind in each] == found


def package(requirement):
    return re.match(r"[\w-]+", requirement)[0]


def test_every_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    page = (REFERENCE / "dependencies.md").read_text(encoding="utf-8")
    first, _, extras = page.partition("## Extras")
    cells = re.findall(r"^\| ([\w, -]+) \|", first, re.MULTILINE)
    told = {name for cell in cells for name in cell.split(", ")}
    assert told - {"package"} == set(map(package, project["dependencies"]))
    told = {
        (extra, name)
        for extra, cell in re.findall(r"^\| `(\w+)` \| ([\w, -]+) \|", extras, re.MULTILINE)
        for name in cell.split(", ")
    }
    assert told == {
        (extra, package(requirement))
        for extra, requirements in project["optional-dependencies"].items()
        for requirement in requirements
    }
