"""The slide that a store without pixels refers to, found and opened.

Knows slides and what a store records of its own. Does not know any format of slides.

A store may come from anywhere, and names a path: so nothing at that path is read as a slide before
its fingerprint is that of the store's slide, and where blocks lie in it only its reader says.
"""

import contextlib
import stat
from pathlib import Path
from typing import Self

from slidetile.cloud.address import Address, Location, absolute
from slidetile.counts import how_many
from slidetile.errors import SlideError, StoreError, explain
from slidetile.format.metadata.planes import PlaneFacts
from slidetile.format.metadata.store import StoreMetadata
from slidetile.slides.file_slide import read_source
from slidetile.slides.omezarr.folder import is_slide_folder
from slidetile.slides.opening import open_slide
from slidetile.slides.slide import Slide
from slidetile.store.folder import StoreFolder

_REMEDY = 'Put the slide back, or say where it is: --slide PATH (open_store(store, slide="PATH")).'


class ReferredSlide:
    """The slide of a store without pixels, found and opened.

    Picklable: another process opens it anew, and compares it anew.

    Parameters
    ----------
    folder
        The store's folder.
    metadata
        The store's record.
    given
        Where the slide is; None looks where the store says.

    Raises
    ------
    StoreError
        The slide is not there, is another one or has changed, or cannot be opened.
    """

    def __init__(
        self, folder: StoreFolder, metadata: StoreMetadata, given: Location | None = None
    ) -> None:
        self._folder = folder
        self._metadata = metadata
        self.path = self._found(given)
        """The file or the folder."""
        self.slide = self._opened()
        """The slide, with the channels, the depth and the time that the store has of it."""

    def __reduce__(self) -> tuple[type[Self], tuple[StoreFolder, StoreMetadata, Location]]:
        return type(self), (self._folder, self._metadata, self.path)

    def _found(self, given: Location | None) -> Location:
        facts = self._metadata.reference
        assert facts is not None, "only stores of the codec reference have such a slide"
        folder = self._folder.absolute
        paths: tuple[Location, ...]
        if given is not None:
            paths = (Path(absolute(given)) if isinstance(given, Path) else given,)
        else:
            known = facts.paths(folder) if isinstance(folder, Path) else (Path(facts.absolute),)
            paths = known
        reasons = []
        for path in paths:
            reason = self._unlike(path, is_told=given is not None)
            if reason is None:
                return path
            reasons.append(reason)
        raise self._refusal(", and ".join(reasons))

    def _unlike(self, path: Location, *, is_told: bool) -> str | None:
        """Return why a path does not lead to the slide.

        Only folders of OME-Zarr are slides; whoever tells where the slide is may name that of a
        DICOM series, too.
        """
        try:
            if isinstance(path, Address):
                return self._other(path, read_source(path).fingerprint, is_told=is_told)
            kind = path.stat().st_mode
            if stat.S_ISDIR(kind) and (is_told or is_slide_folder(path)):
                return None  # its reader knows which of its files make the fingerprint
            if not stat.S_ISREG(kind):
                return f"{path} is not a regular file"
            return self._other(path, read_source(path).fingerprint, is_told=is_told)
        except FileNotFoundError:
            return f"{path} does not exist"
        except (OSError, ValueError) as error:
            return f"{path} cannot be read ({explain(error)})"

    def _other(self, path: Location, found: str, *, is_told: bool) -> str | None:
        """Return why a file is not the slide; of one that the store alone names nothing is told."""
        wanted = self._metadata.source.fingerprint
        if found == wanted:
            return None
        own = (
            f"its fingerprint is {found:.12}…, that of the store's slide "
            if is_told
            else ("its fingerprint is not that of the store's slide, ")
        )
        return f"{path} is another one or has changed: {own}{wanted:.12}…"

    def _opened(self) -> Slide:
        try:
            slide = self._read_as_before()
            other = self._other(self.path, slide.source.fingerprint, is_told=False)  # as opened
        except (SlideError, OSError, ValueError) as error:
            raise self._refusal(f"it cannot be opened: {explain(error)}") from error
        for what in (other, self._otherwise(slide)):
            if what is not None:
                slide.close()
                raise self._refusal(what)
        return slide

    def _read_as_before(self) -> Slide:
        """Open the slide by the reader that the store was made with.

        If that is the one which is chosen for it, let it be chosen: a slide knows then, and a store
        records, why others left it.
        """
        wanted = self._metadata.source.reader
        with contextlib.suppress(SlideError):
            slide = self._read_by(None)
            if slide.reader == wanted:
                return slide
            slide.close()
        return self._read_by(wanted)

    def _read_by(self, reader: str | None) -> Slide:
        planes = self._metadata.parameters.planes or PlaneFacts()
        return open_slide(
            self.path,
            reader=reader,
            mpp=self._metadata.source.mpp,
            channels=planes.channels or (),
            z=planes.z,
            t=planes.t,
        )

    def _otherwise(self, slide: Slide) -> str | None:
        """Return how the right slide is not read as it was when the store was made."""
        names, bits = [each.name for each in slide.channel_info], slide.bits
        wanted = [each.name for each in self._metadata.channel_info], self._metadata.bits
        if (names, bits) != wanted:
            return f"its channels are {', '.join(names):.200} of {bits} bits"
        if len(slide.levels) != len(self._metadata.downsamples):
            return f"it is read with {how_many(len(slide.levels), 'levels')}, unlike the store's"
        return None

    def _refusal(self, why: str) -> StoreError:
        name = self._metadata.source.name
        return StoreError(
            f"{self._folder.path} holds no pixels, and cannot read those of the slide {name} that "
            f"it refers to: {why}. {_REMEDY}"
        )
