"""What the README and the pages of docs/ show is run, page by page, as it stands there."""

import json
import re
import shlex
import shutil
import statistics
from pathlib import Path

import pytest
from channel_files import ome_tiff, signal
from needed import needs_page
from paths import ROOT

from slidetile.choices import NATIVE_CHECK
from slidetile.cloud.address import Address
from slidetile.cloud.objects import write_object

README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def name(path):
    return str(path.relative_to(ROOT))


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


def commands(path):
    """A page's command lines, each as its words."""
    lines = (line for text in blocks(path, "console") for line in text.splitlines())
    return [shlex.split(line.removeprefix("$ "), comments=True) for line in lines if line.strip()]


def run(path):
    """Run a page's Python in order, with the page's own lines in a traceback."""
    names = {"__name__": "__main__"}
    for block in blocks(path, "python"):
        exec(compile(block, str(path), "exec"), names)  # noqa: S102  our own text
    return names


def test_the_readme_promises_no_more_than_the_default_check_finds():
    text, native = README.read_text(), (ROOT / "docs" / "explanation" / "native.md").read_text()
    assert NATIVE_CHECK == "scan"
    ((scan, decode),) = re.findall(
        r"^\| cut short, end marker kept \| (\d+) \| (\d+) \|", native, re.MULTILINE
    )
    assert int(scan) < int(decode), "then the README may promise more"
    told = text[: text.index("## Two commands")]
    assert "by the markers of copied tiles" in " ".join(told.split())
    assert "--check decode" in told
    assert "every bit of a store that has changed since it was written" in " ".join(told.split())


@pytest.fixture(scope="module")
def first_store(sample, tmp_path_factory):
    """The store that the README's Python makes; other pages begin with it."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "data_samples").symlink_to(sample.parent)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        names = run(README)
    assert names["store"].path.name == "sample.zarr"
    assert (folder / "sample.zarr" / "zarr.json").is_file()
    return folder / "sample.zarr"


@pytest.fixture
def workplace(sample, first_store, tmp_path, monkeypatch):
    """A folder with the sample slides and the first store, and with what pages' commands name."""
    (tmp_path / "data_samples").symlink_to(sample.parent)
    (tmp_path / "slides").mkdir()
    for slide in ("slide.svs", "slides/one.svs"):
        (tmp_path / slide).symlink_to(sample)
    ome_tiff(tmp_path / "slide.ome.tif", signal(600, 800, 3))
    (tmp_path / "drawn").mkdir()
    (tmp_path / "drawn" / "one.geojson").symlink_to(sample.parent / "sample.geojson")
    (settings,) = blocks(ROOT / "docs" / "how-to" / "settings.md", "toml")
    (tmp_path / "lab.toml").write_text(settings)
    shutil.copytree(first_store, tmp_path / "sample.zarr")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("path", [page for page in PAGES[1:] if blocks(page, "python")], ids=name)
@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # however many cores there are
def test_python_on_pages(path, request, sample, first_store):
    if "slidetile.torch" in path.read_text():
        pytest.importorskip("torch", reason="PyTorch is not installed")
    if path.name == "object-storage.md":
        request.getfixturevalue("lab")  # a bucket of the pages' name
        put("slides/a.svs", sample)
        for file in filter(Path.is_file, first_store.rglob("*")):
            put(f"stores/a.zarr/{file.relative_to(first_store).as_posix()}", file)
    if path.name == "view-anywhere.md":
        pytest.importorskip("anywidget", reason="the extra notebook is not installed")
        needs_page()
    run(path)


def put(key, file):
    write_object(Address("s3", "lab", key), [file.read_bytes()])


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("path", [page for page in PAGES[1:] if blocks(page, "console")], ids=name)
def test_commands_on_pages(path, cli):
    for words in commands(path):
        if words[0] == "slidetile":
            result = cli(*words[1:])
            assert result.exit_code == 0, (words, result.stderr)


