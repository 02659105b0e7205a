"""What people read about a slide, a plan, a store or a run: a name and a text for each line.

Knows how facts are put into words. Does not know how they are printed.
"""

from collections.abc import Sequence
from statistics import fmean

from slidetile.cli.class_facts import class_lines
from slidetile.cli.facts import (
    AreaFacts,
    CoresFacts,
    Level0Facts,
    LevelFacts,
    PlanFacts,
    QualityFacts,
    SlideFacts,
    SlideLevelFacts,
    StoreFacts,
    TileFacts,
)
from slidetile.cli.outcome_facts import ExportFacts
from slidetile.cli.quantities import (
    counted,
    duration,
    extent,
    number,
    resolution,
    share,
    size_bytes,
)
from slidetile.cli.tissue_facts import FoundFacts, LeftOutFacts, OutcomeFacts, TissueFacts
from slidetile.counts import how_large, how_many

Lines = dict[str, str]
"""The text of each line, by its name, in reading order."""


def slide_lines(facts: SlideFacts) -> Lines:
    """Return the lines of `info` about a slide."""
    return {
        "slide": facts["slide_name"],
        "vendor": facts["vendor"],
        "reader": facts["reader"],
        "file": size_bytes(facts["file_bytes"]),
        "size": f"{extent(facts['width_px'], facts['height_px'])} px",
        **_scan_area(facts["scan_area"], (facts["width_px"], facts["height_px"])),
        "levels": _levels(facts["levels"]),
        "native tiles": _native_tiles(facts["levels"]),
        "resolution": resolution(facts["mpp_um"]),
        "objective": _objective(facts["objective_power"]),
        **_samples(facts["channel_names"], facts["bits"]),
        "background": _colour(facts["background_rgb"]),
        "colour profile": _profile(facts["icc_profile_bytes"]),
        **_colours(facts["colour_note"]),
        "fingerprint": facts["fingerprint"],
    }


def store_lines(facts: StoreFacts) -> Lines:
    """Return the lines of `info` about a store."""
    return {
        "store": facts["store_path"],
        "slide": facts["slide_name"] or "left out",
        "tiles": counted(facts["tiles"]),
        "unreadable": unreadable_tiles(facts),
        **_cores(facts["cores"]),
        **class_lines(facts["classes"]),
        **_replaced(facts),
        "tile size": f"{facts['tile_size_px']} px",
        **_samples(facts["channel_names"], facts["bits"]),
        **_mapping(facts),
        "codec": _codec(facts["codec"], facts["not_native"]),
        "opens in": opens_in(facts["zarr_codec"]),
        **_referred(facts),
        "tiles take": size_bytes(facts["tile_bytes"]),
        "levels": _levels(facts["levels"]),
        "resolution": resolution(facts["mpp_um"]),
        **_level_0(facts["level_0"]),
        **_tissue(facts),
        **_quality(facts["quality"], facts["channel_names"]),
        **_colours(facts["colour_note"]),
        **_color(facts["color"], facts["icc_profile_bytes"]),
    }


def _referred(facts: StoreFacts) -> Lines:
    """Return the lines about where the pixels are, if they are not in the store."""
    if facts["referred_slide_path"] is None:
        return {}
    others = facts["references_path"] or "none: its tiles do not decode from their bytes alone"
    return {"pixels are in": facts["referred_slide_path"], "for other programs": others}


def unreadable_tiles(facts: StoreFacts) -> str:
    """Return the number of unreadable tiles, and why they are unreadable."""
    number = counted(facts["unreadable"])
    why = (f"{each['reason']}: {counted(each['tiles'])}" for each in facts["unreadable_reasons"])
    return f"{number} ({', '.join(why)})" if facts["unreadable_reasons"] else number


def _replaced(facts: StoreFacts) -> Lines:
    """Return the line about blocks that were empty or damaged, if there are any."""
    blocks = (f"{counted(b['blocks'])} of level {b['level']}" for b in facts["replaced_blocks"])
    return {"damaged blocks": ", ".join(blocks)} if facts["replaced_blocks"] else {}


def plan_lines(facts: PlanFacts) -> Lines:
    """Return the lines of `plan`."""
    grid, pieces = how_many(facts["grid_tiles"], "tiles"), counted(facts["tissue_pieces"])
    area = how_large(facts["tissue_area_um2"], facts["tissue_area_px"])
    written = {"preview": facts["preview_path"], "geojson": facts["geojson_path"]}
    return {
        **_level_0(facts["level_0"]),
        "tiles": counted(facts["tiles"]),
        "grid": f"{grid} of {facts['tile_size_px']} px",
        "tissue": f"{area}, {share(facts['tissue_fraction'])} of the slide; pieces: {pieces}",
        **_found(facts["found_tissue"]),
        **_cores(facts["cores"]),
        **class_lines(facts["classes"]),
        **_left_out(facts["left_out"]),
        "codec": _codec(facts["codec"], facts["not_native"]),
        "store takes": size_bytes(facts["store_bytes"]),
        "time": duration(facts["seconds"]),
        **_room(facts),
        **{name: path for name, path in written.items() if path is not None},
    }


