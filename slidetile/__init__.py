"""slidetile: find the tissue on a whole slide and stream its tiles into a Zarr store.

Examples
--------
>>> import slidetile as st
>>> store = st.tile_slide("data_samples/sample.svs", "sample.zarr")
>>> store[3].shape
(1024, 1024, 3)
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slidetile.array_slide import ArraySlide
    from slidetile.batch import BatchReport, SlideResult, tile_slides
    from slidetile.codecs import JpegCodec, NativeCodec, RawCodec, ZstdCodec
    from slidetile.detectors import DarkBackgroundDetector, OtsuDetector
    from slidetile.drawn import DrawnArea, DrawnRegions, PaintedMask
    from slidetile.errors import (
        IncompleteStoreError,
        MissingResolutionError,
        NotNativeError,
        RegionFileError,
        SlideError,
        SlideReadError,
        SlidetileError,
        StoreBusyError,
        StoreError,
        StoreExistsError,
        StoreMismatchError,
        UnsupportedSlideError,
    )
    from slidetile.finding import Finding
    from slidetile.geojson_export import export_plan, export_store
    from slidetile.geometry import Region
    from slidetile.onnx_detector import OnnxDetector
    from slidetile.optical_density import OpticalDensityDetector
    from slidetile.overview import Overview, read_overview
    from slidetile.plan import Tile, TilePlan, TileSpec, plan_tiles
    from slidetile.progress import Progress
    from slidetile.readers import open_slide
    from slidetile.recipe import Recipe, tile_slide
    from slidetile.region_file import read_regions
    from slidetile.regions_spec import RegionsSpec
    from slidetile.rescaled_slide import rescale_slide
    from slidetile.selection import TileSelection
    from slidetile.slide import Level, Slide, Source
    from slidetile.store import TileStore, open_store
    from slidetile.tiling import write_tiles
    from slidetile.tissue import TissueMask, TissueRegion, find_tissue
    from slidetile.tissue_regions import cut_tissue, draw_tissue
    from slidetile.verify import verify_store
    from slidetile.windows import Windows
    from slidetile.write_options import WriteOptions

__all__ = [
    "ArraySlide",
    "BatchReport",
    "DarkBackgroundDetector",
    "DrawnArea",
    "DrawnRegions",
    "Finding",
    "IncompleteStoreError",
    "JpegCodec",
    "Level",
    "MissingResolutionError",
    "NativeCodec",
    "NotNativeError",
    "OnnxDetector",
    "OpticalDensityDetector",
    "OtsuDetector",
    "Overview",
    "PaintedMask",
    "Progress",
    "RawCodec",
    "Recipe",
    "Region",
    "RegionFileError",
    "RegionsSpec",
    "Slide",
    "SlideError",
    "SlideReadError",
    "SlideResult",
    "SlidetileError",
    "Source",
    "StoreBusyError",
    "StoreError",
    "StoreExistsError",
    "StoreMismatchError",
    "Tile",
    "TilePlan",
    "TileSelection",
    "TileSpec",
    "TileStore",
    "TissueMask",
    "TissueRegion",
    "UnsupportedSlideError",
    "Windows",
    "WriteOptions",
    "ZstdCodec",
    "cut_tissue",
    "draw_tissue",
    "export_plan",
    "export_store",
    "find_tissue",
    "open_slide",
    "open_store",
    "plan_tiles",
    "read_overview",
    "read_regions",
    "rescale_slide",
    "tile_slide",
    "tile_slides",
    "verify_store",
    "write_tiles",
]

__version__ = "0.1.0"

_MODULES = {
    "ArraySlide": "array_slide",
    "BatchReport": "batch",
    "DarkBackgroundDetector": "detectors",
    "DrawnArea": "drawn",
    "DrawnRegions": "drawn",
    "Finding": "finding",
    "IncompleteStoreError": "errors",
    "JpegCodec": "codecs",
    "Level": "slide",
    "MissingResolutionError": "errors",
    "NativeCodec": "codecs",
    "NotNativeError": "errors",
    "OnnxDetector": "onnx_detector",
    "OpticalDensityDetector": "optical_density",
    "OtsuDetector": "detectors",
    "Overview": "overview",
    "PaintedMask": "drawn",
    "Progress": "progress",
    "RawCodec": "codecs",
    "Recipe": "recipe",
    "Region": "geometry",
    "RegionFileError": "errors",
    "RegionsSpec": "regions_spec",
    "Slide": "slide",
    "SlideError": "errors",
    "SlideReadError": "errors",
    "SlideResult": "batch",
    "SlidetileError": "errors",
    "Source": "slide",
    "StoreBusyError": "errors",
    "StoreError": "errors",
    "StoreExistsError": "errors",
    "StoreMismatchError": "errors",
    "Tile": "plan",
    "TilePlan": "plan",
    "TileSelection": "selection",
    "TileSpec": "plan",
    "TileStore": "store",
    "TissueMask": "tissue",
    "TissueRegion": "tissue",
    "UnsupportedSlideError": "errors",
    "Windows": "windows",
    "WriteOptions": "write_options",
    "ZstdCodec": "codecs",
    "cut_tissue": "tissue_regions",
    "draw_tissue": "tissue_regions",
    "export_plan": "geojson_export",
    "export_store": "geojson_export",
    "find_tissue": "tissue",
    "open_slide": "readers",
    "open_store": "store",
    "plan_tiles": "plan",
    "read_overview": "overview",
    "read_regions": "region_file",
    "rescale_slide": "rescaled_slide",
    "tile_slide": "recipe",
    "tile_slides": "batch",
    "verify_store": "verify",
    "write_tiles": "tiling",
}
"""Where each public thing lives: loaded when it is first asked for, and numpy with it."""


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'slidetile' has no attribute {name!r}")
    thing = getattr(importlib.import_module(f"slidetile.{_MODULES[name]}"), name)
    globals()[name] = thing
    return thing


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
