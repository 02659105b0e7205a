from .encoding import EncodedTile as EncodedTile
from .picture import Picture as Picture
from .picture import PictureCache as PictureCache
from .picture import overview_picture as overview_picture
from .picture import slide_picture as slide_picture
from .picture import store_picture as store_picture
from .rungs import DamagedTileError as DamagedTileError
from .zoom import ZoomLevel as ZoomLevel
