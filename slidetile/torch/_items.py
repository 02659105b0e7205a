"""What a dataset gives for each window: tensors, and where they are from."""

from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np

from slidetile.raster.pixels import Pixels
from slidetile.torch._joined import JoinedWindows, ReadWindow, Transform
from slidetile.torch._labelled import Labels
from slidetile.torch._library import torch


class TileItem(TypedDict, total=False):
    """A window as a DataLoader takes it: its default collation joins items to batches."""

    image: Any
    """uint8 [channel, row, column], int32 where samples have more than 8 bits; or what the
    transform gave."""

    context: Any
    """The same at each of ``context_mpp``, [context, channel, row, column]; absent without."""

    x: int
    """Left edge in the slide's level-0 pixels, rounded down."""

    y: int
    """Top edge."""

    slide: str
    """The name of the store."""

    index: int
    """The window's index in the dataset."""

    label: Any
    """As `TileDataset.labels` has it; absent without."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ItemMaker:
    """Makes items of windows that were read. Picklable, if the transform is."""

    windows: JoinedWindows
    """The windows."""

    labels: Labels | None
    """Their labels."""

    transform: Transform | None
    """What is done with each image, and its contexts, before it is given."""

    def make(self, window: ReadWindow) -> TileItem:
        """Return a window as an item."""
        store, _ = self.windows.locate(window.index)
        item = TileItem(
            x=window.corner[0],
            y=window.corner[1],
            slide=self.windows.names[store],
            index=window.index,
        )
        if window.contexts:
            images = self._transformed(
                torch.stack([_tensor(pixels) for pixels in (window.pixels, *window.contexts)])
            )
            item["image"], item["context"] = images[0], images[1:]
        else:
            item["image"] = self._transformed(_tensor(window.pixels))
        if self.labels is not None:
            label = self.labels.values[window.index]
            item["label"] = torch.from_numpy(label) if label.ndim else label.item()
        return item

    def _transformed(self, image: Any) -> Any:
        return image if self.transform is None else self.transform(image)


def _tensor(pixels: Pixels) -> Any:
    """Return pixels as [channel, row, column]; torch counts little in uint16."""
    wide = pixels if pixels.dtype == np.uint8 else pixels.astype(np.int32)
    return torch.from_numpy(np.ascontiguousarray(wide.transpose(2, 0, 1)))
