from .labels import DrawnLabels as DrawnLabels
from .labels import Labels as Labels
from .plan import Tile as Tile
from .plan import TilePlan as TilePlan
from .plan import plan_tiles as plan_tiles
from .subset import balanced_sample as balanced_sample
from .tile_spec import TileSpec as TileSpec
