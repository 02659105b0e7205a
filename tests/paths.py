"""Where the checkout and what lies beside it are, for tests at any depth."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = ROOT / "data_samples"
SAMPLE = SAMPLES / "sample.svs"
SHARED = ROOT.parent / "shared"
"""Real slides and hand-drawn truth; absent in a user's clone."""
REAL = (SHARED / "slides", SAMPLES / "real")
"""Where real slides are looked for, the first place first; see data_samples/README.md."""
