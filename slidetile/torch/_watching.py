"""Tensors that tell when nobody looks at their memory any more."""

import weakref
from collections.abc import Callable
from typing import Any

from slidetile.torch._library import torch


def watched(memory: Any, gone: Callable[[], Any]) -> Any:
    """Return a tensor on memory; when nothing is left that looks at it, ``gone`` is called.

    Whatever is made of the tensor, views and numpy's arrays, too, keeps its storage, and that
    keeps the array that is watched.
    """
    seen = memory.numpy()
    weakref.finalize(seen, gone).atexit = False
    return torch.from_numpy(seen)
