"""Damage found while quality is measured is a finding; a bug of ours is raised."""

import pytest

import slidetile as st
from slidetile.quality.measure import TileMeasure


def test_a_bug_of_ours_is_not_reported_as_damage(copied, monkeypatch):
    def fail(*_):
        raise ValueError("a bug")

    monkeypatch.setattr(TileMeasure, "columns", fail)
    with pytest.raises(ValueError, match="a bug"):
        st.verify_store(copied("zstd"))
