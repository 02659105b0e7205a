"""Detectors by their names: a short one, or where Python finds it.

Knows where Python finds modules. Does not know slides.
"""

import functools
import importlib
from typing import Any

from slidetile.runtime.foreign import foreign
from slidetile.tissue.detector import AnyDetector, check_detector
from slidetile.tissue.optical_density import OpticalDensityDetector
from slidetile.tissue.plain import DarkBackgroundDetector, OtsuDetector

SHORT_NAMES: dict[str, type] = {
    "otsu": OtsuDetector,
    "dark": DarkBackgroundDetector,
    "density": OpticalDensityDetector,
}


def load_detector(name: str) -> AnyDetector:
    """Return the detector that a name stands for, such as "otsu" or "my_detectors:strict".

    A class is instantiated with its defaults. Importing a module runs it, so names come only from
    the caller, never from a slide or a store.

    Raises
    ------
    ValueError
        The name is malformed, or nothing has that name.
    TypeError
        What has that name is not a detector, or a class that cannot be made without options.
    ForeignExitError
        Its module wanted to end the process.
    """
    with foreign(f"The detector {name}"):
        detector = SHORT_NAMES.get(name) or _imported(name)
    if isinstance(detector, type):
        try:
            with foreign(f"The detector {name}"):
                detector = detector()
        except TypeError as error:
            raise TypeError(
                f"{name} cannot be made without options ({error}). Make one in your own "
                "module, such as mine.py with detector = …, and give mine:detector."
            ) from error
    try:
        check_detector(detector)
    except TypeError as error:
        raise TypeError(f"{name} is not a detector: {error}") from error
    return detector  # type: ignore[no-any-return]  # checked above


def _imported(name: str) -> Any:
    module_name, colon, path = name.partition(":")
    if not (module_name and colon and path):
        short = ", ".join(SHORT_NAMES)
        raise ValueError(f"{name!r} is not a detector: give {short}, or MODULE:OBJECT.")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ValueError(f"{name}: {module_name} cannot be imported: {error}") from error
    try:
        return functools.reduce(getattr, path.split("."), module)
    except AttributeError as error:
        raise ValueError(f"{name}: {error}") from error
