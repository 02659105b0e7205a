"""Where the tissue is on a slide."""

from slidetile.tissue.mask import TissueMask, TissuePiece, find_tissue
from slidetile.tissue.onnx import OnnxDetector
from slidetile.tissue.optical_density import OpticalDensityDetector
from slidetile.tissue.plain import DarkBackgroundDetector, OtsuDetector

__all__ = [
    "DarkBackgroundDetector",
    "OnnxDetector",
    "OpticalDensityDetector",
    "OtsuDetector",
    "TissueMask",
    "TissuePiece",
    "find_tissue",
]
