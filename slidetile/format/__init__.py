"""The store as bytes: codecs, layout, shards, metadata, table, names.

Knows what every byte of a store means. Does not know files, nor threads.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
