"""What a store says of its slide and of how it was made: ``attributes.slidetile``."""

import base64
from dataclasses import dataclass
from typing import Any

from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.metadata import FORMAT_VERSION, level_0
from slidetile.format.pyramid import PyramidLevel
from slidetile.planning.digest import plan_digest
from slidetile.planning.plan import TilePlan
from slidetile.quality.measured_level import MeasuredLevel
from slidetile.raster.resolution import mean_downsample
from slidetile.slides.slide import Slide


def store_attributes(
    slide: Slide, plan: TilePlan, codec: ChunkCodec, quality: MeasuredLevel, *, anonymous: bool
) -> dict[str, Any]:
    """Return all that the store tells; each key is explained in docs/reference/store-format.md.

    Parameters
    ----------
    slide, plan, codec
        What the store is made of.
    quality
        What the table's quality columns are measured on.
    anonymous
        Leave out the file name and the maker's free text.
    """
    attributes: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "complete": True,
        "tile_size": plan.spec.size,
        "tile_count": len(plan),
        "codec": codec.name,
        "background": list(slide.background),
        "source": _source(slide.original, anonymous=anonymous),
        "level_0": level_0(slide.mpp, slide.rescaling),
        "parameters": {
            "mpp": None if slide.rescaling is None else slide.rescaling.asked_mpp,
            "codec": codec.parameters,
            **plan.spec.parameters,
            "tissue": plan.tissue.parameters,
            "plan_sha256": plan_digest(
                plan.columns, plan.rows, plan.tissue_fractions, plan.tissue.labels
            ),
        },
        "quality": quality.parameters,
    }
    if slide.icc_profile is not None:
        attributes["icc_profile"] = base64.b64encode(slide.icc_profile).decode()
    return attributes


def _source(slide: Slide, *, anonymous: bool) -> dict[str, Any]:
    source = slide.source
    return {
        **({} if anonymous else {"name": source.name}),
        "size_bytes": source.size_bytes,
        "fingerprint": source.fingerprint,
        **({} if anonymous else {"vendor": slide.vendor}),
        "reader": slide.reader,
        "width": slide.width,
        "height": slide.height,
        "scan_area": _scan_area(slide),
        "level_downsamples": [mean_downsample(level.downsample) for level in slide.levels],
        "mpp": None if slide.mpp is None else list(slide.mpp),
        "objective_power": slide.objective_power,
    }


def _scan_area(slide: Slide) -> list[int] | None:
    """Return the [x, y, width, height] of the part that was scanned, or None where it is all."""
    area = slide.scan_area
    return None if area == slide.bounds else [area.x, area.y, area.width, area.height]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSpec:
    """All that shapes a store, known before its first byte."""

    plan: TilePlan
    """The tiles, and the overview and tissue they were chosen by."""

    codec: ChunkCodec
    """How chunks are stored, at every level."""

    levels: tuple[PyramidLevel, ...]
    """The pyramid, finest first."""

    kind: str
    """How the coarser levels come about, for the image's metadata."""

    channels: int
    """Channels of every pixel."""

    fill: int
    """Value of what is not stored: 255 in brightfield, 0 in fluorescence."""

    mpp: tuple[float, float] | None
    """Micrometres per pixel of level 0, as (x, y)."""

    name: str
    """The image's name, shown by viewers."""

    attributes: dict[str, Any]
    """``attributes.slidetile`` of the root group."""
