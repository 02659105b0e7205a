"""The error of a slide that changed while several processes made its store."""

from slidetile.errors import SlideReadError


class SourceChangedError(SlideReadError):
    """A slide's file changed while parts of its store were made: none of them may be kept."""
