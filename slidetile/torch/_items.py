"""What a dataset gives for each window: tensors, and where they are from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slidetile.torch._batches import Block, TileItem
from slidetile.torch._joined import JoinedWindows, ReadWindow, Transform
from slidetile.torch._labelled import Labels
from slidetile.torch._library import torch


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ItemMaker:
    """Makes items of windows that were read. Picklable, if the transform is."""

    windows: JoinedWindows
    """The windows."""

    labels: Labels | None
    """Their labels."""

    transform: Transform | None
    """What is done with each image, and its contexts, before it is given."""

    def block(self, indices: Sequence[int]) -> Block | None:
        """Return memory to read windows into that are given as they are; None where none are."""
        if self.transform is not None or not indices:
            return None
        shape, dtype = self.windows.block(indices[0], len(indices))
        return Block(shape) if dtype == np.uint8 else None

    def make(self, window: ReadWindow, block: Block | None = None, turn: int = 0) -> TileItem:
        """Return a window as an item; its pixels are those of a block, if it was read into one."""
        own = _images(window.pixels) if block is None else block.pixels[turn]
        images = own.movedim(-1, 1)
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
            item["label"] = torch.from_numpy(label) if label.ndim else label.item()
        item.block = block
        return item

    def _transformed(self, image: Any) -> Any:
        return image if self.transform is None else self.transform(image)


def _images(pixels: NDArray[Any]) -> Any:
    """Return pixels as a tensor; torch counts little in uint16."""
    wide = pixels if pixels.dtype == np.uint8 else pixels.astype(np.int32)
    return torch.from_numpy(wide)
