"""What there is to say of a slide, a plan or a store, as plain values fit for JSON."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from slidetile.format.metadata.level_0 import Level0
from slidetile.format.table import QUALITY_COLUMNS
from slidetile.planning.plan import TilePlan
from slidetile.raster.resolution import mean_downsample
from slidetile.slides.slide import Slide
from slidetile.store.store import TileStore
from slidetile.writing.estimate import Estimate


def slide_facts(slide: Slide) -> dict[str, Any]:
    """Return what a slide says of itself."""
    return {
        "slide": slide.source.name,
        "vendor": slide.vendor,
        "reader": slide.reader,
        "file_bytes": slide.source.size_bytes,
        "size_px": f"{slide.width}×{slide.height}",
        **_scan_area(slide),
        "levels": [
            f"{level.width}×{level.height} (1/{mean_downsample(level.downsample):.4g})"
            for level in slide.levels
        ],
        "native_tiles": [_native(slide, number) for number in range(len(slide.levels))],
        "mpp": None if slide.mpp is None else list(slide.mpp),
        "objective_power": slide.objective_power,
        "background": list(slide.background),
        "icc_profile": "none" if slide.icc_profile is None else f"{len(slide.icc_profile)} bytes",
        "fingerprint": slide.source.fingerprint,
    }


def store_facts(store: TileStore) -> dict[str, Any]:
    """Return what a store holds."""
    statuses = Counter(store.tiles["status"].to_pylist())
    return {
        "store": str(store.path),
        "slide": store.metadata.source.name or "not told",
        "tiles": len(store),
        "unreadable": statuses["unreadable"],
        "tile_size_px": store.tile_size,
        "codec": store.codec,
        "tile_bytes": int(store.tiles["bytes"].to_numpy().sum()),
        "levels": [
            f"{level.width}×{level.height} (1/{mean_downsample(level.downsample):.4g})"
            for level in store.levels
        ],
        "mpp": None if store.mpp is None else list(store.mpp),
        **_level_0(store.metadata.level_0),
        "quality_mpp": _pair(store.metadata.quality.mpp),
        "median_quality": {name: _median(store, name) for name in QUALITY_COLUMNS},
        "tiles_with_pen": int(np.count_nonzero(store.tiles["pen_fraction"].to_numpy() > 0)),
    }


def _median(store: TileStore, column: str) -> float | None:
    values = store.tiles[column].drop_null().to_numpy()
    return float(np.median(values)) if len(values) else None


def plan_facts(
    slide: Slide, plan: TilePlan, cost: Estimate, preview: Path | None
) -> dict[str, Any]:
    """Return what carrying out a plan would take."""
    return {
        **_level_0(Level0.of(slide.mpp, slide.rescaling)),
        "tiles": len(plan),
        "grid_tiles": plan.grid_size[0] * plan.grid_size[1],
        "tissue_pieces": len(plan.tissue.pieces),
        "tissue_fraction": plan.tissue.tissue_fraction,
        "codec": cost.codec,
        "store_bytes": cost.bytes,
        "seconds": cost.seconds,
        "free_bytes": cost.free_bytes,
        "fits": cost.fits,
        **({} if preview is None else {"preview": str(preview)}),
    }


def _level_0(level_0: Level0) -> dict[str, Any]:
    """Return where level 0 comes from, where it is not the slide's."""
    if level_0.scale == (1.0, 1.0):
        return {}
    across, down = level_0.factor
    averaged = f", {across:.6g}×{down:.6g} pixels averaged into one"
    how = averaged if level_0.is_averaged else ", as it is"
    return {"level_0": f"level {level_0.slide_level} of the slide{how}"}


def _pair(pair: tuple[float, float] | None) -> list[float] | None:
    return None if pair is None else list(pair)


def _scan_area(slide: Slide) -> dict[str, str]:
    """Return where the scan lies, where that is not the whole slide."""
    area = slide.scan_area
    if area == slide.bounds:
        return {}
    return {"scan_area_px": f"{area.width}×{area.height} at ({area.x}, {area.y})"}


def _native(slide: Slide, number: int) -> str:
    native = slide.native_tiles(number)
    return "no" if native is None else f"{native.tile_width_px}×{native.tile_height_px}"
