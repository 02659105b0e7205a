"""The slide that a store was made from, opened as the store has it.

Knows what a store records of its slide. Does not compare anything.
"""

import os

from slidetile.errors import StoreError
from slidetile.format.metadata.planes import PlaneFacts
from slidetile.slides.opening import open_slide
from slidetile.slides.reader import Reader
from slidetile.slides.slide import Slide
from slidetile.store.recorded import recorded_metadata


def open_original(
    path: str | os.PathLike[str],
    store: str | os.PathLike[str],
    *,
    reader: str | Reader | None = None,
) -> Slide:
    """Open a slide with the channels, the depth and the time that a store has of it.

    Parameters
    ----------
    path
        The slide's file.
    store
        The store's folder; of one that cannot be read, nothing is known.
    reader
        As in `open_slide`.

    Raises
    ------
    SlideError, ValueError
        As in `open_slide`.
    """
    try:
        planes = recorded_metadata(store).parameters.planes
    except StoreError:  # which `verify_store` tells
        planes = None
    planes = planes or PlaneFacts()
    channels = planes.channels or ()
    return open_slide(path, reader=reader, channels=channels, z=planes.z, t=planes.t)
