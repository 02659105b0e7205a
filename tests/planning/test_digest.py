import hashlib

import numpy as np
import pytest

from slidetile.planning.digest import plan_digest

COLUMNS, ROWS, FRACTIONS = [0, 3, 70_000], [1, 1, 2], [0.25, 1.0, 0.1]
LABELS = [[0, 1, 200], [0, 0, 2]]


def test_it_is_of_the_bytes_that_the_format_names():
    expected = hashlib.sha256()
    for values, kind in ((COLUMNS, "<i4"), (ROWS, "<i4"), (FRACTIONS, "<f4"), (LABELS, "<i4")):
        expected.update(np.array(values, kind).tobytes())
    told = [np.array(values) for values in (COLUMNS, ROWS, FRACTIONS, LABELS)]
    assert plan_digest(*told) == expected.hexdigest()


def test_the_types_in_memory_do_not_matter():
    small = np.array(COLUMNS, "i4"), np.array(ROWS, "u1"), np.array(FRACTIONS, "f4")
    large = np.array(COLUMNS, ">i8"), np.array(ROWS, "i8")[::1], np.array(FRACTIONS, "f8")
    labels = np.array(LABELS, "u1")
    wide = np.asfortranarray(labels.astype("u4"))
    assert plan_digest(*small, labels) == plan_digest(*large, wide)


@pytest.mark.parametrize("changed", range(4))
def test_any_change_shows(changed):
    told = [np.array(values, "f4") for values in (COLUMNS, ROWS, FRACTIONS, LABELS)]
    before = plan_digest(*told)
    told[changed].flat[-1] += 1
    assert plan_digest(*told) != before
