"""Waiting for what happens in other threads and processes."""

import time

PATIENCE_S = 60  # for what takes a fraction of a second on a machine with nothing else to do


def wait_until(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
