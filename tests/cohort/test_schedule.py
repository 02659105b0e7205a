"""What a cluster is given next, with no cluster: jobs, giants, losses and stores of others."""

import pytest
from cluster_jobs import TilingJob

import slidetile as st
from slidetile.cohort.engines._schedule import Schedule
from slidetile.cohort.engines._slide_work import MOST_LOST
from slidetile.cohort.engines._steps import BUSY_S, Ending
from slidetile.cohort.engines._tasks import BeginTask, FinishTask, Means, PartTask, SlideTask
from slidetile.cohort.engines.engine import JobQueue
from slidetile.errors import StoreBusyError
from slidetile.format.names import owner_path
from slidetile.runtime.processes import ProcessDiedError
from slidetile.writing.group import GroupClaim

SMALL = st.Recipe(codec="zstd", tile=st.TileSpec(size=256))
DIED = ProcessDiedError("its process died of signal 11")
MEANS = Means(worker="here", threads=1, memory_bytes=None, on_progress=lambda *_: None)


@pytest.fixture
def schedule(sample, tmp_path):
    opened = []

    def begun(count, **choices):
        jobs = [
            TilingJob(slide=sample, store=tmp_path / f"{n}.zarr", recipe=SMALL)
            for n in range(count)
        ]
        opened.append(Schedule(JobQueue(jobs), **choices))
        return opened[-1]

    yield begun
    for each in opened:
        each.close()


class Hands:
    """Carries steps out here, and keeps where the values lie as Dask keeps futures."""

    def __init__(self, schedule):
        self.schedule = schedule
        self.now_s = 0.0
        self.kinds = []
        self.done = []

    def take(self):
        step = self.schedule.next_step()
        self.kinds.append(None if step is None else type(step.task).__name__)
        return step

    def end(self, step, ending=None):
        """End a step; by itself, if no ending is given."""
        if ending is None:
            found = None if step.found is None else step.found[0]
            try:
                value = step.task.run(MEANS, found)
                ending = Ending(value=value, result=(value,))
            except Exception as error:  # noqa: BLE001  as the engine does
                ending = Ending(error=error)
        self.done += self.schedule.ended(step, ending, self.now_s)

    def wait(self, seconds):
        self.now_s += seconds
        self.done += self.schedule.wake(self.now_s)

    def finish(self):
        while (step := self.take()) is not None:
            self.end(step)

    @property
    def outcomes(self):
        return [(done.job.store.name, done.outcome.status) for done in self.done]


def lost():
    return Ending(error=DIED, is_lost=True)


def cut():
    return Ending(error=DIED, is_cut=True)


def test_jobs_are_taken_one_by_one_in_order(schedule):
    hands = Hands(schedule(2))
    first, second = hands.take(), hands.take()
    assert hands.take() is None
    assert not hands.schedule.has_more
    for step in (second, first):
        hands.end(step)
    assert hands.outcomes == [("1.zarr", "ok"), ("0.zarr", "ok")]


def test_a_slide_whose_worker_is_lost_comes_after_the_others_and_then_fails(schedule):
    hands = Hands(schedule(2))
    step = hands.take()
    for _ in range(MOST_LOST - 1):
        hands.end(step, lost())
        assert hands.schedule.has_more
    other, step = hands.take(), hands.take()
    assert other.task.job.store.name == "1.zarr"
    assert step.task.job.store.name == "0.zarr"
    hands.end(step, lost())
    assert hands.outcomes == [("0.zarr", "failed")]
    assert not hands.schedule.has_more


def test_what_one_entry_has_lost_is_not_counted_against_another_of_the_same_slide(schedule):
    hands = Hands(schedule(2))
    steps = [hands.take(), hands.take()]
    for step in steps:
        hands.end(step, lost())
    hands.finish()
    assert hands.outcomes == [("0.zarr", "ok"), ("1.zarr", "ok")]


def test_a_slide_whose_process_has_died_has_failed_at_once(schedule):
    hands = Hands(schedule(1))
    hands.end(hands.take(), cut())
    (done,) = hands.done
    assert done.outcome.error_type == "ProcessDiedError"
    assert "a decoder or a detector crashed on this slide" in done.outcome.reason
    assert hands.take() is None


@pytest.mark.parametrize("most_tiles", [None, 10], ids=["a slide", "a giant"])
def test_a_store_that_another_writes_is_waited_for_and_then_taken_as_it_is(
    schedule, sample, tmp_path, most_tiles
):
    hands = Hands(schedule(1, most_tiles=most_tiles))
    with GroupClaim(tmp_path / "0.zarr"):
        hands.end(hands.take())
        assert hands.done == []
        assert hands.take() is None
        assert hands.schedule.has_more
        hands.wait(BUSY_S[0])
        hands.end(hands.take())
        assert hands.done == []
    st.tile_slide(sample, tmp_path / "0.zarr", SMALL)
    hands.wait(BUSY_S[1] - 1)
    assert hands.take() is None
    hands.wait(1)
    hands.finish()
    assert hands.outcomes == [("0.zarr", "ok")]
    assert "PartTask" not in hands.kinds


