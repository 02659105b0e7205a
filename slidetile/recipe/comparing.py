"""What a finished store was made otherwise with than a recipe would make it.

Knows what stores record of their settings. Does not know what becomes of a store.
"""

from collections.abc import Iterator
from typing import Any

from slidetile.choices import QUICK_STREAMS, WINDOW
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.codecs.named import chosen_codec, unnamed
from slidetile.format.codecs.native import NativeCodec
from slidetile.format.metadata.color import ColorFacts
from slidetile.format.metadata.labels import LabelFacts
from slidetile.format.metadata.level_0 import Level0
from slidetile.format.metadata.planes import PlaneFacts
from slidetile.format.metadata.tissue import TissueParameters
from slidetile.recipe.recipe import Recipe, is_drawn, tissue_lengths
from slidetile.slides.overview import overview_mpp
from slidetile.slides.slide import Slide
from slidetile.store.store import TileStore
from slidetile.tissue.detector import default_detectors, describe_detector
from slidetile.tissue.finding import stored_channel, stored_lengths
from slidetile.writing.choosing import fitting_codec
from slidetile.writing.differing import Setting, compared

_TISSUE_NAMES = {"mpp": "tissue_mpp", "min_region_area_um2": "min_piece_area_um2"}
"""What options call a tissue's parameters, where a store calls them otherwise."""

_LABEL_NAMES = {
    "sha256": "labels",
    "unit": "labels_unit",
    "origin": "labels_origin",
    "values": "label_values",
}
"""The same of labels."""


def matches(recipe: Recipe, store: TileStore, slide: Slide) -> bool:
    """Return whether a store records this slide and the settings of this recipe.

    A codec or a detector that the slide chooses matches any that it may choose.
    """
    return store.metadata.source.fingerprint == slide.source.fingerprint and (
        _same_settings(recipe, store, slide)
    )


def matches_before_change(recipe: Recipe, store: TileStore, slide: Slide) -> bool:
    """Return whether a store records these settings and this slide as it was before a change.

    A file of the same name, maker and size in pixels counts as the same slide.
    """
    found, original = store.metadata.source, slide.original
    return (
        found.name == original.name
        and found.vendor == original.vendor
        and found.size == original.levels[0].size
        and _same_settings(recipe, store, slide)
    )


def _same_settings(recipe: Recipe, store: TileStore, slide: Slide) -> bool:
    return next(differing(recipe, store, slide), None) is None


def differing(recipe: Recipe, store: TileStore, slide: Slide) -> Iterator[Setting]:
    """Yield each setting that the store was made otherwise with, those quickly found first."""
    return (each for each in _compared(recipe, store, slide) if each.differs)


def _compared(recipe: Recipe, store: TileStore, slide: Slide) -> Iterator[Setting]:
    metadata, parameters = store.metadata, store.metadata.parameters
    planes = PlaneFacts.of(recipe.channels, recipe.z, recipe.t)
    level_0 = Level0.of(slide.mpp, slide.rescaling)
    yield Setting("mpp", parameters.mpp, recipe.mpp)
    yield Setting("reader", metadata.source.reader, slide.reader)
    if parameters.mpp == recipe.mpp:  # else that is why
        same_mpp = metadata.level_0.mpp == level_0.mpp
        yield Setting("slide_mpp", metadata.level_0.mpp, level_0.mpp)
        yield Setting("slide_level", metadata.level_0 if same_mpp else level_0, level_0)
    yield Setting("color", metadata.color, ColorFacts.of(slide.conversion))
    yield Setting("channels, z or t", parameters.planes, planes)
    yield Setting("window", parameters.window, _window_of(recipe, slide))
    yield Setting("tile_size", store.tile_size, recipe.tile.size)
    yield from compared(parameters.tiles, recipe.tile.parameters)
    yield Setting("cores", metadata.cores is not None, recipe.cores)
    yield from _compared_labels(recipe, metadata.labels, slide)
    if parameters.planes == planes:  # else its channel may be none of the slide's
        yield from _compared_tissue(recipe, parameters.tissue, slide)
    if not same_codec(recipe, metadata.chunk_codec, slide):
        yield Setting("codec", *_codecs(recipe, metadata.chunk_codec))


