"""Print, as JSON, the elements of a store as a SpatialData object; run where spatialdata is.

python spatial_elements.py STORE FOLDER
"""

import hashlib
import json
import sys
import warnings

import numpy as np

warnings.simplefilter("ignore")  # spatialdata's own

import spatialdata  # noqa: E402
from spatialdata.transformations import get_transformation  # noqa: E402

import slidetile as st  # noqa: E402

path, folder = sys.argv[1:]


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()


def extent(element, system):
    found = spatialdata.get_extent(element, coordinate_system=system)
    return [*map(float, found["x"]), *map(float, found["y"])]


made = st.open_store(path).to_spatialdata()
made.write(folder)
facts = {}
for when, data in {"made": made, "read": spatialdata.read_zarr(folder)}.items():
    scales = [data["image"][name]["image"] for name in data["image"].children]
    table = data["tiles_table"]
    facts[when] = {
        "levels": [digest(scale.data.compute()) for scale in scales],
        "channels": scales[0].c.values.tolist(),
        "steps": [
            float(get_transformation(scale, "global").to_affine_matrix(("x",), ("x",))[0, 0])
            for scale in scales
        ],
        "tissue": digest(np.asarray(data["tissue"]).astype(np.uint32)),
        "corners": data["tiles"].bounds.to_numpy().tolist(),
        "ids": table.obs["tile_id"].tolist(),
        "pieces": [table.obs["tissue_id"].tolist(), data["tiles"]["tissue_id"].tolist()],
        "of": sorted(set(table.obs["region"])),
        "columns": table.var_names.tolist(),
        "fractions": table[:, "tissue_fraction"].X[:, 0].tolist(),
        "extents": {
            system: {name: extent(data[name], system) for name in ("image", "tissue", "tiles")}
            for system in ("global", "micrometers")
        },
    }
sys.stdout.write(f"ELEMENTS {json.dumps(facts)}\n")
