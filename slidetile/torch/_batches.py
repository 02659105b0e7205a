"""Items of windows, and how PyTorch's default collation joins them to batches.

The channels of a pixel lie beside each other, as decoders give them: PyTorch calls that
channels_last. Batches keep it, so that no pixel is put in another place in between.
"""

from collections.abc import Sequence
from typing import Any

from slidetile.torch._lending import LentBatch, lend
from slidetile.torch._library import collate, default_collate_fn_map, register_pytree_node, torch


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

    def __reduce__(self) -> tuple[type["TileItem"], tuple[dict[str, Any]]]:
        return TileItem, (dict(self),)  # as `torch.load` of weights alone can make it


def join_items(
    items: Sequence[TileItem], *, collate_fn_map: Any = default_collate_fn_map
) -> dict[str, Any]:
    """Return a batch of items.

    It is what PyTorch's own collation of dictionaries gives, but that channels stay beside each
    other. Images are copied, as they are there: who keeps items, or joins them twice, may do with
    a batch what they like.
    """
    batch, loans = {}, []
    for name in items[0]:
        values = [item[name] for item in items]
        if _are_alike(values):
            batch[name], loan = _stacked(values)
            loans += [] if loan is None else [loan]
        else:
            batch[name] = collate(values, collate_fn_map=collate_fn_map)
    return LentBatch(batch, loans) if loans else batch


def _are_alike(images: Sequence[Any]) -> bool:
    """Return whether images can be stacked with their channels beside each other."""
    if not all(map(_is_channels_last, images)):
        return False
    return len({(image.shape, image.dtype) for image in images}) == 1


def _is_channels_last(image: Any) -> bool:
    is_plain = type(image) is torch.Tensor and image.ndim >= 3 and not image.requires_grad
    is_here = is_plain and image.device.type == "cpu" and image.layout == torch.strided
    return is_here and _channels_last(image).is_contiguous()


def _stacked(images: Sequence[Any]) -> tuple[Any, Any]:
    """Return images in one tensor, and in a worker the loan that it is on."""
    parts = [_channels_last(image) for image in images]
    pixels, loan = lend((len(parts), *parts[0].shape), parts[0].dtype)
    torch.stack(parts, out=pixels)
    return pixels.movedim(-1, -3), loan


def _channels_last(image: Any) -> Any:
    return image.movedim(-3, -1)


def _flat(item: dict[str, Any]) -> tuple[list[Any], list[str]]:
    return list(item.values()), list(item)


default_collate_fn_map[TileItem] = join_items
# As transforms of torchvision and tree_map take dictionaries apart, but not what is derived of it.
register_pytree_node(
    TileItem, _flat, lambda values, names: TileItem(zip(names, values, strict=True))
)
torch.serialization.add_safe_globals([TileItem])  # a dictionary, so `torch.load` may make it
register_pytree_node(LentBatch, _flat, lambda values, names: dict(zip(names, values, strict=True)))
