import threading
import time

import pytest

from slidetile.runtime.threads import AHEAD_PER_WORKER, map_in_order


def test_results_come_in_the_order_of_the_items():
    def act(item):
        time.sleep(0.02 if item % 3 == 0 else 0)
        return item * item

    assert list(map_in_order(act, range(20), workers=4)) == [item * item for item in range(20)]
    assert list(map_in_order(act, [], workers=1)) == []


def test_it_happens_at_once_and_not_far_ahead():
    both, begun = threading.Barrier(2, timeout=10), []

    def act(item):
        begun.append(item)
        both.wait()
        return item

    results = map_in_order(act, range(100), workers=2)
    assert [next(results), next(results)] == [0, 1]
    assert len(begun) <= 2 + 2 * AHEAD_PER_WORKER
    assert list(results) == list(range(2, 100))


def test_an_error_comes_at_its_turn_and_ends_it():
    begun = []

    def act(item):
        begun.append(item)
        return 1 / (item - 3)

    results = map_in_order(act, range(1000), workers=2)
    assert [next(results) for _ in range(3)] == [-1 / 3, -1 / 2, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert len(begun) < 20
    assert not [thread for thread in threading.enumerate() if "slidetile_map" in thread.name]


def test_closing_it_early_stops_it():
    begun = []
    results = map_in_order(begun.append, range(1000), workers=2)
    next(results)
    results.close()
    assert len(begun) < 20
    assert not [thread for thread in threading.enumerate() if "slidetile_map" in thread.name]
