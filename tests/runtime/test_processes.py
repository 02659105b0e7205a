"""Calls in processes of their own."""

import functools
import multiprocessing
import operator
import os
import threading
import time
from concurrent.futures.process import BrokenProcessPool

import pytest

from slidetile.runtime.processes import in_processes

PATIENCE_S = 60


def calls(function, arguments):
    return [functools.partial(function, argument) for argument in arguments]


def test_every_call_ends_once_in_one_of_a_few_processes():
    ended = dict(in_processes([os.getpid] * 9, 2))
    assert sorted(ended) == list(range(9))
    pids = {future.result() for future in ended.values()}
    assert 1 <= len(pids) <= 2
    assert os.getpid() not in pids


def test_an_error_is_its_calls_own():
    ended = dict(in_processes(calls(functools.partial(operator.truediv, 6), [2, 0, 3]), 1))
    assert isinstance(ended.pop(1).exception(), ZeroDivisionError)
    assert {number: future.result() for number, future in ended.items()} == {0: 3.0, 2: 2.0}


def test_a_process_that_dies_costs_one_call():
    died, *others = calls(os._exit, [9]), *calls(abs, [-1, -2, -3])
    ended = dict(in_processes([others[0], *died, *others[1:]], 1))
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
        assert not child.is_alive()


def test_no_calls_need_no_process():
    before = threading.active_count()
    assert list(in_processes([], 3)) == []
    assert threading.active_count() == before


def test_a_call_that_cannot_travel_fails_by_itself():
    ended = dict(in_processes([lambda: 1, os.getpid], 1))
    with pytest.raises(Exception, match=r"pickle|get local object"):
        ended[0].result()
    assert ended[1].result() > 0
