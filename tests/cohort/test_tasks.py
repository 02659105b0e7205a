"""What a task does on its worker, whichever scheduler has sent it there."""

from dataclasses import dataclass, field

import pytest
from cluster_jobs import Row, TilingJob

from slidetile.cohort.engines import _tasks
from slidetile.cohort.engines._tasks import ORPHAN_S, Means, SlideTask
from slidetile.errors import StoreBusyError

MEANS = Means(worker="here", threads=1, memory_bytes=None, on_progress=lambda *_: None)
BUSY = Row("failed", error_type=StoreBusyError.__name__, reason="another writes it")


@dataclass(frozen=True)
class WaitingJob(TilingJob):
    """A job whose store is held so often by another process."""

    outcomes: list[Row] = field(default_factory=list)

    def on_worker(self, **_means):
        return self

    def run(self, _on_progress=None):
        return self.outcomes.pop(0)


@pytest.mark.parametrize("busy", range(len(ORPHAN_S) + 2))
def test_a_task_waits_for_the_process_of_a_lost_worker(sample, tmp_path, monkeypatch, busy):
    monkeypatch.setattr(_tasks, "ORPHAN_S", [0.0] * len(ORPHAN_S))
    outcomes = [BUSY] * busy + [Row("ok")] * len(ORPHAN_S)
    job = WaitingJob(slide=sample, store=tmp_path / "x.zarr", outcomes=outcomes)
    outcome = SlideTask(job=job, most_tiles=None).run(MEANS, None)
    assert outcome == (BUSY if busy > len(ORPHAN_S) else Row("ok"))