def _compared_labels(recipe: Recipe, found: LabelFacts | None, slide: Slide) -> Iterator[Setting]:
    if found is None or recipe.labels is None:
        yield Setting("labels", found is not None, recipe.labels is not None)
        return
    stored = {
        "sha256": found.sha256,
        "unit": found.unit,
        "origin": found.origin,
        "values": found.values or (),
    }
    for each in compared(stored, recipe.labels.parameters(slide)):
        yield each._replace(name=_LABEL_NAMES[each.name])


def _window_of(recipe: Recipe, slide: Slide) -> str | None:
    """Return the window that a store of a slide records, be it mapped yet or not."""
    if slide.window is not None:
        return slide.window
    is_mapped = recipe.dtype is not None and slide.bits > 8
    return recipe.window or WINDOW if is_mapped else None


def _compared_tissue(recipe: Recipe, found: TissueParameters, slide: Slide) -> Iterator[Setting]:
    drawn = [] if recipe.annotations is None else [recipe.annotations.parameters(slide)]
    channel = recipe.tissue_channel
    looked_at = {} if channel is None else stored_channel(slide, channel)
    stored = [annotations.to_node() for annotations in found.annotations]
    yield Setting("tissue_channel", found.values.get("channel"), looked_at.get("channel"))
    for each in compared(found.values, _tissue_parameters(recipe, slide)):
        yield each._replace(name=_TISSUE_NAMES.get(each.name, each.name))
    if not _same_detector(recipe, found.detector):
        yield Setting("detector", found.detector, None)
    if stored and drawn:
        yield Setting("annotations", stored, drawn)
    else:
        yield Setting("annotations", bool(stored), bool(drawn))


def _tissue_parameters(recipe: Recipe, slide: Slide) -> dict[str, Any]:
    """Return the tissue's parameters that are known before tissue is detected."""
    options = (
        {}
        if is_drawn(recipe)
        else {"keep_pen": recipe.keep_pen, **stored_lengths(tissue_lengths(recipe))}
    )
    return {"mpp": overview_mpp(slide, recipe.tissue_mpp), **options}


def _same_detector(recipe: Recipe, recorded: Any) -> bool:
    if is_drawn(recipe):
        from slidetile.annotations.tissue import DETECTOR

        return bool(recorded == DETECTOR)
    given = None if recipe.detector is None else (recipe.detector,)
    detectors = given or default_detectors(keep_pen=recipe.keep_pen)
    return recorded in map(describe_detector, detectors)


def _codecs(recipe: Recipe, found: ChunkCodec) -> tuple[Any, Any]:
    """Return what tells two codecs that differ: their names, or what they are told."""
    name = recipe.codec if isinstance(recipe.codec, str) else recipe.codec.name
    if name in ("auto", "native") and isinstance(found, NativeCodec):
        return f"native with check {found.check_by}", f"{name} with check {recipe.check}"
    if name != found.name:
        return found.name, name
    codec = chosen_codec(recipe.codec)
    stored = unnamed(found).parameters
    return {"name": name, **stored}, {"name": name, **codec.parameters}


def same_codec(recipe: Recipe, found: ChunkCodec, slide: Slide) -> bool:
    """Return whether a store's codec is the recipe's, or one that the slide may choose by it."""
    if recipe.codec in ("auto", "native") and isinstance(found, NativeCodec):
        is_chosen = recipe.codec == "native" or found.stream in QUICK_STREAMS
        return found.check_by == recipe.check and is_chosen
    if fitting_codec(slide, recipe.codec) == "auto":
        return found.name == "zstd"
    codec = chosen_codec(recipe.codec)
    found = unnamed(found)
    return (codec.name, codec.parameters) == (found.name, found.parameters)
