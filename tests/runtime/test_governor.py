"""Less is in flight where memory runs short, and more again where it does not."""

import logging

from gauges import MB, Memory

from slidetile.runtime.governor import Governor
from slidetile.runtime.heap import free_what_can_be_freed
from slidetile.runtime.memory import OVERHEAD, Budget


def governor(units=8, limit=1000 * MB, resident=100 * MB):
    gauge = Memory(resident, limit - resident)
    budget = Budget(
        limit_bytes=limit,
        in_flight_bytes=10 * units * MB * OVERHEAD,
        unit_bytes=10 * MB,
        most=units,
    )
    return Governor(budget, gauge, interval_s=0), gauge


def test_above_80_percent_less_is_in_flight_down_to_one_and_back(caplog):
    subject, gauge = governor()
    sizes = []
    for resident in (100, 799, 801, 900, 950, 999, 700, 599, 599, 599, 300):
        gauge.resident = resident * MB
        gauge.available = (1000 - resident) * MB
        with caplog.at_level(logging.WARNING):
            subject.look()
        sizes.append(subject.places.size)
    assert sizes == [8, 8, 4, 2, 1, 1, 1, 2, 3, 4, 5]
    assert subject.use.throttled == 3
    assert subject.use.peak_bytes == 999 * MB
    assert "4 instead of 8 shards in flight" in caplog.text


def test_what_others_take_counts_too():
    subject, gauge = governor(limit=100_000 * MB)
    gauge.available = 10 * MB
    subject.look()
    assert subject.places.size == 4


def test_it_never_grows_beyond_the_budget():
    subject, _ = governor(units=2)
    for _ in range(5):
        subject.look()
    assert subject.places.size == 2


def test_freeing_is_always_possible():
    free_what_can_be_freed()
