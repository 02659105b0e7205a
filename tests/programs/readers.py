"""Programs that read OME-Zarr, each as a person would call it; run where they are installed.

python readers.py PROGRAM ADDRESS… prints a line of JSON for each address: its version, and the
SHA-256 of level 0 as (c, y, x) and of the tissue's labels, or why it did not open.
"""

import hashlib
import importlib.metadata
import json
import sys
import traceback

import numpy as np


def zarr_python(address):
    """zarr"""
    import zarr

    group = zarr.open_group(address, mode="r")
    return group["0"][:], group["labels/tissue/0"][:]


def dask_from_zarr(address):
    """dask"""
    import dask.array

    image = dask.array.from_zarr(address, component="0")
    return image.compute(), dask.array.from_zarr(address, component="labels/tissue/0").compute()


def xarray_open_zarr(address):
    """xarray"""
    import xarray

    coarser = [str(level) for level in range(1, 9)]
    found = xarray.open_zarr(address, drop_variables=coarser)
    return found["0"].to_numpy(), None


def xarray_open_datatree(address):
    """xarray"""
    import xarray

    tree = xarray.open_datatree(address, engine="zarr")
    return tree["0"].to_numpy(), tree["labels/tissue/0"].to_numpy()


def ome_zarr_py(address):
    """ome-zarr"""
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    nodes = list(Reader(parse_url(address))())
    image = nodes[0].data[0].compute()
    labels = [node for node in nodes if node.zarr.basename() == "tissue"]
    return image, labels[0].data[0].compute() if labels else None


def ngio(address):
    """ngio"""
    import ngio

    container = ngio.open_ome_zarr_container(address, mode="r")
    label = container.get_label("tissue", path="0")
    return container.get_image(path="0").get_array(), label.get_array()


def napari_ome_zarr(address):
    """napari-ome-zarr"""
    from napari_ome_zarr import napari_get_reader

    (levels, _, _), (labels, _, _) = napari_get_reader(address)(address)
    return np.asarray(levels[0]), np.asarray(labels[0])


def napari(address):
    """napari"""
    from napari.components import ViewerModel
    from napari.plugins import _initialize_plugins

    _initialize_plugins()
    viewer = ViewerModel()
    viewer.open(address, plugin="napari-ome-zarr")
    *channels, label = viewer.layers
    return np.stack([np.asarray(each.data[0]) for each in channels]), np.asarray(label.data[0])


def ngff_zarr(address):
    """ngff-zarr"""
    from ngff_zarr import from_ngff_zarr

    return from_ngff_zarr(address).images[0].data.compute(), None


def spatialdata(address):
    """spatialdata"""
    import spatialdata

    found = spatialdata.read_zarr(address)
    (image,) = found.images.values()
    return image["scale0"]["image"].to_numpy(), None


def tensorstore(address):
    """tensorstore"""
    import tensorstore

    is_served = address.startswith("http")

    def array(name):
        place = {"driver": "http", "base_url": f"{address}/{name}/"}
        if not is_served:
            place = {"driver": "file", "path": f"{address}/{name}/"}
        opened = tensorstore.open({"driver": "zarr3", "kvstore": place})
        return opened.result().read().result()

    return array("0"), array("labels/tissue/0")


def zarrs(address):
    """zarrs"""
    import zarr
    import zarrs  # noqa: F401  its pipeline

    options = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "codec_pipeline.strict": True}
    with zarr.config.set(options):
        group = zarr.open_group(address, mode="r")
        return group["0"][:], group["labels/tissue/0"][:]


READERS = {
    read.__name__: read
    for read in (
        zarr_python,
        dask_from_zarr,
        xarray_open_zarr,
        xarray_open_datatree,
        ome_zarr_py,
        ngio,
        napari_ome_zarr,
        napari,
        ngff_zarr,
        spatialdata,
        tensorstore,
        zarrs,
    )
}


def _sum(pixels):
    return pixels is not None and hashlib.sha256(np.ascontiguousarray(pixels)).hexdigest()


def _facts(read, address):
    try:
        image, tissue = read(address)
    except BaseException as error:  # noqa: BLE001  whatever a program does with it is told
        last = traceback.format_exception_only(error)[-1].strip()
        return {"error": last[:300]}
    return {"image": _sum(image), "tissue": _sum(tissue)}


if __name__ == "__main__":
    program = READERS[sys.argv[1]]
    version = importlib.metadata.version(program.__doc__)
    for place in sys.argv[2:]:
        print(json.dumps({"version": version, **_facts(program, place)}), flush=True)  # noqa: T201
