from .columns import Column as Column
from .overlays import plan_overlay as plan_overlay
from .overlays import tissue_overlay as tissue_overlay
from .scene import Area as Area
from .scene import Overlay as Overlay
from .scene import Scene as Scene
from .scene import Tiles as Tiles
