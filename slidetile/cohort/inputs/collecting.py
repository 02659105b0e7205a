"""The slides that the inputs of a batch stand for: files, folders, globs and manifests.

Knows what an input is. Does not know what the slides are called in the output folder.
"""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from slidetile.cloud.address import Address, Location, absolute, locate
from slidetile.cloud.objects import object_exists
from slidetile.cohort.inputs.bucket import GLOB, matching, slides_at
from slidetile.cohort.inputs.entry import Entry
from slidetile.cohort.inputs.folder import find_slides
from slidetile.cohort.inputs.manifest import is_manifest, read_manifest
from slidetile.errors import CohortError


def collect(inputs: Iterable[str | os.PathLike[str] | Address]) -> list[Entry]:
    """Return the slides that inputs stand for, each once: those of manifests, then the others.

    Parameters
    ----------
    inputs
        Slides; folders, see `find_slides`, and prefixes in buckets, see `slides_at`; globs such as
        ``slides/**/*.svs``, where no file of that name exists; and manifests, see `read_manifest`.
        A slide that a manifest lists and another input names too is as the manifest says.

    Raises
    ------
    CohortError
        A manifest cannot be used, two of them give one id, or nothing matches a glob.
    SlideError
        The whole file system was to be searched.
    """
    listed: dict[str, Entry] = {}
    plain: list[Path] = []
    remote: list[Address] = []
    for path in expanded(inputs):
        if is_manifest(path):
            for entry in read_manifest(path):
                _add(listed, entry, path)
        elif isinstance(path, Address):
            remote += slides_at(path)
        else:
            plain.append(path)
    known = {absolute(entry.slide) for entry in listed.values()}
    found: list[Location] = [*find_slides(plain), *dict.fromkeys(remote)]
    others = [slide for slide in found if absolute(slide) not in known]
    return [*listed.values(), *(Entry(slide=slide) for slide in others)]


def _add(listed: dict[str, Entry], entry: Entry, manifest: Location) -> None:
    """Add a slide of a manifest to those of the manifests before."""
    name = f"/{absolute(entry.slide)}" if entry.id is None else entry.id.casefold()
    if name in listed:
        what = f"the slide {entry.slide}" if entry.id is None else f"the id {entry.id}"
        raise CohortError(f"{manifest} lists {what}, which another manifest lists too.")
    listed[name] = entry


def expanded(inputs: Iterable[str | os.PathLike[str] | Address]) -> Iterator[Location]:
    """Yield inputs, and what globs among them match, in alphabetical order.

    Raises
    ------
    CohortError
        Nothing matches a glob.
    """
    for given in inputs:
        located = locate(given)
        if isinstance(located, Address):
            yield from _matched(located)
            continue
        text = os.fsdecode(located)
        if GLOB.isdisjoint(text) or os.path.lexists(text):
            yield Path(text)
            continue
        found = sorted(glob.glob(text, recursive=True))  # noqa: PTH207  of any folder
        if not found:
            raise CohortError(f"nothing matches {text}: no file or folder has such a name.")
        yield from map(Path, found)


def _matched(address: Address) -> list[Address]:
    """Return what an address matches, where it is a glob and no object is called so."""
    if GLOB.isdisjoint(address.key) or address.is_web or _is_there(address):
        return [address]
    found = matching(address)
    if not found:
        raise CohortError(f"nothing matches {address}: no object has such a name.")
    return found


def _is_there(address: Address) -> bool:
    try:
        return object_exists(address)
    except OSError:
        return False  # the listing says what is wrong
