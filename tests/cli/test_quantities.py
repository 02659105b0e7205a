"""Numbers as people read them: with a unit, in a few digits, never as 8.3e-05."""

import pytest
from hypothesis import given
from hypothesis import strategies as hs

from slidetile.cli import quantities


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "less than 0.1 s"),
        (8.261e-05, "less than 0.1 s"),
        (0.051, "0.1 s"),
        (6.24, "6.2 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 0 min"),
        (3900, "1 h 5 min"),
        (100 * 3600, "100 h 0 min"),
    ],
)
def test_times(seconds, text):
    assert quantities.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (8.261e-05, "0.00008261"),
        (0.5, "0.5"),
        (0.25299999, "0.253"),
        (20.0, "20"),
        (209.97, "210"),
        (1715.0978, "1,715"),
        (12345678.9, "12,345,679"),
    ],
)
def test_numbers(value, text):
    assert quantities.number(value) == text


@given(hs.floats(-1e12, 1e12))
def test_no_number_has_an_exponent(value):
    texts = quantities.number(value), quantities.share(abs(value)), quantities.pair([value, 1.0])
    assert not any("e" in text for text in texts)
    assert float(texts[0].replace(",", "")) == pytest.approx(value, rel=1e-3)


@given(hs.floats(0, 1e9))
def test_a_time_is_what_it_was_to_a_few_digits(seconds):
    units = {"s": 1, "min": 60, "h": 3600}
    words = quantities.duration(seconds).removeprefix("less than ").split()
    total = sum(float(n) * units[unit] for n, unit in zip(words[::2], words[1::2], strict=True))
    assert total == pytest.approx(seconds, rel=0.01, abs=0.1)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (614400, "614.4 kB"),
        (63 * 10**9, "63.0 GB"),
    ],
)
def test_sizes(count, text):
    assert quantities.size_bytes(count) == text


def test_speeds_of_slow_runs_are_more_than_nothing():
    assert quantities.tiles_per_second(0.4) == "0.4 tiles/s"
    assert quantities.tiles_per_second(340.4) == "340 tiles/s"
    assert quantities.bytes_per_second(12_500_000.7) == "12.5 MB/s"


def test_resolutions():
    assert quantities.resolution(None) == "unknown"
    assert quantities.resolution([0.5, 0.5]) == "0.5 µm per pixel"
    assert quantities.resolution([0.5, 0.51]) == "0.5×0.51 µm per pixel"
    assert quantities.share(0.4309) == "43.1 %"
    assert quantities.counted(2989) == "2,989"
