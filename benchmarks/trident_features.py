"""TRIDENT's own extraction code on an exported file, against our windows: are the features equal?

    python benchmarks/trident_features.py SLIDE --trident CHECKOUT [--size 256] [--mpp 2.0]

CHECKOUT is a clone of https://github.com/mahmoodlab/TRIDENT, which is read and run, and of which
nothing is kept. It needs torch, opencv-python-headless, geopandas and tqdm; packages that its
extraction does not use may be absent. The encoder is a small network with fixed weights.
"""

import argparse
import importlib.abc
import importlib.machinery
import json
import sys
import tempfile
from pathlib import Path
from unittest.mock import MagicMock

import h5py
import numpy as np
import torch

import slidetile as st

UNUSED = {"torchvision", "timm", "transformers", "huggingface_hub", "segmentation_models_pytorch"}
UNUSED |= {
    "einops",
    "einops_exts",
    "aicsimageio",
    "pyvips",
    "matplotlib",
    "requests",
    "safetensors",
}
BATCH = 64


class Unused(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands in for packages that are imported and not used."""

    def find_spec(self, name, path=None, target=None):  # noqa: ARG002
        if name.partition(".")[0] in UNUSED:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):  # noqa: ARG002
        module = MagicMock()
        module.__path__ = []
        return module

    def exec_module(self, module):
        pass


class Encoder(torch.nn.Module):
    """A stand-in of 64 features: two convolutions and a mean."""

    enc_name, precision, embedding_dim = "stand-in", torch.float32, 64

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 32, 7, stride=4),
            torch.nn.GELU(),
            torch.nn.Conv2d(32, 64, 5, stride=4),
            torch.nn.GELU(),
            torch.nn.AdaptiveAvgPool2d(1),
            torch.nn.Flatten(),
        )

    def forward(self, batch):
        return self.layers(batch)

    @staticmethod
    def eval_transforms(image):
        """Pixels of 0–1, [channel, row, column]."""
        return torch.from_numpy(np.array(image, np.float32) / 255).permute(2, 0, 1)


@torch.inference_mode()
def features_of(windows, encoder):
    """Features of windows, in batches as large as TRIDENT's."""
    tensors = [encoder.eval_transforms(window) for window in windows]
    batches = [torch.stack(tensors[n : n + BATCH]) for n in range(0, len(tensors), BATCH)]
    return np.concatenate([encoder(batch).numpy() for batch in batches])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("slide", type=Path)
    parser.add_argument("--trident", type=Path, required=True)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--stride", type=int)
    parser.add_argument("--mpp", type=float)
    arguments = parser.parse_args()
    sys.meta_path.append(Unused())
    sys.path.insert(0, str(arguments.trident))
    from trident import OpenSlideWSI

    choices = {n: getattr(arguments, n) for n in ("size", "stride", "mpp")}
    encoder = Encoder().eval()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = st.tile_slide(arguments.slide, folder / "a.zarr")
        coordinates = folder / "patches" / f"{arguments.slide.stem}_patches.h5"
        st.export_store(store, coordinates, st.TridentExport(**choices))
        with OpenSlideWSI(str(arguments.slide), lazy_init=False, max_workers=0) as wsi:
            made = wsi.extract_patch_features(
                encoder, str(coordinates), str(folder / "features"), "cpu", batch_limit=BATCH
            )
        with h5py.File(made) as file:
            theirs, places = file["features"][:], file["coords"][:]
            carried = "slidetile" in file["coords"].attrs
        windows = store.windows(**choices)
        ours = features_of(windows, encoder)
    facts = {
        "slide": arguments.slide.name,
        **choices,
        "codec": store.codec,
        "windows": len(windows),
        "coordinates equal": bool((places == windows.coordinates).all()),
        "features equal": bool(np.array_equal(ours, theirs)),
        "largest difference": float(np.abs(ours - theirs).max()),
        "largest feature": float(np.abs(theirs).max()),
        "provenance carried": carried,
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
