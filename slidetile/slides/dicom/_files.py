"""The open files of a slide: each opened when it is first read, and few at a time."""

import threading
from collections import OrderedDict
from collections.abc import Sequence

from slidetile.cloud.address import Location
from slidetile.cloud.held import held_now, held_within
from slidetile.slides.dicom._instance import Instance
from slidetile.slides.open_file import open_file
from slidetile.slides.slide_file import SlideFile

_MOST_OPEN = 32
"""A process may have some hundreds of files open, and a batch reads several slides."""


class OpenFiles:
    """Files of a slide, which threads share.

    A file that has to make room stays open for those who still read it, and is closed then. In
    object storage all of them together are held within one bound of memory.
    """

    def __init__(self) -> None:
        self._files: OrderedDict[Location, SlideFile] = OrderedDict()
        self._lock = threading.Lock()
        self._is_closed = False
        self._held = held_now()

    def get(self, instance: Instance) -> SlideFile:
        """Return an open file.

        Raises
        ------
        SlideReadError
            It cannot be opened, or has changed since its header was read.
        ValueError
            The slide is closed.
        """
        with self._lock:
            if self._is_closed:
                raise ValueError(
                    f"{instance.path} is closed: open the slide again to read from it."
                )
            file = self._files.get(instance.path)
            if file is None:
                with held_within(self._held):
                    file = open_file(instance.path, state=instance.state)
                self._files[instance.path] = file
            self._files.move_to_end(instance.path)
            while len(self._files) > _MOST_OPEN:
                self._files.popitem(last=False)
            return file

    def hold(self, instances: Sequence[Instance]) -> None:
        """Open files before they are read, as many as stay open."""
        for instance in instances[:_MOST_OPEN]:
            self.get(instance)

    def close(self) -> None:
        """Close all files. Closing twice is allowed."""
        with self._lock:
            self._is_closed = True
            while self._files:
                self._files.popitem()[1].close()
