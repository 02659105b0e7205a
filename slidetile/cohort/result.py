"""What became of the slides of a batch.

Knows outcomes. Does not know how they come about, nor how they are kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Status = Literal["ok", "unreadable tiles", "already done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlideResult:
    """What became of one slide of a batch; one row of its tables.

    Raises
    ------
    ValueError
        ``status`` is unknown.
    """

    key: str
    """What the slide is called in the output folder; its store is ``KEY.zarr``."""

    slide: str
    """Path of the slide, as given."""

    status: Status
    """How the slide ended."""

    store: str | None = None
    """Path of the store; None where there is none."""

    error_type: str | None = None
    """Class of the error, such as "UnsupportedSlideError"; None where the slide did not fail."""

    reason: str | None = None
    """Why the slide failed, in one line; None where it did not."""

    note: str | None = None
    """What to know of a slide that did not fail, such as why it has no tiles, in one line; None
    where there is nothing."""

    warnings: tuple[str, ...] = ()
    """What was warned of while the slide was tiled, each in one line; at most 20."""

    codec: str | None = None
    """Codec of the stored pixels."""

    not_native: str | None = None
    """Why the codec "auto" was not native, in one short phrase; None where it was, or another codec
    was asked for."""

    mpp: float | None = None
    """Micrometres per pixel of the store's level 0, along x; None where unknown."""

    mpp_source: str | None = None
    """Where the slide's mpp is from: "slide", "manifest" or "option"; None where it is unknown."""

    tiles: int = 0
    """Tiles in the store."""

    unreadable: int = 0
    """Tiles whose pixels could not be read."""

    tile_bytes: int = 0
    """Size of the tiles' chunks at level 0, each counted once, in bytes."""

    tissue_pieces: int | None = None
    """Connected pieces of tissue; None where the slide failed."""

    tissue_area_mm2: float | None = None
    """How much tissue there is, in mm²; None where the slide failed, or its mpp is unknown."""

    slide_area_mm2: float | None = None
    """How large the slide is, glass included, in mm²; None as for tissue."""

    left_out: str | None = None
    """What no tile holds, and which option keeps it, in one line; None where nothing was left
    out. Of a store that was there before it is what the store records."""

    seconds: float = 0.0
    """Time that the slide took, in seconds: its last attempt's."""

    peak_memory_bytes: int | None = None
    """Most resident memory of its process meanwhile, in bytes; None where it was tiled in the
    calling process, or is unknown."""

    attempts: int = 1
    """How often the slide was tried in this run."""

    may_pass: bool = False
    """Whether what failed may succeed when it is tried again: a disk that did not answer, a process
    that was killed."""

    may_hold_for_all: bool = False
    """Whether what failed may fail for other slides, too: a server that was not reached, or did not
    let it in."""

    settings: str | None = None
    """A number of the settings that the store was made with; None where it failed, or where only an
    opened slide tells whether they are the same."""

    root: str | None = None
    """A checksum of the store's root metadata; None where it failed."""

    log: str | None = None
    """Path of the slide's log, below the output folder; None where nothing needed one."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """The manifest's other columns, which are carried through."""

    def __post_init__(self) -> None:
        if self.status not in get_args(Status):
            raise ValueError(f"status must be one of {get_args(Status)}, not {self.status!r}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """What became of all slides of a batch, in the order given."""

    results: tuple[SlideResult, ...]
    """One result for each slide."""

    @property
    def failed(self) -> tuple[SlideResult, ...]:
        """The slides without a store."""
        return tuple(result for result in self.results if result.status == "failed")

    @property
    def incomplete(self) -> tuple[SlideResult, ...]:
        """The slides with tiles that could not be read."""
        return tuple(result for result in self.results if result.unreadable)
