"""Calls in child processes: a crash costs one call, and no process outlives its parent."""

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import wait as wait_for_any
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize
from typing import Any, Generic, NamedTuple, TypeVar, cast

from slidetile.runtime.child import BEGUN, WHERE, begin, stoppable
from slidetile.runtime.descendants import ask_to_end, descendants, force_to_end
from slidetile.runtime.foreign import ForeignExitError, exit_sentence
from slidetile.runtime.memory import resident_bytes_of

Result = TypeVar("Result")

CALLS_PER_PROCESS = 50
"""A process is replaced after this many calls, to free what decoders have leaked."""

STOP_S = 0.5
"""A process that must stop has this long to tidy up; the parent then still ends within a second."""

TELL_S = 0.2
"""A process that hangs has this long to write where."""

LISTEN_S = 0.1
"""How often the parent listens to what running calls report and log."""

OnReport = Callable[[int, Any], None]
"""Takes the number of a call, and what it reports."""


class ProcessDiedError(BrokenProcessPool):
    """The process of a call has died; the message says by which signal, where that is known."""


class Ended(NamedTuple, Generic[Result]):
    """A call that has ended, in whichever way."""

    number: int
    """Its number among the calls."""

    future: "Future[Result]"
    """Its result, or its error."""

    seconds: float
    """How long it took, with the start of its process."""


