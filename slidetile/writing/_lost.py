"""How many good pixels are left out beside damaged ones: a chunk is stored whole or not at all.

Knows the chunks that could not be read, and the slide's blocks in them. Does not know tiles.
"""

import logging
import threading

from slidetile.counts import how_many
from slidetile.errors import DamagedPixelsError
from slidetile.raster.region import Region
from slidetile.slides.slide import Slide

_log = logging.getLogger(__name__)


class LostPixels:
    """The pixels of level 0 in chunks that could not be read; several threads may add some.

    Parameters
    ----------
    slide
        The slide that is read.
    """

    def __init__(self, slide: Slide) -> None:
        self._slide = slide
        self._lock = threading.Lock()
        self._chunks = 0
        self._px = 0
        self._damaged_px = 0

    def add(self, chunk: Region) -> None:
        """Add a chunk that could not be read as a whole; its blocks show what of it is damaged.

        Raises
        ------
        SlideReadError
            The slide's file could not be read.
        """
        region = chunk.intersection(self._slide.bounds)
        if region is None:
            return
        damaged_px = self._damaged(region)
        with self._lock:
            self._chunks += 1
            self._px += region.area
            self._damaged_px += damaged_px

    def tell(self, codec: str) -> None:
        """Warn of the good pixels that are left out, if there are any, in one sentence."""
        good_px = self._px - self._damaged_px
        if good_px:
            chunks = how_many(self._chunks, "chunks")
            _log.warning(
                "%s: %s px of level 0 are damaged, and %s good px beside them are left out, too: "
                "the codec %s stores a chunk whole or not at all, and %s could not be read "
                "whole.%s",
                *(self._slide.name, f"{self._damaged_px:,}", f"{good_px:,}", codec, chunks),
                " --codec native leaves out less." if self._slide.native_tiles(0) else "",
            )

    def _damaged(self, region: Region) -> int:
        blocks = self._slide.levels[0].blocks(region)
        parts = (block.intersection(region) for block in blocks)
        return sum(part.area for part in parts if part is not None and not self._reads(part))

    def _reads(self, part: Region) -> bool:
        try:
            self._slide.read_region(part)
        except DamagedPixelsError:
            return False
        return True
