"""`share_out`: who computes takes turns in the caller's thread, who waits does so beside others."""

import threading
import time

import pytest

from slidetile.runtime.lanes import share_out
from slidetile.runtime.places import Places


class Watch:
    """An act that tells in which threads it ran, and how many ran at once."""

    def __init__(self, act):
        self.act = act
        self.threads, self.running, self.most = set(), 0, 0
        self.lock = threading.Lock()

    def __call__(self, task):
        with self.lock:
            self.threads.add(threading.get_ident())
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            return self.act(task)
        finally:
            with self.lock:
                self.running -= 1


def wait(task):
    time.sleep(0.01)
    return task


def test_who_computes_does_so_in_the_callers_thread():
    watch = Watch(lambda task: sum(range(200_000)) * 0 + task)
    first = share_out(range(3), watch, Places(4), most=4)
    assert list(first) == [0, 1, 2]
    assert threading.get_ident() in watch.threads


def test_who_waits_does_so_beside_others():
    watch = Watch(wait)
    assert sorted(share_out(range(40), watch, Places(4), most=3)) == list(range(40))
    assert watch.most == 3


def test_no_more_at_once_than_there_are_places():
    watch = Watch(wait)
    assert list(share_out(range(9), watch, Places(1), most=4)) == list(range(9))
    assert watch.threads == {threading.get_ident()}


@pytest.mark.parametrize("bad", [0, 1, 7, 19])
def test_an_error_in_any_thread_ends_it(bad):
    begun = []

    def act(task):
        begun.append(task)
        if task == bad:
            raise OSError(task)
        return wait(task)

    with pytest.raises(OSError, match=str(bad)):
        list(share_out(range(1000), act, Places(4), most=4))
    assert len(begun) < bad + 10


def test_closing_early_begins_nothing_new():
    begun = []
    results = share_out(
        range(1000), lambda task: (begun.append(task), wait(task)), Places(4), most=4
    )
    for _ in range(6):
        next(results)
    results.close()
    count = len(begun)
    assert count < 20
    wait(None)
    assert len(begun) == count


def test_nothing_to_do_is_done():
    assert list(share_out([], wait, Places(1), most=1)) == []
