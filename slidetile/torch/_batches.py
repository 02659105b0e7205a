"""Items of windows, and how PyTorch's default collation joins them to batches.

The channels of a pixel lie beside each other, as decoders give them: PyTorch calls that
channels_last. Batches keep it, so that no pixel is put in another place in between.
"""

from collections.abc import Sequence
from typing import Any

from slidetile.torch._lending import LentBatch, lend
from slidetile.torch._library import collate, default_collate_fn_map, torch


class TileItem(dict[str, Any]):
    """A window as a DataLoader takes it: a dictionary that its default collation joins to batches.

    - ``image``: uint8 [channel, row, column], int32 where samples have more than 8 bits, its
      channels beside each other in memory; or what the transform gave.
    - ``context``: the same at each of ``context_mpp``, [context, channel, row, column]; absent
      without.
    - ``x``, ``y``: its left and top edge in the slide's level-0 pixels, rounded down.
    - ``slide``: the name of the store.
    - ``index``: the window's index in the dataset.
    - ``label``: as `TileDataset.labels` has it; absent without.
    """

    block: "Block | None" = None
    """What the windows of a batch were read into, this one among them; None where each has memory
    of its own."""

    def __getstate__(self) -> None:
        """Return nothing: another process is given the window, not the block."""


class Block:
    """Memory for the pixels of some windows, which becomes a batch if they are given as they are.

    Parameters
    ----------
    shape
        [window, view, row, column, channel]; or the shape of stacked images.
    dtype
        Of its samples.
    """

    def __init__(self, shape: Sequence[int], dtype: Any = torch.uint8) -> None:
        self.pixels, self.loan = lend(shape, dtype)


def join_items(
    items: Sequence[TileItem], *, collate_fn_map: Any = default_collate_fn_map
) -> dict[str, Any]:
    """Return a batch of items.

    It is what PyTorch's own collation of dictionaries gives, but that channels stay beside each
    other; and where all windows of a block are there, in its order, the block is the batch.
    """
    batch = LentBatch(dict.fromkeys(items[0]))
    blocks = []
    if (block := _whole_block(items)) is not None:
        blocks.append(block)
        batch["image"] = _channels_first(block.pixels[:, 0])
        if "context" in batch:
            batch["context"] = _channels_first(block.pixels[:, 1:])
    for name in [name for name, value in batch.items() if value is None]:
        values = [item[name] for item in items]
        if _are_alike(values):
            blocks.append(_stacked(values))
            batch[name] = _channels_first(blocks[-1].pixels)
        else:
            batch[name] = collate(values, collate_fn_map=collate_fn_map)
    batch.loans = tuple(block.loan for block in blocks if block.loan is not None)
    return batch


def _whole_block(items: Sequence[TileItem]) -> Block | None:
    """Return the block that these items are, and nothing else; None where they are not."""
    block = items[0].block
    if block is None or len(block.pixels) != len(items):
        return None
    for item, pixels in zip(items, block.pixels, strict=True):
        if item.block is not block or not _is_on(item.get("image"), pixels[0]):
            return None
        if len(pixels) > 1 and not _is_on(item.get("context"), pixels[1:]):
            return None
    return block


def _is_on(image: Any, pixels: Any) -> bool:
    """Return whether an image still is what was read, where it was read."""
    if not _is_channels_last(image):
        return False
    return bool(
        image.data_ptr() == pixels.data_ptr() and _channels_last(image).shape == pixels.shape
    )


def _is_channels_last(image: Any) -> bool:
    is_plain = type(image) is torch.Tensor and image.ndim >= 3 and not image.requires_grad
    return is_plain and image.device.type == "cpu" and _channels_last(image).is_contiguous()


def _are_alike(images: Sequence[Any]) -> bool:
    """Return whether images can be stacked with their channels beside each other."""
    if not all(map(_is_channels_last, images)):
        return False
    return len({(image.shape, image.dtype) for image in images}) == 1


def _stacked(images: Sequence[Any]) -> Block:
    parts = [_channels_last(image) for image in images]
    block = Block((len(parts), *parts[0].shape), parts[0].dtype)
    torch.stack(parts, out=block.pixels)
    return block


def _channels_last(image: Any) -> Any:
    return image.movedim(-3, -1)


def _channels_first(pixels: Any) -> Any:
    return pixels.movedim(-1, -3)


default_collate_fn_map[TileItem] = join_items
