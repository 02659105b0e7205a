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
    from slidetile.annotations.annotations import Annotation, Annotations, PaintedMask
    from slidetile.annotations.export import export_plan, export_store
    from slidetile.annotations.reading import read_annotations
    from slidetile.annotations.spec import AnnotationsSpec
    from slidetile.annotations.tissue import cut_tissue, draw_tissue
    from slidetile.cohort.batch import BatchReport, SlideResult, tile_slides
    from slidetile.errors import (
        AnnotationError,
        IncompleteStoreError,
        MissingResolutionError,
        NotNativeError,
        SlideError,
        SlideReadError,
        SlidetileError,
        StoreBusyError,
        StoreError,
        StoreExistsError,
        StoreMismatchError,
        UnsupportedSlideError,
    )
    from slidetile.format.codecs.jpeg import JpegCodec, NativeCodec
    from slidetile.format.codecs.planar import RawCodec, ZstdCodec
    from slidetile.planning.plan import Tile, TilePlan, TileSpec, plan_tiles
    from slidetile.raster.region import Region
    from slidetile.recipe import Recipe, tile_slide
    from slidetile.slides.array import ArraySlide
    from slidetile.slides.opening import open_slide
    from slidetile.slides.overview import Overview, read_overview
    from slidetile.slides.rescaled import rescale_slide
    from slidetile.slides.slide import Level, Slide, Source
    from slidetile.store.selection import TileSelection
    from slidetile.store.store import TileStore, open_store
    from slidetile.store.windows import Windows
    from slidetile.tissue.mask import TissueMask, TissuePiece, find_tissue
    from slidetile.tissue.onnx import OnnxDetector
    from slidetile.tissue.optical_density import OpticalDensityDetector
    from slidetile.tissue.plain import DarkBackgroundDetector, OtsuDetector
    from slidetile.verify.finding import Finding
    from slidetile.verify.verify import verify_store
    from slidetile.writing.options import Progress, WriteOptions
    from slidetile.writing.write import write_tiles

__all__ = [
    "Annotation",
    "AnnotationError",
    "Annotations",
    "AnnotationsSpec",
    "ArraySlide",
    "BatchReport",
    "DarkBackgroundDetector",
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
    "TissuePiece",
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
    "read_annotations",
    "read_overview",
    "rescale_slide",
    "tile_slide",
    "tile_slides",
    "verify_store",
    "write_tiles",
]

__version__ = "0.1.0"

_MODULES = {
    "ArraySlide": "slides.array",
    "BatchReport": "cohort.batch",
    "DarkBackgroundDetector": "tissue.plain",
    "Annotation": "annotations.annotations",
    "Annotations": "annotations.annotations",
    "Finding": "verify.finding",
    "IncompleteStoreError": "errors",
    "JpegCodec": "format.codecs.jpeg",
    "Level": "slides.slide",
    "MissingResolutionError": "errors",
    "NativeCodec": "format.codecs.jpeg",
    "NotNativeError": "errors",
    "OnnxDetector": "tissue.onnx",
    "OpticalDensityDetector": "tissue.optical_density",
    "OtsuDetector": "tissue.plain",
    "Overview": "slides.overview",
    "PaintedMask": "annotations.annotations",
    "Progress": "writing.options",
    "RawCodec": "format.codecs.planar",
    "Recipe": "recipe",
    "Region": "raster.region",
    "AnnotationError": "errors",
    "AnnotationsSpec": "annotations.spec",
    "Slide": "slides.slide",
    "SlideError": "errors",
    "SlideReadError": "errors",
    "SlideResult": "cohort.batch",
    "SlidetileError": "errors",
    "Source": "slides.slide",
    "StoreBusyError": "errors",
    "StoreError": "errors",
    "StoreExistsError": "errors",
    "StoreMismatchError": "errors",
    "Tile": "planning.plan",
    "TilePlan": "planning.plan",
    "TileSelection": "store.selection",
    "TileSpec": "planning.plan",
    "TileStore": "store.store",
    "TissueMask": "tissue.mask",
    "TissuePiece": "tissue.mask",
    "UnsupportedSlideError": "errors",
    "Windows": "store.windows",
    "WriteOptions": "writing.options",
    "ZstdCodec": "format.codecs.planar",
    "cut_tissue": "annotations.tissue",
    "draw_tissue": "annotations.tissue",
    "export_plan": "annotations.export",
    "export_store": "annotations.export",
    "find_tissue": "tissue.mask",
    "open_slide": "slides.opening",
    "open_store": "store.store",
    "plan_tiles": "planning.plan",
    "read_overview": "slides.overview",
    "read_annotations": "annotations.reading",
    "rescale_slide": "slides.rescaled",
    "tile_slide": "recipe",
    "tile_slides": "cohort.batch",
    "verify_store": "verify.verify",
    "write_tiles": "writing.write",
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
