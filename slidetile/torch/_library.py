"""PyTorch, or what to do where it is not installed."""

try:
    import torch
    from torch.utils.data import Dataset, IterableDataset, get_worker_info
except ImportError as error:
    raise ImportError(
        "PyTorch is not installed; it comes with the extra torch: pip install slidetile[torch]"
    ) from error

__all__ = ["Dataset", "IterableDataset", "get_worker_info", "torch"]
