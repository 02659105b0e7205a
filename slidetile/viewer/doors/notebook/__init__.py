"""The door of notebooks: a widget whose tiles travel over the kernel's own channel.

Knows messages and widgets. Does not know servers.
"""

from slidetile._face import attach

__getattr__, __dir__ = attach(__name__)
