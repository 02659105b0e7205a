"""What the tests of clusters hand to workers: jobs that tile a slide, and a codec that stops once.

Workers import this module, too.
"""

import multiprocessing
import os
import signal
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import slidetile as st
from slidetile.cohort.giant import FoundGiant, Giant, GiantFoundError, SplitLimit
from slidetile.errors import NotNativeError, explain
from slidetile.format.codecs.planar import ZstdCodec

STOP_AT = "SLIDETILE_TEST_STOP"
"""The variable that names the file by which a worker says that it has stopped."""

GO_ON = "go on"
"""What that file holds when the worker need not wait any more."""


class Row(NamedTuple):
    """What became of a slide."""

    status: str
    tiles: int = 0
    error_type: str | None = None
    reason: str | None = None
    pid: int = 0
    """The worker's process, whose child has done it."""


@dataclass(frozen=True, kw_only=True)
class TilingJob:
    """A job of a cluster, as the engine wants it."""

    slide: Path
    store: Path
    recipe: st.Recipe = field(default_factory=st.Recipe)
    workers: int = 1
    options: st.WriteOptions = field(default_factory=st.WriteOptions)
    attempt: int = 1

    @property
    def label(self):
        return str(self.slide)

    @property
    def paths(self):
        return self.slide, self.store.parent

    def again(self):
        return replace(self, attempt=self.attempt + 1)

    def on_worker(self, *, workers, memory_bytes):
        options = replace(self.options, memory_bytes=memory_bytes)
        return replace(self, workers=workers, options=options)

    def run(self, on_progress=None):
        return self._run(on_progress, None)

    def run_unless_giant(self, most_tiles, on_progress=None):
        limit = SplitLimit(most_tiles=most_tiles)
        try:
            return self._run(on_progress, limit.check)
        except GiantFoundError as found:
            parts = limit.parts(len(found.plan))
            giant = Giant.of(self.slide, self.store, self.recipe, self.options, parts=parts)
            return FoundGiant(giant, found.plan)

    def finish(self, giant, plan, group, *, seconds, on_progress=None):
        def finished():
            return giant.finish(
                plan, group, workers=self.workers, on_progress=self._tell(on_progress)
            )

        assert seconds >= 0
        return self._row(finished, NotNativeError)

    def failure(self, error, reason, _seconds):
        return Row("failed", error_type=type(error).__name__, reason=reason)

    def _run(self, on_progress, on_plan):
        def tiled():
            return st.tile_slide(
                self.slide,
                self.store,
                self.recipe,
                workers=self.workers,
                options=self.options,
                on_progress=self._tell(on_progress),
                on_plan=on_plan,
            )

        return self._row(tiled, GiantFoundError)

    def _row(self, tiled, passes):
        try:
            store = tiled()
        except passes:
            raise
        except Exception as error:  # noqa: BLE001  as a job does
            return self.failure(error, explain(error), 0)
        return Row("unreadable tiles" if store.unreadable else "ok", len(store), pid=os.getppid())

    def _tell(self, on_progress):
        if on_progress is None:
            return None
        return lambda progress: on_progress(self.label, progress)


_running = 0


@dataclass(frozen=True, kw_only=True)
class MeansJob(TilingJob):
    """A job that tells what it was given."""

    def run(self, _on_progress=None):
        global _running  # noqa: PLW0603  of this process
        _running += 1
        time.sleep(0.05)  # that others could begin
        at_once, _running = _running, _running - 1
        memory = self.options.memory_bytes
        told = f"{self.workers} threads, {memory} bytes, {at_once} at a time"
        return Row("ok", reason=told)


@dataclass(frozen=True)
class StoppingZstd(ZstdCodec):
    """Zstandard, but the first process that has encoded so many chunks waits to be killed."""

    after: int = 1

    def encode(self, pixels):
        stop_once(self.after)
        return super().encode(pixels)


@dataclass(frozen=True)
class KillingZstd(ZstdCodec):
    """Zstandard on a machine whose workers are killed."""

    def encode(self, _pixels):
        parent = multiprocessing.parent_process()
        os.kill(parent.pid, signal.SIGKILL)  # by its number: once it has ended, another adopts us
        time.sleep(60)
        return b""


@dataclass(frozen=True)
class HangingZstd(ZstdCodec):
    """Zstandard in a library that never returns."""

    def encode(self, _pixels):
        threading.Event().wait()


class StuckDetector:
    """A detector that never returns of one slide."""

    NAME = "stuck.svs"

    def detect_slide(self, slide, overview):
        if slide.name == self.NAME:
            threading.Event().wait()
        return overview.image.mean(axis=2) < 200


@dataclass(frozen=True)
class GreedyZstd(ZstdCodec):
    """Zstandard in a library that takes more and more memory."""

    def encode(self, _pixels):
        taken = []
        while True:
            taken.append(os.urandom(1 << 24))


@dataclass(frozen=True)
class CrashingZstd(ZstdCodec):
    """Zstandard in a library that crashes."""

    def encode(self, _pixels):
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(60)
        return b""


_encoded = 0


def stop_once(after):
    global _encoded  # noqa: PLW0603  of this process
    _encoded += 1
    if _encoded <= after:
        return
    try:
        file = os.open(os.environ[STOP_AT], os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except FileExistsError:  # another has
        return
    os.write(file, str(os.getppid()).encode())  # the worker: this is its child
    os.close(file)
    while Path(os.environ[STOP_AT]).read_text() != GO_ON:
        time.sleep(0.02)
