"""What the README and the docs show is run as it stands there."""

import re
import shlex

import pytest
from paths import ROOT

DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def workplace(sample, tmp_path, monkeypatch):
    """An empty folder with the sample slides, and with those the README's commands name."""
    (tmp_path / "data_samples").symlink_to(sample.parent)
    (tmp_path / "slides").mkdir()
    for name in ("slide.svs", "slides/one.svs"):
        (tmp_path / name).symlink_to(sample)
    (tmp_path / "drawn").mkdir()
    (tmp_path / "drawn" / "one.geojson").symlink_to(sample.parent / "sample.geojson")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(path):
    """Run a page's Python in order, with the page's own lines in a traceback."""
    names = {"__name__": "__main__"}
    for block in blocks(path, "python"):
        exec(compile(block, str(path), "exec"), names)  # noqa: S102  our own text
    return names


def test_python_in_the_readme(workplace):
    names = run(ROOT / "README.md")
    assert names["store"].codec == "zstd"
    assert names["store"].path.name == "steps.zarr"
    assert (workplace / "sample.zarr" / "zarr.json").is_file()


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("path", DOCS[1:], ids=lambda path: path.name)
def test_python_in_the_docs(path):
    if not blocks(path, "python"):
        pytest.skip("no Python on this page")
    run(ROOT / "README.md")
    run(path)


def commands():
    lines = (
        line for path in DOCS for text in blocks(path, "console") for line in text.splitlines()
    )
    return [shlex.split(line.removeprefix("$ "), comments=True) for line in lines if line.strip()]


def test_commands_in_the_readme(workplace, cli):
    lines = [words[1:] for words in commands() if words[0] == "slidetile"]
    assert {words[0] for words in lines} >= {"info", "plan", "tile", "batch", "verify"}
    for words in lines:
        result = cli(*words)
        assert result.exit_code == 0, (words, result.stderr)
    assert {path.name for path in workplace.iterdir()} >= {"plan.png", "slide.zarr", "stores"}


def test_targets_in_the_readme_are_in_the_makefile():
    targets = {words[1] for words in commands() if words[0] == "make"}
    assert {"demo", "test"} <= targets
    rules = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets <= rules


def test_the_demo_runs_as_the_makefile_says(workplace, cli):
    makefile = (ROOT / "Makefile").read_text()
    lines = re.findall(r"^\t\$\(BIN\)/slidetile (.*\$\(SAMPLE\).*)$", makefile, re.MULTILINE)
    assert len(lines) == 3
    (workplace / "demo").mkdir()
    for line in lines:
        result = cli(*line.replace("$(SAMPLE)", "data_samples/sample.svs").split())
        assert result.exit_code == 0, result.stderr
    assert {path.name for path in (workplace / "demo").iterdir()} == {"plan.png", "sample.zarr"}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    text = path.read_text()
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    named = re.findall(r"`((?:docs|notebooks|data_samples)/[\w./-]+)`", text)
    broken = [link for link in links if not (path.parent / link).exists()]
    assert broken + [name for name in named if not (ROOT / name).exists()] == []
