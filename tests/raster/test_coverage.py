"""How much of a mask lies in many rectangles."""

import tracemalloc

import numpy as np
import pytest

from slidetile.raster.coverage import covered_share


def test_a_million_windows_are_chosen_in_flat_memory():
    """On a mask of 7.8 megapixels, of a slide of 100,000×80,000 pixels."""
    mask = np.zeros((2500, 3125), np.bool_)
    mask[500:2000, 700:2500] = True
    starts = {length: np.arange(0, length - 256, 89) for length in (80_000, 100_000)}
    rows, columns = ((s, s + 256) for s in starts.values())
    tracemalloc.start()
    shares = covered_share(mask, (32.0, 32.0), rows, columns)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert shares.size > 10**6
    assert peak < 8 * shares.size * 4 + 8 * 2**24
    row, column = 300, 400
    y, x = rows[0][row] / 32, columns[0][column] / 32
    inside = (min(y + 8, 2000) - max(y, 500)) * (min(x + 8, 2500) - max(x, 700))
    assert shares[row, column] == pytest.approx(inside / 64)
