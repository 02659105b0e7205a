"""The coordinates that hs2p reads, and so slide2vec: arrays, and a description beside them.

Knows hs2p's names for things. Does not know how windows are chosen.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slidetile.export.window_choice import WindowChoice

if TYPE_CHECKING:  # the command line asks for the choices alone
    from slidetile.cloud.address import Location
    from slidetile.export.exported import Exported
    from slidetile.export.placed_windows import PlacedWindows
    from slidetile.store.store import TileStore
    from slidetile.writing.options import OnProgress

ARRAYS_END, FACTS_END = ".coordinates.npz", ".coordinates.meta.json"
"""How the names of the two files end; they begin with the slide's."""

_OURS = "slidetile.npy"
"""The array by which our files are known; hs2p does not look at it."""

_UNUSED: Mapping[str, Mapping[str, Any]] = {
    "segmentation": {
        "tissue_method": "hsv",
        "requested_seg_downsample": 64,
        "seg_downsample": 64,
        "seg_level": 0,
        "seg_spacing_um": 0.0,
        "sthresh": 8,
        "sthresh_up": 255,
        "mthresh": 7,
        "close": 4,
        "sam2_checkpoint_path": None,
        "sam2_config_path": None,
        "mask_path": None,
        "ref_tile_size_px": 16,
        "tissue_mask_tissue_value": None,
        "mask_level": None,
        "mask_spacing_um": None,
    },
    "filtering": {
        "a_t": 4,
        "a_h": 2,
        "filter_white": False,
        "filter_black": False,
        "white_threshold": 220,
        "black_threshold": 25,
        "fraction_threshold": 0.9,
        "filter_grayspace": False,
        "grayspace_saturation_threshold": 0.05,
        "grayspace_fraction_threshold": 0.6,
        "filter_blur": False,
        "blur_threshold": 50.0,
        "qc_spacing_um": 2.0,
    },
    "artifact": {
        "coordinate_space": "level0_px",
        "tile_order": "x_then_y",
        "annotation": None,
        "selection_strategy": "merged_default_tiling",
        "output_mode": "single_output",
    },
}
"""What hs2p would have found tissue with, had it done so. It asks for every key, and takes
coordinates for its own only where these are its settings: they are its defaults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hs2pExport(WindowChoice):
    """Coordinates for hs2p: ``SLIDE.coordinates.npz``, and ``SLIDE.coordinates.meta.json`` beside.

    Raises
    ------
    ValueError
        A choice is unknown or out of its range.
    """

    image_path: str | None = None
    """Where hs2p finds the slide; None is its file name alone."""

    backend: str = "openslide"
    """What hs2p reads the slide with."""


def write(
    store: "TileStore",
    place: "Location",
    spec: Hs2pExport,
    *,
    on_progress: "OnProgress | None" = None,  # noqa: ARG001  no pixel is read
    workers: int | None = None,  # noqa: ARG001
) -> "Exported":
    """Write both files; those that slidetile has written are replaced."""
    from slidetile.choices import UnfitChoiceError
    from slidetile.export.exported import Exported
    from slidetile.export.left_out import left_out
    from slidetile.export.own_file import check_own, write_own
    from slidetile.export.placed_windows import place_windows
    from slidetile.export.provenance import provenance, provenance_line, settings_of
    from slidetile.store.output_file import OutputKind

    if not place.name.endswith(ARRAYS_END) or place.name == ARRAYS_END:
        raise UnfitChoiceError(
            f"hs2p finds coordinates by the slide's name: call the output SLIDE{ARRAYS_END}, not "
            f"{place.name}."
        )
    name = place.name.removesuffix(ARRAYS_END)
    beside = place.parent / f"{name}{FACTS_END}"
    arrays, text = (
        OutputKind(name="an .npz file of coordinates", begins=b"PK\x03\x04"),
        OutputKind(name="a description of coordinates", begins=b"{"),
    )
    check_own(place, arrays, _is_ours)
    check_own(beside, text, _is_a_description)
    placed = place_windows(store, spec)
    line = provenance_line(provenance(store, "hs2p", settings_of(spec)))
    facts = description(placed, spec, name)
    size = write_own(place, [packed(placed, line)], arrays, _is_ours)
    size += write_own(beside, [_text(facts)], text, _is_a_description)
    return Exported(
        path=place,
        kind="hs2p",
        size_bytes=size,
        counts={"windows": len(placed.windows)},
        left_out=left_out(placed.windows),
    )


def description(placed: "PlacedWindows", spec: Hs2pExport, name: str) -> dict[str, Any]:
    """Return what hs2p wants to know of coordinates; it refuses those that lack a key.

    Raises
    ------
    MissingResolutionError
        The slide's mpp is unknown.
    """
    from slidetile.errors import MissingResolutionError

    if placed.slide_mpp is None or placed.mpp is None:
        raise MissingResolutionError(
            "The store does not know how many µm the slide's pixels have, and hs2p reads slides by "
            "their mpp: tile the slide again and say what it is (--slide-mpp)."
        )
    level, own = placed.level, placed.slide_mpp[0]
    return {
        "provenance": {
            "sample_id": name,
            "image_path": spec.image_path or placed.slide_name or name,
            "mask_path": None,
            "backend": spec.backend,
            "requested_backend": spec.backend,
            "spacing_at_level_0": None,
            "mask_backend": None,
            "requested_mask_backend": None,
        },
        "slide": {
            "dimensions": list(placed.slide_size),
            "base_spacing_um": own,
            "level_downsamples": list(placed.level_downsamples),
        },
        "tiling": {
            "requested_tile_size_px": placed.size,
            "requested_spacing_um": placed.mpp,
            "read_level": level.number,
            "read_tile_size_px": level.window_px,
            "read_spacing_um": own * level.downsample,
            "tile_size_lv0": placed.extent_px,
            "tolerance": 0.05,
            "step_px_lv0": round(placed.stride * placed.downsample),
            "overlap": 1 - placed.stride / placed.size,
            "min_tissue_fraction": placed.windows.spec.min_tissue_fraction,
            "is_within_tolerance": level.window_px == placed.size,
            "n_tiles": len(placed.windows),
        },
        **{part: dict(values) for part, values in _UNUSED.items()},
    }


def packed(placed: "PlacedWindows", line: str) -> bytes:
    """Return the arrays as an .npz file, in hs2p's order: by x, then by y."""
    import io

    import numpy as np

    x, y = placed.coordinates.T
    order = np.lexsort((y, x))
    memory = io.BytesIO()
    np.savez_compressed(
        memory,
        tile_index=np.arange(len(order), dtype=np.int32),
        x=x[order],
        y=y[order],
        tissue_fractions=placed.windows.tissue_fractions[order],
        slidetile=np.array(line),
    )
    return memory.getvalue()


def _text(facts: Mapping[str, Any]) -> bytes:
    return (json.dumps(facts, indent=2, sort_keys=True) + "\n").encode()


def _is_ours(data: bytes) -> bool:
    import io
    import zipfile

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            return _OURS in file.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError):  # it is damaged, or another's
        return False


def _is_a_description(data: bytes) -> bool:
    """Return whether a file is one of hs2p's kind: the arrays beside it tell that it is ours."""
    try:
        facts = json.loads(data)
    except (ValueError, RecursionError):  # as json documents
        return False
    return isinstance(facts, dict) and {"provenance", "tiling", *_UNUSED} <= facts.keys()
