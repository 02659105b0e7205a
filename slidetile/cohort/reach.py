"""Which buckets of a run answer no more, so that no slide is begun that would only wait for them.

Knows places, and asks them. Does not know slides.
"""

import os
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from slidetile.cloud.address import Address, Location
from slidetile.cloud.objects import read_object, remove_objects, write_object
from slidetile.cohort.files import hurried
from slidetile.cohort.layout import RunFolder

MOST_DENIED = 3
"""So many slides in a row that a bucket does not give are no matter of single slides. Some servers
deny what is not there, so one such answer tells nothing."""

Ask = Callable[[Address], None]


class Reach:
    """Learns by slides that fail which buckets are gone. Safe for several threads.

    A bucket is asked only when a slide has failed that may have failed by it, after all attempts.
    It is asked in a few seconds then: to write an object of the run, or for one that is not there.

    Parameters
    ----------
    run
        The run, whose rows and stores may lie in a bucket.
    """

    def __init__(self, run: RunFolder) -> None:
        self._output = run.path
        self._lock = threading.Lock()
        self._gone: dict[str, OSError] = {}
        """What buckets that are gone have said."""
        self._denied = Counter[str]()

    @property
    def is_output_gone(self) -> bool:
        """Whether nothing can be written any more."""
        return bool(self._gone) and _name(self._output) in self._gone

    def is_gone(self, slide: Location) -> bool:
        """Return whether a slide cannot be read any more, or its store not be written."""
        return bool(self._gone) and (self.is_output_gone or _name(slide) in self._gone)

    def answered(self, slide: Location) -> None:
        """Note that a slide was read."""
        if self._denied:
            with self._lock:
                self._denied.pop(_name(slide), None)

    def look(self, slide: Location) -> None:
        """Ask the buckets of a slide that has failed, since they may be the reason."""
        with self._lock:
            if isinstance(self._output, Address) and not self.is_output_gone:
                self._ask(self._output, _write, denials=1)
            if isinstance(slide, Address) and not self.is_gone(slide):
                self._ask(slide, _read, denials=MOST_DENIED)

    def refuse_if_gone(self, *, not_begun: int, kept: Path | None) -> None:
        """Raise the error that ends a run which a bucket that is gone has cut short.

        Parameters
        ----------
        not_begun
            Slides that have no result for it.
        kept
            Where rows are that could not be put into the bucket; None where all were.

        Raises
        ------
        OSError
            A bucket is gone.
        """
        if not self._gone or not (not_begun or self.is_output_gone):
            return
        place, error = next(iter(self._gone.items()))
        rows = f"; rows that could not be put there are kept in {kept} for the next run"
        why = (
            f"{error.strerror or error}, so the batch ends; slides not begun: {not_begun:,}"
            f"{'' if kept is None else rows}; what is finished is kept: run the same command again "
            "when it answers"
        )
        raise type(error)(error.errno, why, place) from error

    def _ask(self, place: Address, ask: Ask, *, denials: int) -> None:
        """Ask a bucket, and note that it is gone if it does not answer, or denies all."""
        name = _name(place)
        try:
            ask(hurried(place))
        except PermissionError as error:
            self._denied[name] += 1
            if self._denied[name] >= denials:
                self._gone[name] = error
        except ConnectionError as error:
            self._gone[name] = error
        except OSError:
            self._ask_patiently(place, ask)

    def _ask_patiently(self, place: Address, ask: Ask) -> None:
        """Ask a bucket that is slow or has failed as often as any request is tried."""
        try:
            ask(place)
        except OSError as error:
            self._gone[_name(place)] = error


def _name(place: Location) -> str:
    """Return what a bucket is told from others by; nothing for this machine."""
    return f"{place.scheme}://{place.bucket}" if isinstance(place, Address) else ""


def _write(place: Address) -> None:
    probe = place / f"probe-{os.urandom(8).hex()}"
    write_object(probe, [b"-"])
    with suppress(OSError):
        remove_objects([probe])


def _read(place: Address) -> None:
    with suppress(FileNotFoundError):
        read_object(replace(place, key=f"probe-{os.urandom(8).hex()}"), 1)