def _room(facts: PlanFacts) -> Lines:
    """Return the line of a disk's room; a bucket has no end."""
    if facts["free_bytes"] is None:
        return {}
    return {"disk": f"{size_bytes(facts['free_bytes'])} free, {_fits(has_room=facts['fits'])}"}


def tile_lines(facts: TileFacts) -> Lines:
    """Return the lines of `tile`."""
    memory = facts["memory"]
    lines = store_lines(facts["store"])
    if memory is None:
        return {"already done": "this slide with these settings; nothing was written", **lines}
    return {
        **lines,
        "time": duration(facts["seconds"]),
        "memory": f"{size_bytes(memory['peak_bytes'])} at most",
        "budget": f"{size_bytes(memory['budget_bytes'])}, "
        f"throttled {how_many(memory['throttled'], 'times')}",
    }


def export_lines(facts: ExportFacts) -> Lines:
    """Return the lines of `export`."""
    left_out = {f"left out: {each['what']}": counted(each["count"]) for each in facts["left_out"]}
    done = {"already done": "this store with these settings; nothing was written"}
    return {
        **(done if facts["already_done"] else {}),
        facts["kind"]: facts["output_path"],
        **{each["what"]: counted(each["count"]) for each in facts["counts"]},
        **left_out,
        "size": size_bytes(facts["output_bytes"]),
        "time": duration(facts["seconds"]),
    }


def exported_line(facts: ExportFacts) -> str:
    """Return the line of `export` about one of several stores."""
    counts = (how_many(each["count"], each["what"]) for each in facts["counts"])
    left_out = (f"left out: {how_many(e['count'], e['what'])}" for e in facts["left_out"])
    time = "already done" if facts["already_done"] else duration(facts["seconds"])
    details = ", ".join((*counts, *left_out, size_bytes(facts["output_bytes"]), time))
    return f"{facts['store_path']}: {facts['output_path']} ({details})"


def tissue_lines(facts: TissueFacts) -> Lines:
    """Return the lines of `tissue` about the slide."""
    width, height = facts["overview_width_px"], facts["overview_height_px"]
    mpp = facts["overview_mpp_um"]
    preview = facts["preview_path"]
    return {
        "slide": facts["slide_path"],
        "overview": f"{extent(width, height)} px; {resolution(mpp)}",
        **({} if preview is None else {"preview": preview}),
    }


def outcome_lines(facts: OutcomeFacts) -> Lines:
    """Return the lines of `tissue` about what one detector makes of the slide."""
    area = how_large(facts["tissue_area_um2"], facts["tissue_area_px"])
    pieces = counted(facts["tissue_pieces"])
    return {
        "detector": facts["detector"],
        "found by": facts["found_by"],
        "tissue": f"{area}, {share(facts['tissue_fraction'])} of the slide; pieces: {pieces}",
        **_found(facts["found_tissue"]),
        **_left_out(facts["left_out"]),
    }


def _tissue(facts: StoreFacts) -> Lines:
    """Return the lines about a store's tissue, where it records them."""
    if facts["tissue_pieces"] is None:
        return {}
    area = how_large(facts["tissue_area_um2"], facts["tissue_area_px"])
    return {
        "tissue": f"{area}; pieces: {counted(facts['tissue_pieces'])}",
        **_found(facts["found_tissue"]),
        **_left_out(facts["left_out"]),
    }


def _found(facts: FoundFacts | None) -> Lines:
    """Return the line about what the detector found, and what was added to it."""
    if facts is None:
        return {}
    pieces = how_many(facts["pieces"], "pieces")
    told = [f"{pieces}, {how_large(facts['area_um2'], facts['area_px'])}"]
    if facts["widened_px"]:
        margin = how_large(facts["widened_um2"], facts["widened_px"])
        told.append(f"the margin adds {margin}")
    if facts["holes"]:
        filled = how_large(facts["filled_um2"], facts["filled_px"])
        told.append(f"{how_many(facts['holes'], 'holes')} filled, {filled}")
    return {"found": "; ".join(told)}


def _cores(facts: CoresFacts | None) -> Lines:
    """Return the line about the cores of a microarray, if tiles are named by them."""
    if facts is None:
        return {}
    grid = f"{how_many(facts['rows'], 'rows')} and {how_many(facts['columns'], 'columns')}"
    found = counted(facts["cores"] - facts["missing"])
    return {"cores": f"{found} in {grid}; missing: {counted(facts['missing'])}"}


def _left_out(facts: Sequence[LeftOutFacts]) -> Lines:
    """Return the line about what filters dropped, if they dropped anything.

    What is notable has had a warning of its own, with what to do; the log has all of them.
    """
    return {"left out": "; ".join(map(_dropped, facts))} if facts else {}


def _dropped(facts: LeftOutFacts) -> str:
    what = how_many(facts["count"], facts["what"])
    large = how_large(facts["area_um2"], facts["area_px"])
    because = [facts["reason"]] if facts["reason"] not in facts["what"] else []
    because += [] if facts["option"] is None else [facts["option"]]
    told = what if large is None else f"{what}, {large}"
    return f"{told} ({', '.join(because)})" if because else told


