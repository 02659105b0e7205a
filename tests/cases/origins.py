"""Which inputs a test takes, where that is not both: the reports' own, and ours."""

import pytest

OURS = pytest.mark.parametrize("made", ["ours"], indirect=True)
"""There is no report of it, or what our file holds is asked for."""

SLOW_SCRIPT = pytest.mark.parametrize(
    "made", [pytest.param("report", marks=pytest.mark.slow), "ours"], indirect=True
)
"""The report's script takes seconds, and gigabytes of memory."""
