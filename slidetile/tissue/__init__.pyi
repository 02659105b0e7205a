from .left_out import LeftOut as LeftOut
from .mask import TissueMask as TissueMask
from .mask import TissuePiece as TissuePiece
from .mask import find_tissue as find_tissue
from .onnx import OnnxDetector as OnnxDetector
from .optical_density import OpticalDensityDetector as OpticalDensityDetector
from .plain import DarkBackgroundDetector as DarkBackgroundDetector
from .plain import OtsuDetector as OtsuDetector
