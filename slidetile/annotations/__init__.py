"""What people drew on a slide: read from QuPath, ImageScope or a mask, and written for QuPath.

Knows annotation files, and where on a slide their coordinates are. Does not know how tissue is
detected.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
