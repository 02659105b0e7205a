"""Several slides and stores in one command: what a folder stands for, one after another, isolated.

Knows paths and outcomes. Does not know what is done with each path.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from slidetile.choices import UnfitChoiceError
from slidetile.cloud.address import Address, Location
from slidetile.cloud.objects import in_parallel, object_exists
from slidetile.cohort.inputs.folder import SUFFIXES, find_slides
from slidetile.errors import SlideReadError, SlidetileError
from slidetile.format.names import PARTIAL_NOTE, PARTIAL_SUFFIX, ROOT, STORE_SUFFIX
from slidetile.runtime.foreign import ForeignExitError
from slidetile.slides.dicom.folder import series_of
from slidetile.store.listed import stores_at
from slidetile.store.location import stores_in
from slidetile.store.store import TileStore
from slidetile.tissue.left_out import LeftOut
from slidetile.writing.options import OnProgress, Progress

if TYPE_CHECKING:  # loaded where they are asked for
    from slidetile.planning.plan import TilePlan
    from slidetile.runtime.processes import ProcessDiedError

Result = TypeVar("Result")

FORESEEN = (SlidetileError, UnfitChoiceError, OSError, MemoryError, ForeignExitError)
"""What a command reports in a line; any other error is a bug, and ends it with a traceback."""


class Meant(NamedTuple):
    """What the paths of a command stand for."""

    paths: list[Location]

    is_one: bool
    """Whether one slide or store was named, not several and not a folder of them. A folder that a
    DICOM series fills is one slide."""


def things_meant(given: Sequence[Location]) -> Meant:
    """Return the slides and stores that paths stand for: a folder for all that it holds."""
    return _meant(given, _things_in)


def _things_in(folder: Location) -> list[Location]:
    if isinstance(folder, Address):
        from slidetile.cohort.inputs.bucket import slides_at

        return [*stores_at(folder), *(each for each in slides_at(folder) if each != folder)]
    return [*_begun_in(folder), *find_slides([folder], tells_stores=False)]


def stores_meant(given: Sequence[Location]) -> Meant:
    """Return the stores that paths stand for: a folder for those that lie in it."""
    return _meant(given, _stores_in)


def _stores_in(folder: Location) -> list[Location]:
    return [*(stores_at(folder) if isinstance(folder, Address) else _begun_in(folder))]


def _begun_in(folder: Path) -> list[Location]:
    """Return the stores in a folder, those that are not finished by the names they will have.

    Links to what is not there are among them, as of a share that is not mounted.
    """
    unfinished = (path.with_suffix("") for path in folder.glob(f"*{STORE_SUFFIX}{PARTIAL_SUFFIX}"))
    lost = (path for path in folder.glob(f"*{STORE_SUFFIX}") if not path.exists())
    return sorted({*stores_in(folder), *unfinished, *lost})


def _meant(given: Sequence[Location], inside: Callable[[Location], list[Location]]) -> Meant:
    paths: list[Location] = []
    is_one = len(given) == 1
    for path in given:
        found = inside(path) if _is_plain_folder(path) else []
        is_one = is_one and (not found or _is_series(path, found))
        paths += found or [path]
    return Meant(list(dict.fromkeys(paths)), is_one)


def _is_series(folder: Location, found: Sequence[Location]) -> bool:
    """Return whether what a folder holds is the one slide of a DICOM series."""
    is_alone = len(found) == 1 and found[0].parent == folder
    return is_alone and series_of(found[0]) is not None


def _is_plain_folder(path: Location) -> bool:
    """Return whether a path is a folder that is no store or Zarr slide."""
    if isinstance(path, Address):
        return _is_plain_prefix(path)
    if not path.is_dir() or path.suffix in (STORE_SUFFIX, PARTIAL_SUFFIX):
        return False
    return not any((path / name).exists() for name in ("zarr.json", ".zgroup", PARTIAL_NOTE))


def _is_plain_prefix(address: Address) -> bool:
    """Return whether an address can be that of neither one store nor one slide."""
    if address.is_web or address.suffix in (STORE_SUFFIX, PARTIAL_SUFFIX):
        return False
    return address.suffix.lower() not in SUFFIXES and not _is_object_or_store(address)


def _is_object_or_store(address: Address) -> bool:
    try:
        return bool(address.key) and any(
            in_parallel(object_exists, [address, address / ROOT, address / PARTIAL_NOTE])
        )
    except OSError:  # which is told where it is opened
        return True


def each_outcome(
    call: Callable[[Location], Result],
    meant: Meant,
    show: Callable[[Result | Exception], None],
    *,
    isolate: bool = False,
) -> list[Result | Exception]:
    """Return what a call makes of each path, and show it as soon as it is known.

    An error that was foreseen is an outcome where there are several paths; it is raised where
    there is one. With ``isolate`` the call is made in a process of its own, whose end is an error
    of the path.
    """
    outcomes = []
    for outcome in (_apart if isolate else _here)(call, meant.paths):
        if isinstance(outcome, Exception) and meant.is_one:
            raise outcome
        show(outcome)
        outcomes.append(outcome)
    return outcomes


def _here(
    call: Callable[[Location], Result], paths: Sequence[Location]
) -> Iterator[Result | Exception]:
    for path in paths:
        try:
            yield call(path)
        except FORESEEN as error:
            yield error


def _apart(
    call: Callable[[Location], Result], paths: Sequence[Location]
) -> Iterator[Result | Exception]:
    from slidetile.runtime.processes import ProcessDiedError, in_processes

    calls = [functools.partial(call, path) for path in paths]
    with contextlib.closing(in_processes(calls, 1)) as ended:
        for number, future, _ in ended:
            try:
                yield future.result()
            except ProcessDiedError as error:
                yield crashed(paths[number], error)
            except FORESEEN as error:
                yield error


OnLeftOut = Callable[[Sequence[LeftOut]], None]


def told(
    call: Callable[..., TileStore], on_progress: OnProgress, on_left_out: OnLeftOut
) -> TileStore:
    """Make a call of `tile_slide` that tells its progress, and what no tile will hold."""

    def on_plan(plan: "TilePlan") -> None:
        on_left_out([each.in_numbers for each in plan.left_out])

    return call(on_progress=on_progress, on_plan=on_plan)


def told_apart(
    slide: Path,
    call: Callable[..., TileStore],
    on_progress: OnProgress,
    on_left_out: OnLeftOut,
) -> TileStore:
    """Make a call as `told` does, in a process of its own.

    Raises
    ------
    SlideReadError
        That process has died, of this slide.
    """
    from slidetile.runtime.child import report
    from slidetile.runtime.processes import ProcessDiedError, in_process_of_its_own

    def on_report(_: int, value: Progress | Sequence[LeftOut]) -> None:
        if isinstance(value, Progress):
            on_progress(value)
        else:
            on_left_out(value)

    apart = functools.partial(told, call, report, report)
    try:
        return in_process_of_its_own(apart, on_report=on_report)
    except ProcessDiedError as error:
        raise crashed(slide, error) from error


def crashed(path: Location, error: "ProcessDiedError") -> SlideReadError:
    """Return the error of a path on which the process that reads it has died."""
    return SlideReadError(
        f"{path} could not be read: {error}: a library crashed on it, or memory ran out"
    )
