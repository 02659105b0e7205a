"""The doors that are files: one page to mail, and pages beside stores on any server of files.

Knows scenes, stores and HTML. Does not know servers of ours.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
