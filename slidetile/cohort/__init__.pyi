from .batch import tile_slides as tile_slides
from .result import BatchReport as BatchReport
from .result import SlideResult as SlideResult
from .table import read_slides as read_slides
from .tiles import scan_tiles as scan_tiles
