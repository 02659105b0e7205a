"""What defines a store: its plan, codec, levels and metadata.

Knows what a store records about its slide and how it was made. Does not know how it is written.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from slidetile.format.class_columns import column_stems
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.metadata.color import ColorFacts
from slidetile.format.metadata.cores import CoreFacts, CoreGridFacts
from slidetile.format.metadata.labels import ClassFacts, LabelFacts
from slidetile.format.metadata.level_0 import Level0
from slidetile.format.metadata.mapping import MappingFacts
from slidetile.format.metadata.node import JsonNode
from slidetile.format.metadata.parameters import CodecParameters, Parameters
from slidetile.format.metadata.planes import PlaneFacts
from slidetile.format.metadata.reference import ReferenceFacts
from slidetile.format.metadata.source import SourceFacts
from slidetile.format.metadata.store import StoreMetadata
from slidetile.format.metadata.tissue import TissueParameters
from slidetile.format.pyramid import PyramidLevel
from slidetile.format.reason import as_reason
from slidetile.planning.digest import plan_digest
from slidetile.planning.labels import Labels
from slidetile.planning.plan import TilePlan
from slidetile.quality.measured_level import MeasuredLevel
from slidetile.raster.channels import Channel, usual_windows
from slidetile.raster.icc import LARGEST_PROFILE_BYTES
from slidetile.raster.resolution import mean_downsample
from slidetile.slides.slide import Slide
from slidetile.tissue.cores import CoreGrid
from slidetile.writing.selection import selection_of

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSpec:
    """Everything that defines a store, known before its first byte is written."""

    plan: TilePlan
    """The tiles, with the overview and the tissue mask that they were chosen by."""

    codec: ChunkCodec
    """How chunks are stored, at every level."""

    levels: tuple[PyramidLevel, ...]
    """The levels of its pyramid, finest first."""

    metadata: StoreMetadata
    """The metadata that the store records."""


def store_metadata(
    slide: Slide,
    plan: TilePlan,
    codec: ChunkCodec,
    levels: Sequence[PyramidLevel],
    *,
    anonymous: bool,
    not_native: str | None = None,
    reference: ReferenceFacts | None = None,
) -> StoreMetadata:
    """Return the metadata that a store records about its slide and how it was made.

    Parameters
    ----------
    slide, plan, codec
        What the store is made of.
    levels
        The levels of its pyramid, finest first.
    anonymous
        Leave out the file name and the vendor's free text.
    not_native
        Why the codec is not native, if that was tried first.
    reference
        Where the slide lies, for a store without pixels.

    Raises
    ------
    TypeError, ValueError
        The slide or the tissue has values that a store cannot record: a size or a resolution that
        no scanner delivers, or parameters that are not fit for JSON. The message names the key.
    """
    profile = slide.icc_profile
    fits = profile is None or _fits(slide, len(profile))
    return StoreMetadata(
        name="slide" if anonymous else Path(slide.name).stem,
        channels=slide.channels,
        downsamples=tuple(level.downsample for level in levels),
        tile_size=plan.spec.size,
        tile_count=len(plan),
        codec=codec.name,
        not_native=None if not_native is None else as_reason(not_native),
        drawn=_drawn(slide, plan),
        background=slide.background,
        more_bits=None if slide.bits == 8 else slide.bits,
        mapping=None if slide.mapping is None else MappingFacts.of(slide.mapping),
        source=_source(slide.original, anonymous=anonymous),
        level_0=Level0.of(slide.mpp, slide.rescaling),
        parameters=Parameters(
            mpp=None if slide.rescaling is None else slide.rescaling.asked_mpp,
            planes=PlaneFacts.of(slide.planes.channels, slide.planes.z, slide.planes.t),
            window=slide.window,
            codec=CodecParameters.from_node(JsonNode(codec.parameters, "parameters.codec")),
            **plan.spec.parameters,
            tissue=TissueParameters(values=plan.tissue.parameters),
            plan_sha256=plan_digest(
                plan.columns, plan.rows, plan.tissue_fractions, plan.tissue.labels
            ),
        ),
        selection=selection_of(plan),
        quality=MeasuredLevel.of(levels, slide.mpp).facts,
        icc_profile=profile if fits else None,
        icc_profile_left_out=None if fits or profile is None else len(profile),
        color=ColorFacts.of(slide.conversion),
        cores=None if plan.cores is None else core_facts(plan.cores),
        labels=None if plan.labels is None else label_facts(plan.labels, anonymous=anonymous),
        reference=reference,
    )


def label_facts(labels: Labels, *, anonymous: bool) -> LabelFacts:
    """Return the classes of tiles, as a store records them."""
    areas = labels.areas
    stems, pixels = column_stems(areas.names), areas.areas_px.tolist()
    classes = tuple(
        ClassFacts(
            name=name,
            column=stems[place],
            shapes=labels.shapes[place],
            area_px=pixels[place],
            rectangles=len(areas.rectangles[place]),
            points=len(areas.points[place]),
        )
        for place, name in enumerate(areas.names)
    )
    return LabelFacts(
        name=None if anonymous else labels.name,
        sha256=labels.sha256,
        unit=labels.unit,
        origin=labels.origin,
        values=labels.values or None,
        classes=classes,
    )


def core_facts(grid: CoreGrid) -> CoreGridFacts:
    """Return the cores that tiles are named by, as a store records them."""
    cores = tuple(
        CoreFacts(
            name=core.name, centre=core.centre, bounds=core.bounds, is_missing=core.is_missing
        )
        for core in grid
    )
    return CoreGridFacts(rows=grid.rows, columns=grid.columns, cores=cores)


def _drawn(slide: Slide, plan: TilePlan) -> tuple[Channel, ...]:
    """Return the channels with the windows in which viewers draw them, found on the overview."""
    if slide.is_plain and slide.bits == 8:
        return ()
    channels, image = slide.channel_info, plan.tissue.overview.image
    windows = usual_windows(image, channels, slide.bits)
    return tuple(
        replace(channel, window=window) for channel, window in zip(channels, windows, strict=True)
    )


def _fits(slide: Slide, profile_bytes: int) -> bool:
    """Return whether a colour profile fits into a store's metadata."""
    if profile_bytes <= LARGEST_PROFILE_BYTES:
        return True
    _log.warning(
        "%s: its colour profile of %.1f MB is left out: a store holds at most %.0f MB. The pixels "
        "are the same; profiles of scanners take about 1 MB",
        slide.name,
        profile_bytes / 1e6,
        LARGEST_PROFILE_BYTES / 1e6,
    )
    return False


def _source(slide: Slide, *, anonymous: bool) -> SourceFacts:
    source = slide.source
    return SourceFacts(
        name=None if anonymous else source.name,
        size_bytes=source.size_bytes,
        fingerprint=source.fingerprint,
        vendor=None if anonymous else slide.vendor,
        reader=slide.reader,
        width=slide.width,
        height=slide.height,
        scan_area=None if slide.scan_area == slide.bounds else slide.scan_area,
        canvas=None if slide.canvas == slide.bounds else slide.canvas,
        level_downsamples=tuple(mean_downsample(level.downsample) for level in slide.levels),
        mpp=slide.mpp,
        objective_power=slide.objective_power,
        colour_note=None if slide.colour_note is None else as_reason(slide.colour_note),
    )
