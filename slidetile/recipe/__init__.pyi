from .recipe import Recipe as Recipe
from .tiling import tile_slide as tile_slide
