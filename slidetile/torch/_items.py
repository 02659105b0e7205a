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
            images = self._transformed(images)
            item["image"], item["context"] = images[0], images[1:]
        else:
            item["image"] = self._transformed(images[0])
        if self.labels is not None:
            label = self.labels.values[window.index]
            item["label"] = torch.tensor(label) if label.ndim else label.item()
        return item

    def _transformed(self, image: Any) -> Any:
        return image if self.transform is None else self.transform(image)


def _images(pixels: NDArray[Any]) -> Any:
    """Return pixels as a tensor; torch counts little in uint16."""
    wide = pixels if pixels.dtype == np.uint8 else pixels.astype(np.int32)
    return torch.from_numpy(wide)
