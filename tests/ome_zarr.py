"""OME-Zarr images made by zarr-python, as other programs write them."""

import json

import numpy as np
import zarr

RGB = ("FF0000", "00FF00", "0000FF")


def write_image(
    folder,
    levels,
    *,
    axes="cyx",
    zarr_format=3,
    chunks=64,
    planes=None,
    shards=None,
    scale=(0.5, 0.5),
    units=("micrometer", "micrometer"),
    ome=None,
    **options,
):
    """Write levels, arrays [row, column, channel], as an image; return its folder.

    ``planes`` is how many channels a chunk holds; all of them if it is None.
    """
    group = zarr.open_group(folder, mode="w", zarr_format=zarr_format)
    for number, level in enumerate(levels):
        array = arranged(level, axes)
        lengths = dict.fromkeys("tz", 1) | {"c": planes or level.shape[2], "y": chunks, "x": chunks}
        if zarr_format == 2:
            options.setdefault("chunk_key_encoding", {"name": "v2", "separator": "/"})
        if shards:
            sharded = lengths | dict.fromkeys("yx", shards)
            options["shards"] = tuple(sharded[axis] for axis in axes)
        group.create_array(
            str(number),
            shape=array.shape,
            chunks=tuple(lengths[axis] for axis in axes),
            dtype=array.dtype,
            **options,
        )[...] = array
    image = image_metadata(len(levels), axes, scale, units) | (ome or {})
    if zarr_format == 3:
        group.attrs["ome"] = {"version": "0.5"} | image
    else:
        image["multiscales"][0]["version"] = "0.4"
        group.attrs.update(image)
    return folder


def arranged(level, axes):
    """Return an array [row, column, channel] with these axes."""
    order = {"y": 0, "x": 1, "c": 2}
    named = [axis for axis in axes if axis in order]
    array = (level if "c" in axes else level[..., 0]).transpose([order[axis] for axis in named])
    return np.ascontiguousarray(array).reshape(
        [dict(zip(named, array.shape, strict=True)).get(a, 1) for a in axes]
    )


def image_metadata(count, axes="cyx", scale=(0.5, 0.5), units=("micrometer", "micrometer")):
    """Return OME's metadata of an image of so many levels, each half of the one before."""
    kinds = {"c": "channel", "t": "time"}
    described = [{"name": axis, "type": kinds.get(axis, "space")} for axis in axes]
    for axis, unit in zip("xy", units, strict=True):
        if unit is not None:
            described[axes.index(axis)]["unit"] = unit
    sizes = dict(zip("xy", scale, strict=True))
    datasets = [
        {
            "path": str(number),
            "coordinateTransformations": [
                {
                    "type": "scale",
                    "scale": [
                        sizes.get(axis, 1) * (2**number if axis in sizes else 1) for axis in axes
                    ],
                }
            ],
        }
        for number in range(count)
    ]
    return {"multiscales": [{"axes": described, "datasets": datasets}]}


def channels(*colours):
    """Return OMERO's metadata of channels in these colours."""
    return {"omero": {"channels": [{"color": colour} for colour in colours]}}


def change(file, edit):
    """Change the JSON in a file."""
    node = json.loads(file.read_text())
    edit(node)
    file.write_text(json.dumps(node))
