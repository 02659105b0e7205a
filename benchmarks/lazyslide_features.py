"""LazySlide's extraction on what `to_spatialdata` wrote, against our windows: the same features?

    python benchmarks/lazyslide_features.py SLIDE [--size 256]

Needs lazyslide (and torchvision), slidetile with its extra spatial, and PyTorch. The encoder is a
small network with fixed weights.
"""

import argparse
import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch

import slidetile as st
from slidetile.torch import TileDataset

warnings.simplefilter("ignore")  # of the libraries compared with

import lazyslide  # noqa: E402
import wsidata  # noqa: E402


def main() -> None:
    """Print how far the features are apart."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slide", type=Path)
    parser.add_argument("--size", type=int, default=256)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recipe = st.Recipe(tile=st.TileSpec(size=options.size))
        store = st.tile_slide(options.slide, Path(folder) / "store.zarr", recipe)
        found = Path(folder) / "store.spatial.zarr"
        store.to_spatialdata().write(found)
        print(json.dumps(compared(options.slide, store, found)))


def compared(slide: Path, store: st.TileStore, spatial: Path) -> dict[str, object]:
    """Return the number of tiles, and the largest difference of a feature of one."""
    network = encoder()
    wsi = wsidata.open_wsi(str(slide), store=str(spatial))
    how = {"transform": as_tensor, "tile_key": "tiles", "device": "cpu", "pbar": False}
    lazyslide.tl.feature_extraction(wsi, network, key_added="features", **how)
    tiles = TileDataset(store, size=store.tile_size, min_tissue_fraction=0)
    numbers = {tuple(corner): number for number, corner in enumerate(tiles.coordinates.tolist())}
    corners = wsi["tiles"].bounds[["minx", "miny"]].to_numpy().astype(int).tolist()
    # Of tiles over the slide's edge, which are no windows here, they read what is outside as black.
    inside = [turn for turn, corner in enumerate(corners) if tuple(corner) in numbers]
    with torch.inference_mode():
        own = [
            network(tiles[numbers[tuple(corners[turn])]]["image"][None].float() / 255)[0].numpy()
            for turn in inside
        ]
    difference = np.abs(np.asarray(wsi["features"].X)[inside] - np.stack(own)).max()
    return {
        "tiles": len(inside),
        "over the edge": len(corners) - len(inside),
        "largest_difference": float(difference),
    }


def as_tensor(image: object) -> torch.Tensor:
    """Return an image as LazySlide's encoders take it."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


def encoder() -> torch.nn.Module:
    """Return a small network, always the same one."""
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 16, stride=16),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(16, 64),
    ).eval()


if __name__ == "__main__":
    main()
