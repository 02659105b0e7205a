"""A store as a SpatialData object: its image, its tissue, its tiles, and their table.

Knows spatialdata's models. Does not know files.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slidetile.store._arrays import centres, needed

if TYPE_CHECKING:
    import pyarrow as pa

Pair = tuple[float, float]

PIECE = "tissue_id"
"""What wsidata calls the piece of tissue: spatialdata has a column ``region`` of its own."""


def spatial_data(
    *,
    levels: Sequence[Any],
    downsamples: Sequence[Pair],
    names: list[str],
    tissue: NDArray[np.uint32],
    tissue_scale: Pair,
    tiles: "pa.Table",
    mpp: Pair | None,
    tile_size: int | None,
) -> Any:
    """Return the object; its image stays lazy.

    The coordinate system "global" has the level-0 pixels of the store, "micrometers" what its name
    says, where the mpp is known.

    Parameters
    ----------
    levels
        Dask arrays [channel, row, column], finest first.
    downsamples
        Level-0 pixels per pixel of each, as (x, y).
    names
        Names of the channels.
    tissue
        The pieces of tissue.
    tissue_scale
        Level-0 pixels per pixel of these, as (x, y).
    tiles
        The tile table.
    mpp
        Micrometres per pixel of level 0, as (x, y), or None where unknown.
    tile_size
        Width and height of a tile, for wsidata, which reads the slide at the tiles; None where
        level 0 has other pixels than the slide.

    Raises
    ------
    ImportError
        spatialdata is not installed.
    """
    library = needed("spatialdata", "to_spatialdata", "spatial")
    models = needed("spatialdata.models", "to_spatialdata", "spatial")
    own, scaled = _systems(mpp, (1.0, 1.0)), _systems(mpp, tissue_scale)
    return library.SpatialData(
        images={"image": _image(levels, downsamples, names, own)},
        labels={
            "tissue": models.Labels2DModel.parse(tissue, dims=("y", "x"), transformations=scaled)
        },
        shapes={"tiles": _shapes(models, tiles, own)},
        tables={"tiles_table": _table(models, tiles)},
        attrs={} if tile_size is None else {"tile_spec": {"tiles": _tile_spec(tile_size, mpp)}},
    )


def _tile_spec(size: int, mpp: Pair | None) -> dict[str, Any]:
    """Return what wsidata asks of tiles, so that LazySlide takes them for its own."""
    return {
        "height": size,
        "width": size,
        "stride_height": size,
        "stride_width": size,
        "mpp": None if mpp is None else mpp[0],
        "ops_level": 0,
        "ops_downsample": 1.0,
        "base_level": 0,
        "base_downsample": 1.0,
        "tissue_name": None,
    }


def _systems(mpp: Pair | None, step: Pair) -> dict[str, Any]:
    """Return the transformations of what has a pixel of so many level-0 pixels."""
    from spatialdata.transformations import Scale

    systems = {"global": Scale(list(step), axes=("x", "y"))}
    if mpp is not None:
        um = [step[0] * mpp[0], step[1] * mpp[1]]
        systems["micrometers"] = Scale(um, axes=("x", "y"))
    return systems


def _image(
    levels: Sequence[Any], downsamples: Sequence[Pair], names: list[str], own: dict[str, Any]
) -> Any:
    """Return the levels as one image; those of a store need not halve, as spatialdata's would."""
    import xarray
    from spatialdata.models import Image2DModel
    from spatialdata.transformations import set_transformation

    scales = {}
    for number, (level, (across, down)) in enumerate(zip(levels, downsamples, strict=True)):
        _, height, width = level.shape
        places = {
            "c": names,
            "y": centres(height, down, 1.0) + 0.5,
            "x": centres(width, across, 1.0) + 0.5,
        }
        image = xarray.DataArray(level, dims=("c", "y", "x"), coords=places, name="image")
        scales[f"scale{number}"] = xarray.Dataset({"image": image})
    if len(scales) == 1:
        (only,) = levels
        return Image2DModel.parse(only, dims=("c", "y", "x"), c_coords=names, transformations=own)
    tree = xarray.DataTree.from_dict(scales)
    set_transformation(tree, own, set_all=True)
    Image2DModel().validate(tree)
    return tree


def _shapes(models: Any, tiles: "pa.Table", own: dict[str, Any]) -> Any:
    import geopandas
    import shapely

    x, y, width, height = (tiles[name].to_numpy() for name in ("x", "y", "width", "height"))
    boxes = shapely.box(x, y, x + width, y + height)
    columns = {
        "tile_id": tiles["tile_id"].to_numpy(),
        PIECE: tiles["region"].to_numpy(),
    }
    frame = geopandas.GeoDataFrame(columns, geometry=boxes, index=columns["tile_id"])
    return models.ShapesModel.parse(frame, transformations=own)


def _table(models: Any, tiles: "pa.Table") -> Any:
    """Return the table: what is measured of tiles as X, the rest as observations."""
    import anndata
    import pyarrow as pa

    measured = [field.name for field in tiles.schema if pa.types.is_floating(field.type)]
    frame = tiles.drop_columns(measured).to_pandas().rename(columns={"region": PIECE})
    frame.index = frame["tile_id"].astype(str)
    frame.index.name = None
    frame["region"] = _categories("tiles", len(frame))
    x = np.stack([tiles[name].to_numpy() for name in measured], axis=1).astype(np.float32)
    data = anndata.AnnData(X=x, obs=frame)
    data.var_names = measured
    return models.TableModel.parse(
        data, region="tiles", region_key="region", instance_key="tile_id"
    )


def _categories(word: str, count: int) -> Any:
    import pandas as pd

    return pd.Categorical([word] * count, categories=[word])
