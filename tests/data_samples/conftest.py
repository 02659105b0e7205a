import sys

import pytest
from paths import SAMPLES

# The samples are scripts, not a package: they find each other as a script's neighbours do.
sys.path.insert(0, str(SAMPLES))


@pytest.fixture(scope="session")
def data_samples():
    return SAMPLES
