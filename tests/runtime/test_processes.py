"""Calls in processes of their own."""

import functools
import logging
import multiprocessing
import operator
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures.process import BrokenProcessPool

import psutil
import pytest
from patience import PATIENCE_S, wait_until

from slidetile.runtime.child import report
from slidetile.runtime.processes import (
    CALLS_PER_PROCESS,
    KeptProcess,
    Limits,
    ProcessDiedError,
    _Child,
    in_process_of_its_own,
    in_processes,
)

TIME_LIMIT_S = 10
"""Of calls that would sleep for minutes, and of others, which take the start of a process."""


def futures(ended):
    """Return the future of each call, by its number."""
    return {each.number: each.future for each in ended}


def calls(function, arguments):
    return [functools.partial(function, argument) for argument in arguments]


def test_every_call_ends_once_in_one_of_a_few_processes():
    ended = futures(in_processes([os.getpid] * 9, 2))
    assert sorted(ended) == list(range(9))
    pids = {future.result() for future in ended.values()}
    assert 1 <= len(pids) <= 2
    assert os.getpid() not in pids


def test_an_error_is_its_calls_own():
    ended = futures(in_processes(calls(functools.partial(operator.truediv, 6), [2, 0, 3]), 1))
    assert isinstance(ended.pop(1).exception(), ZeroDivisionError)
    assert {number: future.result() for number, future in ended.items()} == {0: 3.0, 2: 2.0}


def test_a_process_that_dies_costs_one_call():
    died, *others = calls(os._exit, [9]), *calls(abs, [-1, -2, -3])
    ended = futures(in_processes([others[0], *died, *others[1:]], 1))
    assert isinstance(ended.pop(1).exception(), BrokenProcessPool)
    assert sorted(future.result() for future in ended.values()) == [1, 2, 3]


def test_whoever_stops_early_leaves_no_process_behind():
    results = in_processes([os.getpid, *calls(time.sleep, [2 * PATIENCE_S] * 3)], 2)
    next(results)
    children = multiprocessing.active_children()
    assert children
    results.close()
    for child in children:
        child.join(PATIENCE_S)
        # Two threads wait for it: for a moment after its end, the other alone knows its exit code.
        wait_until(lambda child=child: not child.is_alive())


def test_no_calls_need_no_process():
    before = set(threading.enumerate())
    assert list(in_processes([], 3)) == []
    assert set(threading.enumerate()) <= before  # those of other tests may have ended


def test_a_call_that_cannot_travel_fails_by_itself():
    ended = futures(in_processes([lambda: 1, os.getpid], 1))
    with pytest.raises(Exception, match=r"pickle|get local object"):
        ended[0].result()
    assert ended[1].result() > 0


@pytest.mark.slow
def test_a_call_that_takes_too_long_is_ended():
    slow = calls(time.sleep, [2 * PATIENCE_S])
    ended = futures(in_processes([*slow, os.getpid], 1, timeout_s=TIME_LIMIT_S))
    with pytest.raises(TimeoutError, match="longer than 10 s"):
        ended[0].result()
    assert ended[1].result() > 0
    for child in multiprocessing.active_children():
        child.join(PATIENCE_S)
        wait_until(lambda child=child: not child.is_alive())


