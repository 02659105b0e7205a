"""What of a slide OpenSlide did not decode: known from then on, and of bounded number.

Knows blocks. Does not know how they are read.
"""

import threading
from pathlib import Path

from slidetile.errors import DamagedPixelsError, SlideReadError
from slidetile.raster.region import Region

MOST_DAMAGED = 10_000
"""Damaged blocks that are looked for: each costs an opening of the slide, a few milliseconds in
most formats, a tenth of a second in some."""

MOST_WITHOUT_SOUND = 500
"""Those of a slide of which nothing has decoded yet."""

_CELL_PX = 256


class Damage:
    """The damaged blocks of a slide; several threads may use it.

    Parameters
    ----------
    path
        The slide's file, for messages.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._small: dict[tuple[int, int, int], Region] = {}
        self._count = 0
        self._is_any_sound = False

    def check(self, block: Region, level: int) -> None:
        """Check that no damaged block is known in a block, in pixels of its level.

        Raises
        ------
        DamagedPixelsError
            One is.
        SlideReadError
            More are than are looked for.
        """
        if not self._count:
            return
        with self._lock:
            self._check_count()
            cells = block.rescaled((_CELL_PX, _CELL_PX), (1, 1))
            for row in range(cells.y, cells.bottom):
                for column in range(cells.x, cells.right):
                    small = self._small.get((level, column, row))
                    if small is not None and block.contains(small):
                        raise DamagedPixelsError(
                            f"{block.width}×{block.height} pixels at column {block.x}, row "
                            f"{block.y} of level {level} of {self._path.name} do not decode: "
                            f"those at column {small.x}, row {small.y} are known to be damaged."
                        )

    def add(self, block: Region, level: int) -> None:
        """Add a block that does not decode.

        Raises
        ------
        SlideReadError
            It is one too many.
        """
        with self._lock:
            self._count += 1
            if max(block.width, block.height) <= _CELL_PX:
                self._small[level, block.x // _CELL_PX, block.y // _CELL_PX] = block
            self._check_count()

    def add_sound(self) -> None:
        """Note that a block has decoded."""
        self._is_any_sound = True

    def _check_count(self) -> None:
        if self._count > MOST_DAMAGED:
            what = f"more than {MOST_DAMAGED} blocks of it do not decode"
        elif self._count > MOST_WITHOUT_SOUND and not self._is_any_sound:
            what = f"not one of the {self._count} blocks that were read decodes"
        else:
            return
        raise SlideReadError(
            f"{self._path}: {what}, so it is read no further: the file is damaged, or of a slide "
            "of several files one is missing; copy it again from its source."
        )