@pytest.mark.parametrize("most_tiles", [None, 10], ids=["a slide", "a giant"])
def test_a_store_that_another_keeps_has_failed_in_the_end(schedule, tmp_path, most_tiles):
    hands = Hands(schedule(1, most_tiles=most_tiles))
    with GroupClaim(tmp_path / "0.zarr"):
        hands.finish()
        for seconds in BUSY_S:
            hands.wait(seconds)
            hands.finish()
    assert [done.outcome.error_type for done in hands.done] == ["StoreBusyError"]
    assert hands.kinds.count("SlideTask") == 1 + len(BUSY_S)


class TestGiants:
    @pytest.fixture
    def planned(self, monkeypatch):
        """How often a plan was made."""
        made = []
        plan = st.Recipe.plan
        monkeypatch.setattr(
            st.Recipe, "plan", lambda *given: made.append(given) or plan(*given), raising=True
        )
        return made

    def test_its_parts_go_before_slides_and_it_is_planned_once(
        self, schedule, sample, tmp_path, tree, planned
    ):
        whole = tree(st.tile_slide(sample, tmp_path / "whole.zarr", SMALL).path)
        planned.clear()
        hands = Hands(schedule(2, most_tiles=10))
        hands.end(hands.take())
        begin = hands.take()
        assert isinstance(begin.task, BeginTask)
        assert isinstance(hands.take().task, SlideTask), "the other slide, since there is room"
        hands.end(begin)
        parts = [hands.take() for _ in range(len(hands.schedule._urgent))]
        assert len(parts) > 1
        assert all(isinstance(part.task, PartTask) for part in parts)
        for part in parts:
            hands.end(part)
        hands.finish()
        assert hands.outcomes == [("0.zarr", "ok")]
        assert tree(tmp_path / "0.zarr") == whole
        assert not owner_path(tmp_path / "0.zarr").exists()
        assert len(planned) == 1

    @pytest.mark.parametrize("ending", [lost, cut])
    def test_a_part_that_is_lost_again_and_again_is_left_to_the_end(
        self, schedule, sample, tmp_path, tree, ending
    ):
        whole = tree(st.tile_slide(sample, tmp_path / "whole.zarr", SMALL).path)
        hands = Hands(schedule(1, most_tiles=10))
        for _ in ("found", "begun"):
            hands.end(hands.take())
        tries = 0
        while not isinstance((step := hands.take()).task, FinishTask):
            is_first = step.task.number == 0
            tries += is_first
            hands.end(step, ending() if is_first else None)
        assert tries == 2
        hands.end(step)
        assert hands.outcomes == [("0.zarr", "ok")]
        assert tree(tmp_path / "0.zarr") == whole

    def test_a_part_that_takes_too_long_ends_the_slide(self, schedule, tmp_path):
        hands = Hands(schedule(1, most_tiles=10))
        for _ in ("found", "begun"):
            hands.end(hands.take())
        hands.end(hands.take(), Ending(error=TimeoutError("it took longer"), is_cut=True))
        hands.finish()
        (done,) = hands.done
        assert done.outcome.error_type == "TimeoutError"
        assert done.outcome.reason.endswith("is kept, and the next run continues it")
        assert not owner_path(tmp_path / "0.zarr").exists()

    def test_its_plan_is_made_again_where_that_was_lost_with_its_worker(self, schedule, planned):
        hands = Hands(schedule(1, most_tiles=10))
        for _ in ("found", "begun"):
            hands.end(hands.take())
        planned.clear()
        step = hands.take()
        value = step.task.run(MEANS, "what a repeated task has returned: the store is finished")
        assert len(planned) == 1
        hands.end(step, Ending(value=value))
        hands.finish()
        assert hands.outcomes == [("0.zarr", "ok")]

    def test_another_that_finishes_its_store_is_waited_for(self, schedule):
        hands = Hands(schedule(1, most_tiles=10))
        while not isinstance((step := hands.take()).task, FinishTask):
            hands.end(step)
        token = step.task.group.permit.token
        hands.end(step, Ending(error=StoreBusyError("another finishes it")))
        assert hands.done == []
        hands.wait(BUSY_S[0])
        step = hands.take()
        assert step.task.group.permit.token != token, "who holds the old one may write no more"
        hands.end(step)
        assert hands.outcomes == [("0.zarr", "ok")]


def test_a_schedule_that_is_closed_lets_go_of_all_stores(schedule, tmp_path):
    hands = Hands(schedule(2, most_tiles=10))
    for step in (hands.take(), hands.take()):
        hands.end(step)
    assert [owner_path(tmp_path / f"{n}.zarr").exists() for n in range(2)] == [True, True]
    hands.schedule.close()
    assert not any(owner_path(tmp_path / f"{n}.zarr").exists() for n in range(2))
