"""The notebooks as pages: run once for each state of the code, and kept in .cache/ meanwhile."""

import hashlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

PAGES = {
    "01_explore_a_slide": "tutorial/explore-a-slide.md",
    "02_a_cohort_to_a_model": "tutorial/a-cohort-to-a-model.md",
    "03_fluorescence_and_colour": "tutorial/fluorescence-and-colour.md",
}
"""Each notebook's name, and its page."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and their pictures."""
    root = Path(config.config_file_path).parent
    for name, page in PAGES.items():
        notebook = nbformat.read(_executed(root, name), as_version=4)
        about = {"unique_key": Path(page).stem, "output_files_dir": "."}
        text, resources = MarkdownExporter().from_notebook_node(notebook, resources=about)
        files.append(File.generated(config, page, content=text))
        for picture, data in resources["outputs"].items():
            path = str(Path(page).with_name(Path(picture).name))
            files.append(File.generated(config, path, content=data))
    return files


def _executed(root: Path, name: str) -> Path:
    """Return where a notebook lies with its outputs, and run it unless that is up to date."""
    source = root / "notebooks" / f"{name}.ipynb"
    if _lacks(root, source.read_text(encoding="utf-8")):
        return source  # the page is without outputs
    kept = root / ".cache" / f"{name}-{_digest(root, source)}.ipynb"
    if not kept.exists():
        notebook = nbformat.read(source, as_version=4)
        at = {"metadata": {"path": str(source.parent)}}
        quiet = ["--log-level=ERROR"]  # of the kernel; what cells print is in the notebook
        NotebookClient(
            notebook, timeout=120, kernel_name="python3", resources=at, extra_arguments=quiet
        ).execute()
        kept.parent.mkdir(exist_ok=True)
        for old in kept.parent.glob(f"{name}-*.ipynb"):
            old.unlink()
        nbformat.write(notebook, kept)
    return kept


def _lacks(root: Path, text: str) -> bool:
    """Return whether something is missing that a notebook needs, and that not all have.

    PyTorch is in no extra but its own, and the viewer's page is built by npm.
    """
    needs_torch = "slidetile.torch" in text
    needs_page = ".view(" in text
    page = root / "slidetile" / "viewer" / "built" / "widget.js"
    return (needs_torch and find_spec("torch") is None) or (needs_page and not page.exists())


def _digest(root: Path, notebook: Path) -> str:
    """Return a digest of all that a notebook's outputs follow from."""
    digest = hashlib.sha256()
    for path in _sources(root, notebook):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _sources(root: Path, notebook: Path) -> Iterator[Path]:
    yield notebook
    yield from sorted((root / "data_samples").glob("*.py"))
    yield root / "data_samples" / "sample.svs"
    yield from sorted((root / "slidetile").rglob("*.py"))
