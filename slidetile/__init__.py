"""slidetile: find the tissue on a whole slide and stream its tiles into a Zarr store.

Public names are those of the packages' faces and of `slidetile.errors`; each is
loaded when it is first asked for, and numpy with it.

Examples
--------
>>> import slidetile as st
>>> store = st.tile_slide("data_samples/sample.svs", "sample.zarr")
>>> store[3].shape
(1024, 1024, 3)
"""

from slidetile._face import attach

__version__ = "0.1.0"

__getattr__, __dir__ = attach(__name__)