def in_processes(
    calls: Sequence[Callable[[], Result]],
    count: int,
    *,
    timeout_s: float | None = None,
    on_report: OnReport | None = None,
) -> Generator[Ended[Result]]:
    """Yield each call as it ends; see `while_there_are_calls`.

    Parameters
    ----------
    calls
        What is called, once each; picklable.
    count
        Number of processes, and of calls at a time.
    timeout_s, on_report
        As in `Limits` and `while_there_are_calls`.
    """
    waiting = iter(enumerate(calls))
    limits = Limits(timeout_s=timeout_s)
    return while_there_are_calls(
        lambda: next(waiting, None), lambda: count, limits=limits, on_report=on_report
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a call in a process of its own may take."""

    timeout_s: float | None = None
    """Seconds, with the start of its process; None is for ever."""

    memory_bytes: Callable[[], int | None] = lambda: None
    """Resident memory of its process, in bytes, as it is when the call begins; None is any."""


NO_LIMITS = Limits()


def while_there_are_calls(
    take: "Callable[[], tuple[int, Callable[[], Result]] | None]",
    room: Callable[[], int],
    *,
    limits: Limits = NO_LIMITS,
    on_report: OnReport | None = None,
) -> Generator[Ended[Result]]:
    """Yield each call as it ends, as long as there are any.

    If an error, Ctrl-C or ``close`` ends the iterator early, the processes stop within `STOP_S`;
    calls under way get a KeyboardInterrupt. What the calls log is logged here.

    Parameters
    ----------
    take
        Returns the next call, which is picklable, and its number; None where there is none now. It
        is asked again after each call that ends: a call that failed may be given once more.
    room
        How many calls may be under way now, each in a process of its own; 1 at the least.
    limits
        What a call may take. The process of one that takes more is ended.
    on_report
        Called in this thread with what the calls hand to `report`.

    Yields
    ------
    The future of a call whose process died holds a `ProcessDiedError`, of one that took too long a
    TimeoutError, of one that held too much memory a MemoryError, and of one that wanted to end the
    process a `ForeignExitError`.
    """
    with _start_method_left_open():
        yield from _Crew(take, room, limits, on_report or _ignore).carry_on()


def in_process_of_its_own(
    call: Callable[[], Result], *, on_report: OnReport | None = None
) -> Result:
    """Return the result of one call in another process.

    Raises
    ------
    ProcessDiedError
        The process has died.
    Exception
        What the call raised.
    """
    with contextlib.closing(in_processes([call], 1, on_report=on_report)) as ended:
        return next(ended).future.result()


def refuse_unguarded(name: str) -> None:
    """Refuse to begin processes while this one is still being begun as one of another's.

    Python runs a script once more in each process that it begins; without the usual guard each of
    them would begin processes of its own.

    Raises
    ------
    RuntimeError
        This process is being begun.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError(
            f"{name} was called while its script was run again in another process: put the call "
            'below `if __name__ == "__main__":`, or give processes=0 to stay in one process.'
        )


class KeptProcess:
    """A process that makes one call after another, and is replaced where a call has ended it.

    It starts with the first call, and ends with this process, or when it is closed. One call at a
    time: the caller sees to that.
    """

    def __init__(self) -> None:
        self._crew: _Crew[Any] | None = None
        # Where this process is another's, Python waits for its children, and does not end them. To
        # be done before Python ends the threads that would have them end.
        Finalize(None, self.close, exitpriority=100)

    def call(
        self,
        call: Callable[[], Result],
        *,
        limits: Limits = NO_LIMITS,
        on_report: OnReport | None = None,
        look: Callable[[], None] = lambda: None,
    ) -> Ended[Result]:
        """Make a call, and return how it ended; see `while_there_are_calls`.

        Parameters
        ----------
        call
            What is called; picklable.
        limits, on_report
            As in `while_there_are_calls`.
        look
            Called every `LISTEN_S` meanwhile; what it raises ends the call, and is raised here.
        """
        waiting = iter([(0, call)])

        def room() -> int:
            look()
            return 1

        idle = () if self._crew is None else self._crew.idle
        self._crew = crew = _Crew(
            lambda: next(waiting, None), room, limits, on_report or _ignore, idle=idle
        )
        with _start_method_left_open():
            try:
                [ended] = crew.each_ended()
            except BaseException:
                self.close()
                raise
        return ended

    def close(self) -> None:
        """End the process."""
        crew, self._crew = self._crew, None
        if crew is not None:
            crew.stop()
            crew.close()


class _Running(NamedTuple):
    """A call under way."""

    number: int
    child: "_Child"
    begin_s: float
    most_bytes: int | None
    """The memory that its process may hold, as it was when the call began."""


class _Crew(Generic[Result]):
    """Processes, and the calls that they carry out."""

    def __init__(
        self,
        take: "Callable[[], tuple[int, Callable[[], Result]] | None]",
        room: Callable[[], int],
        limits: Limits,
        on_report: OnReport,
        *,
        idle: "Sequence[_Child]" = (),
    ) -> None:
        self._take = take
        self._room = room
        self._limits = limits
        self._on_report = on_report
        self.idle: list[_Child] = [*idle]
        self._running: dict[Future[Result], _Running] = {}

    @property
    def _children(self) -> "list[_Child]":
        return [*self.idle, *(each.child for each in self._running.values())]

    def carry_on(self) -> Generator[Ended[Result]]:
        try:
            yield from self.each_ended()
        finally:
            self.close()

    def each_ended(self) -> Generator[Ended[Result]]:
        """Yield each call as it ends; processes that are idle then are left to the caller."""
        try:
            while self._begin_calls():
                yield from self._ended()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        _stop(self._children)

    def close(self) -> None:
        for child in self._children:
            child.close()

    def _begin_calls(self) -> bool:
        """Begin calls while there is room; return whether any is under way."""
        while len(self._running) < max(1, self._room()) and (call := self._take()) is not None:
            child, future = self._submitted(call[1])
            most_bytes = self._limits.memory_bytes()
            self._running[future] = _Running(call[0], child, time.monotonic(), most_bytes)
        while self.idle and len(self._running) + len(self.idle) > max(1, self._room()):
            self.idle.pop().close()
        return bool(self._running)

    def _submitted(self, call: Callable[[], Result]) -> "tuple[_Child, Future[Result]]":
        """Submit a call to an idle process, or to another where that has died meanwhile."""
        while self.idle:
            child = self.idle.pop()
            try:
                return child, child.submit(call)
            except BrokenProcessPool:
                child.close()
        child = _Child()
        return child, child.submit(call)

    def _ended(self) -> Generator[Ended[Result]]:
        """Wait a while; yield the calls that have ended, or are ended since they took too much."""
        wait(self._running, timeout=LISTEN_S, return_when=FIRST_COMPLETED)
        ends = {f: error for f, each in self._running.items() if (error := self._end(f, each))}
        for each in self._running.values():
            for report in each.child.reports():
                self._on_report(each.number, report)
        for future, end in ends.items():
            number, child, begin_s, _ = self._running[future]
            seconds = time.monotonic() - begin_s
            outcome = child.outcome(future, end if isinstance(end, Exception) else None)
            self.idle.append(child.or_another())
            del self._running[future]  # not before: what is in neither outlives an interrupt
            yield Ended(number, outcome, seconds)

    def _end(self, future: "Future[Result]", running: _Running) -> Exception | bool:
        """Return whether a call has ended, or why it must."""
        if future.done():
            return True
        timeout_s, most_bytes = self._limits.timeout_s, running.most_bytes
        if timeout_s is not None and time.monotonic() - running.begin_s > timeout_s:
            return TimeoutError(f"it took longer than {timeout_s:g} s, so it was ended")
        if most_bytes is not None and (held := running.child.resident_bytes()) > most_bytes:
            return MemoryError(
                f"its process held {held / 1e6:,.0f} MB of memory, more than the "
                f"{most_bytes / 1e6:,.0f} MB of its share, so it was ended"
            )
        return False


def _ignore(number: int, report: Any) -> None:
    """Take a report that nobody wants."""


@contextlib.contextmanager
def _start_method_left_open() -> Iterator[None]:
    """Let the calling program still choose how its own processes begin.

    Ours are spawned, whatever it chooses. But as soon as any process has begun, Python takes its
    default for chosen and refuses another.
    """
    is_open = _start_method() is None
    try:
        yield
    finally:
        if is_open and _start_method() == multiprocessing.get_all_start_methods()[0]:
            multiprocessing.set_start_method(None, force=True)


def _start_method() -> str | None:
    return multiprocessing.get_start_method(allow_none=True)


def _begin_tracker() -> None:
    """Begin Python's process that removes what an ended one has left, and have it do so quietly.

    A run that is stopped and has no time to tidy up would else be followed by a warning of its
    semaphores, behind its own last words.
    """
    quiet = f"ignore:resource_tracker:{UserWarning.__name__}"
    sys.warnoptions.append(quiet)
    try:
        with _terminal_unheard():
            resource_tracker.ensure_running()
    finally:
        sys.warnoptions.remove(quiet)


@contextlib.contextmanager
def _terminal_unheard() -> Iterator[None]:
    """Let processes that are begun meanwhile never hear Ctrl-C, nor that their terminal is gone.

    A terminal tells its whole group; their parent has them end, and says what becomes of the run.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGHUP])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _forget_to_wake(manager: "threading.Thread | None") -> None:
    """Have Python not wake, as it ends, a thread that ends already and closes what it listens at.

    It looks whether that is open, and then writes into it; in between the thread may close it,
    which would end the command with a traceback about a bad file descriptor.
    """
    from concurrent.futures import process

    wakeups = getattr(process, "_threads_wakeups", None)  # none is public
    if wakeups is not None and manager is not None:
        wakeups.pop(manager, None)


def _allow_children() -> None:
    """Let this process begin others although another's is its parent, such as a nanny of Dask's.

    Python refuses that to daemonic processes, which would leave their children behind: ours end
    with their parent by themselves, however it ends.
    """
    me = multiprocessing.current_process()
    if me.daemon:
        me.daemon = False


class _Child:
    """One process of its own, so that a crash shows which call caused it."""

    def __init__(self) -> None:
        _begin_tracker()
        _allow_children()
        context = multiprocessing.get_context("spawn")
        log_levels = {name: logging.getLogger(name).level for name in ("slidetile", "tifffile")}
        self._listen, self._tell = context.Pipe(duplex=False)
        self._executor = ProcessPoolExecutor(
            1,
            mp_context=context,
            initializer=begin,
            initargs=(log_levels, threading.stack_size(), self._tell),
            max_tasks_per_child=CALLS_PER_PROCESS,
        )
        self._seen: dict[int, BaseProcess] = {}
        self._is_sound = True
        self._has_begun = False

    def _check_begun(self) -> None:
        """Check that a process that died had begun, and did not fail to.

        Raises
        ------
        RuntimeError
            It failed to.
        """
        for _ in self.reports():
            pass
        self._how_it_died()
        codes = [process.exitcode for process in self._seen.values()]
        if not self._has_begun and codes and codes[-1] == 1:
            raise RuntimeError(
                "A process could not begin: what it says is above. A script that begins processes "
                'needs `if __name__ == "__main__":` around what it does, since each of them runs '
                "the script once more; or give processes=0 to stay in one process."
            )

    @property
    def processes(self) -> list[BaseProcess]:
        """The process, which is replaced now and then: all that may still run."""
        # Public from Python 3.14 on only, as terminate_workers and kill_workers.
        self._seen |= dict(self._executor._processes or {})  # noqa: SLF001
        return list(self._seen.values())

    def submit(self, call: Callable[[], Result]) -> "Future[Result]":
        """Submit a call; a process that starts for it leaves a terminal's signals to its parent."""
        with _terminal_unheard():
            return self._executor.submit(stoppable, call)

    def reports(self) -> Iterator[Any]:
        """Yield what the running call has reported, and log what it has logged."""
        _ = self.processes  # seen while it lives
        with contextlib.suppress(OSError, EOFError):  # the process has died in the middle
            while self._listen.poll():
                report = self._listen.recv()
                if report == BEGUN:
                    self._has_begun = True
                elif isinstance(report, logging.LogRecord):
                    logging.getLogger(report.name).handle(report)
                else:
                    yield report

    def resident_bytes(self) -> int:
        """Return the memory that the process holds now."""
        alive = [each.pid for each in self.processes if each.exitcode is None]
        return sum(resident_bytes_of(pid) for pid in alive if pid is not None)

    def outcome(self, future: "Future[Result]", end: Exception | None) -> "Future[Result]":
        """Return a call's future as the caller gets it; with a reason to end it, it is ended."""
        if end is not None and not future.done():
            self._is_sound = False
            if isinstance(end, TimeoutError):
                self._tell_where_it_is()
            _stop([self])
            return _failed(end)
        error = future.exception()
        if isinstance(error, BrokenProcessPool):
            self._is_sound = False
            self._check_begun()
            return _failed(ProcessDiedError(f"its process died{self._how_it_died()}"))
        if error is not None and not isinstance(error, Exception):
            return _failed(ForeignExitError(exit_sentence("a detector or a reader", error)))
        return future

    def _tell_where_it_is(self) -> None:
        """Have the process write which calls it is in, if it has a log: see `SlideLog`."""
        for process in self.processes:
            if process.exitcode is None and process.pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, WHERE)
        time.sleep(TELL_S)

    def or_another(self) -> "_Child":
        """Return this child, or another in its place where its process has died."""
        if self._is_sound:
            return self
        self.close()
        return _Child()

    def close(self) -> None:
        """Let the process end, as soon as it has nothing to do."""
        manager = getattr(self._executor, "_executor_manager_thread", None)  # none is public
        self._executor.shutdown(wait=False, cancel_futures=True)
        _forget_to_wake(manager)
        if not self._is_sound and manager is not None:
            # Python 3.11 complains if it ends itself while this thread closes its pipe.
            manager.join(STOP_S)
        self._listen.close()
        self._tell.close()

    def _how_it_died(self) -> str:
        end = time.monotonic() + STOP_S
        while time.monotonic() < end:
            codes = [process.exitcode for process in self._seen.values()]
            if codes and codes[-1] is not None:
                return _how(codes[-1])
            time.sleep(0.01)
        return ""


