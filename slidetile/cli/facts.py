"""The facts about a slide, a plan or a store, as values fit for JSON.

The schemas in docs/reference/schemas give the unit, the meaning and an example of each key. Knows
what machines read. Does not know how it is put into sentences for people. Longer than 300 lines,
because every key is listed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

from slidetile.cli.class_facts import ClassFacts, plan_classes, store_classes
from slidetile.cli.tissue_facts import FoundFacts, LeftOutFacts, found_facts, left_out_facts
from slidetile.format.codecs.named import zarr_codec
from slidetile.format.metadata.level_0 import Level0
from slidetile.quality.summary import QualitySummary
from slidetile.raster.region import Region
from slidetile.runtime.governor import MemoryUse
from slidetile.slides.level import Level
from slidetile.slides.slide import Slide
from slidetile.store.store import TileStore
from slidetile.tissue.left_out import LeftOut
from slidetile.writing.selection import found_again, left_out_again

if TYPE_CHECKING:  # what one command alone needs, another need not load
    from slidetile.format.metadata.cores import CoreGridFacts
    from slidetile.planning.plan import TilePlan
    from slidetile.tissue.cores import CoreGrid
    from slidetile.writing.estimate import Estimate


class AreaFacts(TypedDict):
    """A region."""

    x_px: int
    y_px: int
    width_px: int
    height_px: int


class LevelFacts(TypedDict):
    """A level of a store."""

    width_px: int
    height_px: int
    downsample: list[float]


class SlideLevelFacts(LevelFacts):
    """A level of a slide."""

    native_tile_px: list[int] | None
    not_native: str | None


class SlideFacts(TypedDict):
    """What `info` reports about a slide."""

    kind: Literal["slide"]
    slide_path: str
    slide_name: str
    vendor: str
    reader: str
    file_bytes: int
    width_px: int
    height_px: int
    channels: int
    channel_names: list[str]
    bits: int
    scan_area: AreaFacts
    levels: list[SlideLevelFacts]
    mpp_um: list[float] | None
    objective_power: float | None
    background_rgb: list[int]
    icc_profile_bytes: int | None
    colour_note: str | None
    fingerprint: str


class Level0Facts(TypedDict):
    """The slide's level that a store's level 0 is made from, and how."""

    slide_level: int
    averaging_factor: list[float]
    slide_scale: list[float]


class MappingFacts(TypedDict):
    """How samples of more bits became 8."""

    bits: int
    windows: list[list[int]]


class QualityFacts(TypedDict):
    """What a store's tiles look like, summarised."""

    mpp_um: list[float] | None
    medians: dict[str, float | None]
    channel_means: list[float] | None
    tiles_with_pen: int


class ReasonFacts(TypedDict):
    """The unreadable tiles of one reason."""

    reason: str
    tiles: int


class ReplacedFacts(TypedDict):
    """The blocks of a level of a slide that were replaced."""

    level: int
    blocks: int


class CoresFacts(TypedDict):
    """The cores of a microarray that tiles are named by."""

    rows: int
    columns: int
    cores: int
    missing: int


class StoreFacts(TypedDict):
    """What `info` reports about a store."""

    kind: Literal["store"]
    store_path: str
    slide_name: str | None
    width_px: int
    height_px: int
    tile_size_px: int
    channel_names: list[str]
    bits: int
    mapping: MappingFacts | None
    tiles: int
    unreadable: int
    unreadable_reasons: list[ReasonFacts]
    cores: CoresFacts | None
    classes: list[ClassFacts] | None
    replaced_blocks: list[ReplacedFacts]
    codec: str
    zarr_codec: str
    not_native: str | None
    tile_bytes: int
    levels: list[LevelFacts]
    mpp_um: list[float] | None
    level_0: Level0Facts
    tissue_pieces: int | None
    tissue_area_px: int | None
    tissue_area_um2: float | None
    found_tissue: FoundFacts | None
    left_out: list[LeftOutFacts]
    quality: QualityFacts
    colour_note: str | None
    color: str | None
    icc_profile_bytes: int | None
    referred_slide_path: str | None
    references_path: str | None


