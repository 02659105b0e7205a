from ._batches import TileItem as TileItem
from ._damage import UnreadableWindowWarning as UnreadableWindowWarning
from ._labels import ClassFractions as ClassFractions
from .dataset import TileDataset as TileDataset
from .stream import TileStream as TileStream
