"""A cohort with faults."""

import shutil
from pathlib import Path

import pytest
import report_slides


@pytest.fixture(scope="session")
def faulty(made_once, sample, damaged_sample) -> Path:
    """A cohort's folder in which all that can be wrong is; for reading alone."""

    def fill(folder):
        report_slides.faulty(folder / "cohort", sample, damaged_sample)

    return made_once("faulty", fill) / "cohort"


@pytest.fixture
def faulty_copy(faulty, tmp_path) -> Path:
    """A copy of it, to write into."""
    return Path(shutil.copytree(faulty, tmp_path / "cohort"))
