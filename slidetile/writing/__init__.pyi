from .options import Progress as Progress
from .options import WriteOptions as WriteOptions
from .renaming import rename_codec as rename_codec
from .whole import write_whole_store as write_whole_store
from .write import write_tiles as write_tiles
