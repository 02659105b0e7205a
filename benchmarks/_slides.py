"""Slides that benchmarks have in common."""

import subprocess
import sys
from pathlib import Path

_MAKER = Path(__file__).resolve().parents[1] / "data_samples" / "make_slide.py"


def generated(folder: Path, width: int, height: int) -> Path:
    """Return a generated slide, made unless it lies in the folder from an earlier run."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"slide_{width}x{height}.svs"
    if not path.exists():
        size = ["--width", str(width), "--height", str(height)]
        subprocess.run([sys.executable, _MAKER, path, *size], check=True, capture_output=True)
    return path
