from .selection import TileSelection as TileSelection
from .store import TileStore as TileStore
from .store import open_store as open_store
from .windows import Windows as Windows