def test_commands_in_the_readme(workplace, cli):
    lines = [words[1:] for words in commands(README) if words[0] == "slidetile"]
    assert {words[0] for words in lines} >= {"info", "plan", "tile", "batch", "verify"}
    for words in lines:
        result = cli(*words)
        assert result.exit_code == 0, (words, result.stderr)
    assert {path.name for path in workplace.iterdir()} >= {"plan.png", "slide.zarr", "stores"}


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_commands_are_ours(path):
    assert {words[0] for words in commands(path)} <= {"slidetile", "make", "python"}


def test_targets_on_pages_are_in_the_makefile():
    targets = {words[1] for path in PAGES for words in commands(path) if words[0] == "make"}
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


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_links_lead_somewhere(path):
    text = path.read_text()
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    named = re.findall(
        r"`((?:docs|notebooks|data_samples|slidetile|tests|benchmarks)/[\w./-]+)`", text
    )
    broken = [link for link in links if not exists(path.parent / link)]
    assert broken + [name for name in named if not (ROOT / name).exists()] == []


def exists(path):
    """Return whether a link leads to a file, or to a page that is made when the site is built."""
    made = {"tutorial/explore-a-slide.md", "contributing.md", "changelog.md"}
    return path.exists() or path.resolve() in {ROOT / "docs" / page for page in made}


def rows_of(path):
    """Return the cells of each row of a page's tables, by the first."""
    return {
        cells[0].strip(): [cell.strip() for cell in cells[1:]]
        for line in path.read_text().splitlines()
        if (cells := line.strip("|").split("|"))[1:]
    }


JOBS = {
    "`native`, 100,000×80,000": "native, 100k",
    "`native`, Hamamatsu NDPI, 49,152×36,864": "NDPI, native",
    "`native`, DICOM": "DICOM, native",
    "`jxl`": "jxl",
    "`zstd`, JPEG 2000, 8,192×6,144": "JPEG 2000 slide, zstd",
    "`zstd`, 16 bits, 3 channels, 16,384×12,288": "uint16, zstd",
    "`zstd`, the same onto 8 bits": "uint16 onto uint8, zstd",
    "`zstd`, `--mpp 0.5`": "--mpp 0.5, zstd",
    "`jpeg`, `--mpp 0.5`": "--mpp 0.5, jpeg",
    "`zstd`, `--mpp 0.47`": "--mpp 0.47, zstd",
    "`zstd`": "zstd",
    "`jpeg`": "jpeg",
}


@pytest.mark.parametrize("told", JOBS)
def test_the_figures_in_the_readme_are_the_measured_ones(told):
    job = json.loads((ROOT / "benchmarks" / "jobs.json").read_text())[JOBS[told]]
    seconds, ratio, share, peak = rows_of(README)[told]
    assert seconds == f"{statistics.median(job['seconds']['command']):.1f}"
    faster = job["script_over_command"]
    assert ratio == (f"{faster:.0f}" if faster >= 10 else f"{faster:.1f}")
    floor = job.get("floor_over_command")
    assert share == ("" if floor is None else f"{100 * floor:.0f} %")
    assert peak == f"{job['peak_mb']} MB"


def test_the_speeds_of_the_writing_phase_are_the_measured_ones():
    results = json.loads((ROOT / "benchmarks" / "results.json").read_text())["results"]
    rows = rows_of(ROOT / "docs" / "explanation" / "performance.md")
    lines = {
        "script: OpenSlide reads, zarr-python writes, 2 threads": "script",
        "best pair to be had: fastslide reads, zarr-python writes zstd level 1": "pair",
        "`zstd`": "zstd 100k",
        "`native`": "native 100k",
        "*floor of `zstd`: decode and encode alone, in memory*": "floor",
    }
    for row, contestant in lines.items():
        told = rows[row]
        speed = results[contestant]["megapixels_per_s"]
        ratio = speed / results["script"]["megapixels_per_s"]
        assert told[0] == f"{speed:,.0f}"
        assert told[1] == (f"{ratio:.0f}" if ratio >= 10 or ratio == 1 else f"{ratio:.1f}")
        if told[2]:
            assert told[2] == f"{results[contestant]['peak_mb']:.0f} MB"