def _scan_area(area: AreaFacts, size: tuple[int, int]) -> Lines:
    """Return the line about the scanned region, if it is not the whole slide."""
    if (area["x_px"], area["y_px"], area["width_px"], area["height_px"]) == (0, 0, *size):
        return {}
    corner = f"({area['x_px']}, {area['y_px']})"
    return {"scan area": f"{extent(area['width_px'], area['height_px'])} px at {corner}"}


def _level_0(facts: Level0Facts) -> Lines:
    """Return the line about the source of level 0, if it is not the slide's level 0."""
    if facts["slide_scale"] == [1.0, 1.0]:
        return {}
    across, down = map(number, facts["averaging_factor"])
    is_averaged = (across, down) != ("1", "1")
    how = f"{across}×{down} pixels averaged into one" if is_averaged else "unchanged"
    return {"level 0": f"level {facts['slide_level']} of the slide, {how}"}


def _samples(names: Sequence[str], bits: int) -> Lines:
    """Return the line about channels, if they are not grey or colours of 8 bits."""
    if bits == 8 and names in (["intensity"], ["red", "green", "blue"]):
        return {}
    return {"channels": f"{', '.join(names)} ({bits} bits)"}


def _mapping(facts: StoreFacts) -> Lines:
    """Return the line about how samples became 8 bits, if they did."""
    mapping = facts["mapping"]
    if mapping is None:
        return {}
    windows = (f"{low}–{high}" for low, high in mapping["windows"])
    return {"mapped": f"0–255 of {', '.join(windows)} ({mapping['bits']} bits)"}


def _quality(facts: QualityFacts, names: Sequence[str]) -> Lines:
    """Return the lines about the median quality, if any tile could be measured."""
    known = {name: value for name, value in facts["medians"].items() if value is not None}
    means = facts["channel_means"]
    if means is None and len(known) < len(facts["medians"]):
        return {}
    if means is None:
        colour = _colour([known.pop(f"mean_{name}") for name in ("red", "green", "blue")])
    else:
        pairs = zip(names, means, strict=True)
        colour = ", ".join(f"{name} {number(mean)}" for name, mean in pairs)
    sharpness = number(known.pop("laplacian_variance"))
    at = "" if facts["mpp_um"] is None else f", at {resolution(facts['mpp_um'])}"
    shares = (f"{name.removesuffix('_fraction')} {share(known[name])}" for name in known)
    return {
        "median colour": colour,
        "median shares": ", ".join(shares),
        "median sharpness": f"{sharpness} (variance of the Laplacian{at})",
        "tiles with pen": counted(facts["tiles_with_pen"]),
    }


def _levels(levels: Sequence[LevelFacts]) -> str:
    return ", ".join(
        f"{extent(level['width_px'], level['height_px'])} (1/{number(fmean(level['downsample']))})"
        for level in levels
    )


def _native_tiles(levels: Sequence[SlideLevelFacts]) -> str:
    """Return the native tiles of each level, and why level 0 has none that can be copied."""
    sizes = (level["native_tile_px"] for level in levels)
    told = ", ".join("none" if size is None else f"{extent(*size)}" for size in sizes)
    why = levels[0]["not_native"]
    return told if why is None else f"{told} ({why})"


def _codec(name: str, not_native: str | None) -> str:
    return name if not_native is None else f"{name} (not native: {not_native})"


_SERVED = "in all others by slidetile serve"

_OPENS_IN = {
    "bytes": "every Zarr v3 reader",
    "zstd": "every Zarr v3 reader that knows shards",
    "jpeg": "zarr-python with slidetile, readers of Zarr's draft codec jpeg (experimental); "
    f"{_SERVED}",
    "slidetile_reference": f"slidetile, where the slide is; {_SERVED}",
}


def opens_in(zarr_codec: str) -> str:
    """Return which readers decode the chunks of a store, by the Zarr codec they need."""
    others = f"zarr-python with slidetile or imagecodecs-zarr; {_SERVED}"
    return _OPENS_IN.get(zarr_codec, others)


def _objective(power: float | None) -> str:
    return "unknown" if power is None else f"{number(power)}×"


def _profile(length_bytes: int | None) -> str:
    return "none" if length_bytes is None else size_bytes(length_bytes)


def _colour(channels: Sequence[float]) -> str:
    return ", ".join(f"{channel:.0f}" for channel in channels)


def _colours(note: str | None) -> Lines:
    """Return the line about a slide that contradicts itself about its colours, if it does."""
    return {} if note is None else {"colours": note}


def _color(name: str | None, profile_bytes: int | None) -> Lines:
    """Return the line about the colours of a store's pixels, if they are not the slide's own."""
    if name is None:
        return {}
    if profile_bytes is None:
        return {"colour space": "sRGB, for which the slide, without a colour profile, is taken"}
    return {"colour space": f"sRGB, by the slide's profile of {size_bytes(profile_bytes)}"}


def _fits(*, has_room: bool) -> str:
    return "it fits" if has_room else "it does not fit"
