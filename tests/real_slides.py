"""Real slides, of which a clone has none: tests that need one skip, and say how to get it.

Knows where they lie and which ones may be fetched. Does not know what is tested with them.
"""

import tomllib
from pathlib import Path

import pytest
from paths import REAL, SAMPLES

FETCH = "python data_samples/fetch_slide.py --small"


class RealSlides:
    """``slides / name`` is the path of a real slide; where it is not here, the test is skipped."""

    def __truediv__(self, name: str) -> Path:
        for folder in REAL:
            if (folder / name).exists():
                return folder / name
        pytest.skip(f"the real slide {name} is not here; {_remedy(name)}")


def _remedy(name: str) -> str:
    entries = tomllib.loads((SAMPLES / "real_slides.toml").read_text("utf-8")).values()
    small = [e.get("file") or e["url"].rsplit("/", 1)[-1] for e in entries if e.get("small")]
    if name in small:
        return f"to fetch it: {FETCH}"
    return "no public address of it is known (data_samples/README.md)"
