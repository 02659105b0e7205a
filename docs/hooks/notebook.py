"""The notebook as a page: run once for each state of the code, and kept in .cache/ meanwhile."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

NOTEBOOK = "notebooks/01_explore_a_slide.ipynb"
PAGE = "tutorial/explore-a-slide.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page and its pictures."""
    root = Path(config.config_file_path).parent
    notebook = nbformat.read(_executed(root), as_version=4)
    text, resources = MarkdownExporter().from_notebook_node(notebook)
    files.append(File.generated(config, PAGE, content=text))
    for name, data in resources["outputs"].items():
        files.append(File.generated(config, str(Path(PAGE).with_name(name)), content=data))
    return files


def _executed(root: Path) -> Path:
    """Return where the notebook lies with its outputs, and run it unless that is up to date."""
    kept = root / ".cache" / f"notebook-{_digest(root)}.ipynb"
    if not kept.exists():
        notebook = nbformat.read(root / NOTEBOOK, as_version=4)
        at = {"metadata": {"path": str((root / NOTEBOOK).parent)}}
        quiet = ["--log-level=ERROR"]  # of the kernel; what cells print is in the notebook
        NotebookClient(
            notebook, timeout=120, kernel_name="python3", resources=at, extra_arguments=quiet
        ).execute()
        kept.parent.mkdir(exist_ok=True)
        for old in kept.parent.glob("notebook-*.ipynb"):
            old.unlink()
        nbformat.write(notebook, kept)
    return kept


def _digest(root: Path) -> str:
    """Return a digest of all that the outputs follow from."""
    digest = hashlib.sha256()
    for path in _sources(root):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _sources(root: Path) -> Iterator[Path]:
    yield root / NOTEBOOK
    yield root / "data_samples" / "sample.svs"
    yield from sorted((root / "slidetile").rglob("*.py"))
