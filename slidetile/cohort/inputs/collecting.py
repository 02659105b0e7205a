"""The slides that the inputs of a batch stand for: files, folders, globs and manifests.

Knows what an input is. Does not know what the slides are called in the output folder.
"""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from slidetile.cohort.inputs.entry import Entry
from slidetile.cohort.inputs.folder import find_slides
from slidetile.cohort.inputs.manifest import is_manifest, read_manifest
from slidetile.errors import CohortError

_GLOB = frozenset("*?[")


def collect(inputs: Iterable[str | os.PathLike[str]]) -> list[Entry]:
    """Return the slides that inputs stand for, each once: those of manifests, then the others.

    Parameters
    ----------
    inputs
        Slides; folders, see `find_slides`; globs such as ``slides/**/*.svs``, where no file of that
        name exists; and manifests, see `read_manifest`. A slide that a manifest lists and another
        input names too is as the manifest says.

    Raises
    ------
    CohortError
        A manifest cannot be used, two of them give one id, or nothing matches a glob.
    SlideError
        The whole file system was to be searched.
    """
    listed: dict[str, Entry] = {}
    plain: list[Path] = []
    for path in expanded(inputs):
        if not is_manifest(path):
            plain.append(path)
            continue
        for entry in read_manifest(path):
            _add(listed, entry, path)
    known = {_absolute(entry.slide) for entry in listed.values()}
    others = [slide for slide in find_slides(plain) if _absolute(slide) not in known]
    return [*listed.values(), *(Entry(slide=slide) for slide in others)]


def _add(listed: dict[str, Entry], entry: Entry, manifest: Path) -> None:
    """Add a slide of a manifest to those of the manifests before."""
    name = f"/{_absolute(entry.slide)}" if entry.id is None else entry.id.casefold()
    if name in listed:
        what = f"the slide {entry.slide}" if entry.id is None else f"the id {entry.id}"
        raise CohortError(f"{manifest} lists {what}, which another manifest lists too.")
    listed[name] = entry


def expanded(inputs: Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    """Yield inputs, and what globs among them match, in alphabetical order.

    Raises
    ------
    CohortError
        Nothing matches a glob.
    """
    for given in inputs:
        text = os.fsdecode(given)
        if _GLOB.isdisjoint(text) or os.path.lexists(text):
            yield Path(text)
            continue
        found = sorted(glob.glob(text, recursive=True))  # noqa: PTH207  of any folder
        if not found:
            raise CohortError(f"nothing matches {text}: no file or folder has such a name.")
        yield from map(Path, found)


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100  links stay
