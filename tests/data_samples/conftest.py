import sys
from pathlib import Path

import pytest

DATA_SAMPLES = Path(__file__).parents[2] / "data_samples"

# The samples are scripts, not a package: they find each other as a script's neighbours do.
sys.path.insert(0, str(DATA_SAMPLES))


@pytest.fixture(scope="session")
def data_samples():
    return DATA_SAMPLES
