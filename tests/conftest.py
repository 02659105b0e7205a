from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_slides() -> Path:
    """The folder of real slides; see its README. Absent in a user's clone."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "slides"
    if not folder.is_dir():
        pytest.skip(f"the real slides are not here ({folder})")
    return folder


@pytest.fixture(scope="session")
def shared_truth() -> Path:
    """The folder of hand-drawn tissue polygons and their ``score.py``."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "tissue_truth"
    if not folder.is_dir():
        pytest.skip(f"the tissue polygons are not here ({folder})")
    return folder
