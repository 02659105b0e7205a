"""Stores as what every program reads: plain OME-Zarr 0.5, made on the fly.

Knows stores and the keys of Zarr. Does not know how a store is written.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
