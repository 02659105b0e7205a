"""The one way up: ``view()`` of slides, tissue, plans and stores, shown by the viewer above them.

Imports go down the rows of the architecture; what has a method that shows itself would import
upward. So the viewer's module is named here, as text, and loaded when somebody looks.
"""

import importlib
from typing import Any

_NOTEBOOK = "slidetile.viewer.doors.notebook.notebook"


def view(thing: object, **given: Any) -> Any:
    """Return the widget that shows a thing; see `widget` in that module."""
    return importlib.import_module(_NOTEBOOK).widget(thing, **given)
