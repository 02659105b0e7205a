"""Object storage: addresses, buckets, their objects read by ranges and written whole.

Knows obstore, and what its errors mean. Does not know slides or stores.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