def begins_others(path):
    """Begin a process that ignores what asks it to end, in a session of its own, and hang."""
    script = "import signal, time; signal.signal(15, 1); print(flush=True); time.sleep(600)"
    command = ["sh", "-c", f"'{sys.executable}' -c '{script}' & echo $!; wait"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as shell:
        pid, _ = shell.stdout.readline(), shell.stdout.readline()
        path.with_name("pid.tmp").write_text(pid)
        path.with_name("pid.tmp").rename(path)
        time.sleep(600)


def is_gone(pid):
    """Return whether a process has ended, be it that nobody has asked for its exit code yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_whoever_stops_early_leaves_no_process_of_a_call_behind(tmp_path):
    path = tmp_path / "pid"
    results = in_processes([os.getpid, functools.partial(begins_others, path)], 2)
    next(results)
    wait_until(path.exists)
    pid = int(path.read_text())
    assert not is_gone(pid)
    results.close()
    wait_until(lambda: is_gone(pid))


@pytest.mark.slow
def test_a_call_that_takes_too_long_ends_with_the_processes_that_it_has_begun(tmp_path):
    path = tmp_path / "pid"
    slow = functools.partial(begins_others, path)
    ended = futures(in_processes([slow, os.getpid], 1, timeout_s=TIME_LIMIT_S))
    assert isinstance(ended[0].exception(), TimeoutError)
    assert ended[1].result() > 0
    wait_until(lambda: is_gone(int(path.read_text())))


def stubborn():
    """Ignore what asks it to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(2 * PATIENCE_S)


@pytest.mark.slow
def test_a_call_that_will_not_end_is_killed():
    ended = futures(in_processes([stubborn, os.getpid], 1, timeout_s=TIME_LIMIT_S))
    assert isinstance(ended[0].exception(), TimeoutError)
    assert ended[1].result() > 0


@pytest.mark.slow
def test_how_long_a_call_took_is_told_whatever_became_of_it():
    slow, quick = functools.partial(time.sleep, 2 * PATIENCE_S), functools.partial(time.sleep, 0.5)
    ended = list(in_processes([quick, os.abort, slow], 1, timeout_s=TIME_LIMIT_S))
    assert [each.number for each in ended] == [0, 1, 2]
    assert ended[0].seconds > 0.5
    assert 0 < ended[1].seconds < TIME_LIMIT_S
    assert ended[2].seconds > TIME_LIMIT_S


def test_how_a_process_died_is_told():
    died = [functools.partial(abs, 0), os.abort, functools.partial(os._exit, 7)]
    ended = futures(in_processes(died, 1))
    assert ended[0].exception() is None
    assert str(ended[1].exception()) == "its process died of signal 6 (Aborted)"
    assert str(ended[2].exception()) == "its process died with the exit code 7"
    assert isinstance(ended[1].exception(), ProcessDiedError)


def talk(name):
    """Report, and log."""
    log = logging.getLogger("slidetile.talk")
    for number in range(3):
        report((name, number))
        log.warning("%s says %d", name, number)
    log.warning("long: %s", "ä" * 10_000)
    log.info("not asked for")
    return name


def test_reports_and_log_reach_the_parent_before_the_result(caplog):
    seen = []
    ended = in_processes(calls(talk, "ab"), 2, on_report=lambda *told: seen.append(told))
    for number, future, _ in ended:
        name = future.result()
        told = [each for at, each in seen if at == number]
        assert told == [(name, 0), (name, 1), (name, 2)]
        said = [text for text in caplog.messages if text.startswith(name)]
        assert said == [f"{name} says {count}" for count in range(3)]
    assert [record.name for record in caplog.records] == ["slidetile.talk"] * 8
    assert max(map(len, caplog.messages)) < 600


def test_a_report_without_a_parent_is_nothing():
    report("nobody listens")


def test_one_call_apart():
    assert in_process_of_its_own(functools.partial(abs, -3)) == 3
    with pytest.raises(ZeroDivisionError):
        in_process_of_its_own(functools.partial(operator.truediv, 1, 0))
    with pytest.raises(ProcessDiedError):
        in_process_of_its_own(os.abort)


def test_a_process_is_replaced_before_what_it_leaks_adds_up():
    count = 2 * CALLS_PER_PROCESS + 5
    ended = futures(in_processes([os.getpid] * count, 1))
    pids = [ended[number].result() for number in range(count)]
    assert len(set(pids)) == 3
    assert max(map(pids.count, set(pids))) == CALLS_PER_PROCESS


def test_a_replaced_process_still_reports_and_dies_in_words():
    seen = []
    count = CALLS_PER_PROCESS + 1
    talking = [functools.partial(report, number) for number in range(count)]
    each = in_processes([*talking, os.abort], 1, on_report=lambda *told: seen.append(told))
    ended = futures(each)
    assert seen == [(number, number) for number in range(count)]
    assert "signal 6" in str(ended[count].exception())


def test_an_interrupt_between_two_calls_leaves_no_process_behind(monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(_Child, "or_another", interrupt)
    before = multiprocessing.active_children()
    with pytest.raises(KeyboardInterrupt):
        list(in_processes([os.getpid, os.getpid], 1))
    for child in multiprocessing.active_children():
        if child not in before:
            child.join(PATIENCE_S)
            wait_until(lambda child=child: not child.is_alive())


ENDS_UNTIDIED = """
import os
from slidetile.runtime.processes import in_processes

if __name__ == "__main__":
    for ended in in_processes([int, int], 2):
        os._exit(3)
"""


def test_what_an_untidied_end_leaves_is_removed_without_a_word(tmp_path):
    script = tmp_path / "ends.py"
    script.write_text(ENDS_UNTIDIED)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "")


class TestKeptProcess:
    @pytest.fixture
    def kept(self):
        process = KeptProcess()
        yield process
        process.close()

    def test_it_makes_one_call_after_another_and_a_crash_costs_one(self, kept):
        first, second = (kept.call(os.getpid).future.result() for _ in range(2))
        assert first == second != os.getpid()
        died = kept.call(functools.partial(os.kill, second, signal.SIGKILL)).future.exception()
        assert isinstance(died, ProcessDiedError)
        assert kept.call(os.getpid).future.result() not in (first, os.getpid())

    def test_a_call_that_is_wanted_no_more_is_ended_with_its_process(self, kept):
        before = kept.call(os.getpid).future.result()

        looks = iter([False, False, True])

        def look():
            if next(looks):
                raise InterruptedError("wanted no more")

        with pytest.raises(InterruptedError, match="wanted no more"):
            kept.call(functools.partial(time.sleep, 600), look=look)
        assert kept.call(os.getpid).future.result() != before

    def test_limits_are_those_of_a_call(self, kept):
        ended = kept.call(functools.partial(time.sleep, 600), limits=Limits(timeout_s=0.5))
        assert isinstance(ended.future.exception(), TimeoutError)
        assert kept.call(os.getpid).future.result()


def test_a_daemonic_process_may_begin_others_that_end_with_it():
    """Python refuses that, since they would be left behind: to a worker of a pool, or of Dask."""
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    process = context.Process(target=_call_elsewhere, args=(results,), daemon=True)
    process.start()
    child = results.get()
    assert child not in (os.getpid(), process.pid)
    process.join()
    assert process.exitcode == 0
    wait_until(lambda: not _is_running(child))


def _call_elsewhere(results):
    results.put(KeptProcess().call(os.getpid).future.result())


def _is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_python_ends_without_waking_what_ends_already():
    """A thread of a pool that ends closes its pipe, while Python, as it ends, writes into it."""
    from concurrent.futures import process

    before = set(process._threads_wakeups)
    assert in_process_of_its_own(os.getpid) != os.getpid()
    assert set(process._threads_wakeups) <= before
