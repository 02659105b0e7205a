import threading

import pytest

from slidetile.runtime.pipeline import Limits, Stages
from slidetile.runtime.pipeline import stream as stream_in_places
from slidetile.runtime.places import Places


def stream(tasks, stages, limits, places=None):
    return stream_in_places(tasks, stages, limits, places or Places(5))


def limits(workers=2, readers=3):
    return Limits(workers=workers, readers=readers, writers=2)


def test_every_task_passes_all_stages_once():
    stages = Stages(read=lambda n: [n], encode=lambda r: [*r, "e"], write=lambda e: (*e, "w"))
    results = list(stream(range(200), stages, limits()))
    assert sorted(results) == [(n, "e", "w") for n in range(200)]


def test_no_tasks_no_results():
    assert list(stream([], Stages(read=int, encode=int, write=int), limits())) == []


class Gauge:
    """Counts what is between the start of its reading and the end of its writing."""

    def __init__(self):
        self.lock = threading.Lock()
        self.now = self.most = 0

    def read(self, task):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        return task

    def write(self, task):
        with self.lock:
            self.now -= 1
        return task


@pytest.mark.parametrize("in_flight", [1, 2, 7])
def test_never_more_in_flight_than_allowed(in_flight):
    gauge = Gauge()
    stages = Stages(read=gauge.read, encode=lambda task: task, write=gauge.write)
    assert len(list(stream(range(100), stages, limits(), Places(in_flight)))) == 100
    assert 1 <= gauge.most <= in_flight


def test_reading_goes_on_while_an_encoder_is_busy():
    ahead = threading.Barrier(3, timeout=20)

    def read(task):
        if task in (1, 2):
            ahead.wait()
        return task

    def encode(task):
        if task == 0:
            ahead.wait()  # passes only if tasks 1 and 2 are read meanwhile
        return task

    stages = Stages(read=read, encode=encode, write=lambda task: task)
    assert sorted(stream(range(3), stages, limits(workers=1, readers=2))) == [0, 1, 2]


@pytest.mark.parametrize("stage", ["tasks", "read", "encode", "write"])
def test_the_first_error_is_raised_and_ends_all_threads(stage):
    def fail_at_7(task):
        if task == 7:
            raise ZeroDivisionError(stage)
        return task

    before = set(threading.enumerate())
    tasks = map(fail_at_7, range(1000)) if stage == "tasks" else range(1000)
    stages = {name: (lambda task: task) for name in ("read", "encode", "write")}
    if stage != "tasks":
        stages[stage] = fail_at_7
    done = []
    with pytest.raises(ZeroDivisionError, match=stage):
        done.extend(stream(tasks, Stages(**stages), limits()))
    assert len(done) < 100
    assert set(threading.enumerate()) <= before  # those of other tests may have ended


def test_closing_early_ends_all_threads():
    before = set(threading.enumerate())
    results = stream(range(10_000), Stages(read=int, encode=int, write=int), limits())
    assert next(results) in range(10_000)
    results.close()
    assert set(threading.enumerate()) <= before  # those of other tests may have ended


class Empty(Exception):  # noqa: N818  an error that is false, as one with a length may be
    def __len__(self):
        return 0


def test_the_first_error_is_raised_even_if_it_is_false():
    both, threads = threading.Barrier(2, timeout=20), {}

    def read(task):
        threads[task] = threading.current_thread()
        both.wait()
        if task == 0:
            raise Empty
        threads[0].join(20)  # it ends once its error is known
        raise ZeroDivisionError

    stages = Stages(read=read, encode=int, write=int)
    with pytest.raises(Empty):
        list(stream(range(2), stages, limits(readers=2)))


def test_a_task_can_be_carried_through_all_stages_at_once():
    stages = Stages(read=lambda n: [n], encode=lambda r: [*r, "e"], write=lambda e: (*e, "w"))
    assert stages.carry(1) == (1, "e", "w")


def test_numbers_are_checked():
    with pytest.raises(ValueError, match="workers must be at least 1, but it is 0"):
        limits(workers=0)


def test_places_may_change_while_a_run_goes_on():
    gauge, places, most = Gauge(), Places(8), []

    def tasks():  # drawn by whoever holds a place, so that what it changes has begun to count
        for number in range(300):
            if number == 100:
                places.resize(1)
            if number == 120:  # all that was under way with the others has ended by now
                gauge.most = 0
            if number == 200:
                most.append(gauge.most)
                places.resize(8)
            yield number

    stages = Stages(read=gauge.read, encode=lambda task: task, write=gauge.write)
    assert sorted(stream(tasks(), stages, limits(), places)) == list(range(300))
    assert most == [1]
