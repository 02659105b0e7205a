"""Print, as JSON, the layers that napari's reader makes of a store; run where napari is.

python napari_layers.py STORE
"""

import hashlib
import json
import sys

import numpy as np
from napari_ome_zarr import napari_get_reader

path = sys.argv[1]
(levels, drawn, kind), (labels, shown, label_kind) = napari_get_reader(path)(path)
pixels = np.ascontiguousarray(levels[0])
facts = {
    "kind": kind,
    "dtype": str(pixels.dtype),
    "shape": pixels.shape,
    "sha256": hashlib.sha256(pixels).hexdigest(),
    "ends": [map_.colors[-1].tolist() for map_ in drawn["colormap"]],
}
facts["label"] = {
    "kind": label_kind,
    "sha256": hashlib.sha256(np.ascontiguousarray(labels[0])).hexdigest(),
    "name": shown["name"],
    "scale": shown["scale"],
    "glass": list(shown["colormap"][0]),
}
plain = ("name", "channel_axis", "scale", "units", "contrast_limits", "visible")
sys.stdout.write(f"LAYER {json.dumps(facts | {key: drawn[key] for key in plain})}\n")
