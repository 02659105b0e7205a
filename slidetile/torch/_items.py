"""What a dataset gives for each window: tensors, and where they are from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.torch._batches import TileItem
from slidetile.torch._joined import JoinedWindows, ReadWindow, Transform
from slidetile.torch._labelled import Labels
from slidetile.torch._library import torch
from slidetile.torch._pieces import piece


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ItemMaker:
    """Makes items of windows that were read. Picklable, if the transform is."""

    windows: JoinedWindows
    """The windows."""

    labels: Labels | None
    """Their labels."""

    transform: Transform | None
    """What is done with each image, and its contexts, before it is given."""

    def outs(self, indices: Sequence[int]) -> list[NDArray[Any]] | None:
        """Return memory to read windows into, for each its own; None where they are made wider."""
        if not indices:
            return None
        shape, dtype = self.windows.window(indices[0])
        return [piece(shape).numpy() for _ in indices] if dtype == np.uint8 else None

    def make(self, window: ReadWindow) -> TileItem:
        """Return a window as an item."""
        images = _images(window.pixels).movedim(-1, 1)
        item = TileItem(
            x=window.corner[0],
            y=window.corner[1],
            slide=self.windows.names[window.store],
            index=window.index,
        )
        if len(images) > 1:
            item["image"], item["context"] = _parts(self._transformed(images), len(images))
        else:
            item["image"] = self._transformed(images[0])
        if self.labels is not None:
            label = self.labels.values[window.index]
            item["label"] = torch.tensor(label) if label.ndim else label.item()
        return item

    def _transformed(self, image: Any) -> Any:
        return image if self.transform is None else self.transform(image)


def _parts(images: Any, count: int) -> tuple[Any, Any]:
    """Return a window and its contexts, as the transform gave them.

    Raises
    ------
    ValueError
        It did not give as many images as it was given.
    """
    shape = getattr(images, "shape", None)
    if not shape or shape[0] != count:
        what = type(images).__name__ if shape is None else f"an array of {tuple(shape)}"
        raise ValueError(
            f"With contexts, the transform takes a window and its contexts as {count} images at "
            f"once, and returns as many, but this one returned {what}."
        )
    return images[0], images[1:]


def _images(pixels: NDArray[Any]) -> Any:
    """Return pixels as a tensor; torch counts little in uint16."""
    wide = pixels if pixels.dtype == np.uint8 else pixels.astype(np.int32)
    return torch.from_numpy(wide)
