from .plan import Tile as Tile
from .plan import TilePlan as TilePlan
from .plan import plan_tiles as plan_tiles
from .tile_spec import TileSpec as TileSpec