class PlanFacts(TypedDict):
    """What `plan` reports."""

    slide_path: str
    store_path: str
    width_px: int
    height_px: int
    mpp_um: list[float] | None
    level_0: Level0Facts
    tile_size_px: int
    tiles: int
    grid_tiles: int
    tissue_pieces: int
    tissue_fraction: float
    tissue_area_px: int
    tissue_area_um2: float | None
    found_tissue: FoundFacts | None
    cores: CoresFacts | None
    classes: list[ClassFacts] | None
    left_out: list[LeftOutFacts]
    codec: str
    not_native: str | None
    store_bytes: int
    seconds: float
    free_bytes: int | None
    fits: bool
    preview_path: str | None
    geojson_path: str | None


class MemoryFacts(TypedDict):
    """The memory that a run used."""

    peak_bytes: int
    budget_bytes: int
    throttled: int


class TileFacts(TypedDict):
    """What `tile` reports."""

    store: StoreFacts
    already_done: bool
    left_out: list[LeftOutFacts]
    seconds: float
    memory: MemoryFacts | None


def slide_facts(slide: Slide, path: Path) -> SlideFacts:
    """Return the facts about a slide."""
    return {
        "kind": "slide",
        "slide_path": str(path),
        "slide_name": slide.name,
        "vendor": slide.vendor,
        "reader": slide.reader,
        "file_bytes": slide.source.size_bytes,
        "width_px": slide.width,
        "height_px": slide.height,
        "channels": slide.channels,
        "channel_names": [channel.name for channel in slide.channel_info],
        "bits": slide.bits,
        "scan_area": _area(slide.scan_area),
        "levels": [
            {
                **_level(level),
                "native_tile_px": _native_tile(slide, number),
                "not_native": slide.native_obstacle(number),
            }
            for number, level in enumerate(slide.levels)
        ],
        "mpp_um": _pair(slide.mpp),
        "objective_power": slide.objective_power,
        "background_rgb": list(slide.background),
        "icc_profile_bytes": None if slide.icc_profile is None else len(slide.icc_profile),
        "colour_note": slide.colour_note,
        "fingerprint": slide.source.fingerprint,
    }


def store_facts(store: TileStore) -> StoreFacts:
    """Return the facts about a store."""
    colours = store.metadata.color
    profile = store.icc_profile if colours is None else colours.profile
    quality = QualitySummary.of(store)
    selection = store.metadata.selection
    tissue = None if selection is None else selection.tissue
    return {
        "kind": "store",
        "store_path": str(store.path),
        "slide_name": store.metadata.source.name,
        "width_px": store.levels[0].width,
        "height_px": store.levels[0].height,
        "tile_size_px": store.tile_size,
        "channel_names": [channel.name for channel in store.channels],
        "bits": store.metadata.bits,
        "mapping": _mapping(store),
        "tiles": len(store),
        "unreadable": store.unreadable,
        "unreadable_reasons": [
            {"reason": reason, "tiles": tiles} for reason, tiles in store.unreadable_reasons.items()
        ],
        "cores": None if store.cores is None else _cores(store.cores, store.cores.missing),
        "classes": store_classes(store),
        "replaced_blocks": _replaced(store),
        "codec": store.codec,
        "zarr_codec": zarr_codec(store.metadata.chunk_codec),
        "not_native": store.metadata.not_native,
        "tile_bytes": store.tile_bytes,
        "levels": [_level(level) for level in store.levels],
        "mpp_um": _pair(store.mpp),
        "level_0": _level_0(store.metadata.level_0),
        "tissue_pieces": None if tissue is None else tissue.pieces,
        "tissue_area_px": None if tissue is None else tissue.area_px,
        "tissue_area_um2": None if tissue is None else tissue.area_um2,
        "found_tissue": found_facts(found_again(selection)),
        "left_out": left_out_facts(left_out_again(selection)),
        "quality": {
            "mpp_um": _pair(store.metadata.quality.mpp),
            "medians": quality.medians,
            "channel_means": quality.channel_means,
            "tiles_with_pen": quality.tiles_with_pen,
        },
        "colour_note": store.metadata.source.colour_note,
        "color": store.color,
        "icc_profile_bytes": None if profile is None else len(profile),
        "referred_slide_path": None if store.slide_path is None else str(store.slide_path),
        "references_path": None if store.references is None else str(store.references),
    }


