from .batch import BatchReport as BatchReport
from .batch import SlideResult as SlideResult
from .batch import tile_slides as tile_slides
