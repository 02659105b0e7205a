"""What can be looked at: slides, tissue, plans and stores, each as one `View`.

Knows pictures, scenes and where things lie. Does not know doors.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
