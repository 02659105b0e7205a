"""PyTorch, or what to do where it is not installed."""

try:
    import torch
    from torch.utils._pytree import register_pytree_node
    from torch.utils.data import Dataset, IterableDataset, get_worker_info

    # The docs of default_collate say to add to this map, and to pass it on.
    from torch.utils.data._utils.collate import collate, default_collate_fn_map
except ImportError as error:
    raise ImportError(
        "PyTorch is not installed; it comes with the extra torch: pip install slidetile[torch]"
    ) from error

__all__ = [
    "Dataset",
    "IterableDataset",
    "collate",
    "default_collate_fn_map",
    "get_worker_info",
    "register_pytree_node",
    "torch",
]