def _cores(grid: "CoreGrid | CoreGridFacts", missing: int) -> CoresFacts:
    return {
        "rows": grid.rows,
        "columns": grid.columns,
        "cores": len(grid.cores),
        "missing": missing,
    }


def _mapping(store: TileStore) -> MappingFacts | None:
    facts = store.metadata.mapping
    if facts is None:
        return None
    return {"bits": facts.bits, "windows": [list(window) for window in facts.windows]}


def _replaced(store: TileStore) -> list[ReplacedFacts]:
    damage = store.metadata.damage
    replaced = () if damage is None else damage.replaced
    return [{"level": each.level, "blocks": each.blocks} for each in replaced]


def plan_facts(
    slide: Slide,
    plan: "TilePlan",
    cost: "Estimate",
    *,
    slide_path: Path,
    store_path: Path,
    preview_path: Path | None = None,
    geojson_path: Path | None = None,
) -> PlanFacts:
    """Return the facts about a plan and what carrying it out would take."""
    return {
        "slide_path": str(slide_path),
        "store_path": str(store_path),
        "width_px": slide.width,
        "height_px": slide.height,
        "mpp_um": _pair(slide.mpp),
        "level_0": _level_0(Level0.of(slide.mpp, slide.rescaling)),
        "tile_size_px": plan.spec.size,
        "tiles": len(plan),
        "grid_tiles": plan.grid_size[0] * plan.grid_size[1],
        "tissue_pieces": len(plan.tissue.pieces),
        "tissue_fraction": plan.tissue.tissue_fraction,
        "tissue_area_px": plan.tissue.area.px,
        "tissue_area_um2": plan.tissue.area.um2,
        "found_tissue": found_facts(plan.tissue.found),
        "cores": None if plan.cores is None else _cores(plan.cores, len(plan.cores.missing)),
        "classes": plan_classes(plan),
        "left_out": left_out_facts(plan.left_out),
        "codec": cost.codec,
        "not_native": cost.not_native,
        "store_bytes": cost.bytes,
        "seconds": cost.seconds,
        "free_bytes": cost.free_bytes,
        "fits": cost.fits,
        "preview_path": None if preview_path is None else str(preview_path),
        "geojson_path": None if geojson_path is None else str(geojson_path),
    }


def tile_facts(
    store: TileStore, seconds: float, memory: MemoryUse | None, left_out: Sequence[LeftOut]
) -> TileFacts:
    """Return the facts about a finished store, what it leaves out, and what its run took.

    ``memory`` is None for a store that was finished before.
    """
    return {
        "store": store_facts(store),
        "already_done": memory is None,
        "left_out": left_out_facts(left_out),
        "seconds": round(seconds, 3),
        "memory": None
        if memory is None
        else {
            "peak_bytes": memory.peak_bytes,
            "budget_bytes": memory.budget_bytes,
            "throttled": memory.throttled,
        },
    }


def _level_0(level_0: Level0) -> Level0Facts:
    return {
        "slide_level": level_0.slide_level,
        "averaging_factor": list(level_0.factor),
        "slide_scale": list(level_0.scale),
    }


def _level(level: Level) -> LevelFacts:
    return {
        "width_px": level.width,
        "height_px": level.height,
        "downsample": list(level.downsample),
    }


def _native_tile(slide: Slide, level: int) -> list[int] | None:
    native = slide.native_tiles(level)
    return None if native is None else [native.tile_width_px, native.tile_height_px]


def _area(region: Region) -> AreaFacts:
    return {
        "x_px": region.x,
        "y_px": region.y,
        "width_px": region.width,
        "height_px": region.height,
    }


def _pair(pair: tuple[float, float] | None) -> list[float] | None:
    return None if pair is None else list(pair)