def _how(exit_code: int) -> str:
    if exit_code >= 0:
        return f" with the exit code {exit_code}"
    with contextlib.suppress(ValueError):
        return f" of signal {-exit_code} ({signal.strsignal(-exit_code)})"
    return f" of signal {-exit_code}"


def _failed(error: Exception) -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_exception(error)
    return future


def _stop(children: Sequence[_Child]) -> None:
    """End the processes: by SIGTERM, so that they release what they hold, then by SIGKILL.

    With them end those that they have begun, such as a detector's: no group of processes is made
    for that, since Ctrl-Z and a scheduler's signals reach the group that the command is in.
    """
    processes = [process for child in children for process in child.processes]
    processes = [process for process in processes if process.exitcode is None]
    begun = descendants(_pids(processes))  # now: those of one that has ended are not to be found
    for process in processes:
        process.terminate()
    ask_to_end(begun)
    alive = {process.sentinel: process for process in processes}
    until_s = time.monotonic() + STOP_S
    while alive and (left := until_s - time.monotonic()) > 0:
        for sentinel in wait_for_any(list(alive), timeout=left):
            del alive[cast("int", sentinel)]
    if alive:
        begun += descendants(_pids(alive.values()))
    for process in alive.values():
        process.kill()
    force_to_end(begun)


def _pids(processes: Iterable[BaseProcess]) -> list[int]:
    return [process.pid for process in processes if process.pid is not None]
