"""The settings that shaped a store: ``attributes.slidetile.parameters``."""

from dataclasses import dataclass
from typing import Annotated, Any, get_args

from slidetile.choices import Balance, CodecName, Edge, NativeCheck, NativeStream
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.codecs.draft import ColorSpace, JpegDraft
from slidetile.format.codecs.jpeg import JpegCodec
from slidetile.format.codecs.jxl import HIGHEST_EFFORT, JxlCodec
from slidetile.format.codecs.native import NativeCodec
from slidetile.format.codecs.planar import (
    HIGHEST_COMPRESSION,
    LOWEST_COMPRESSION,
    RawCodec,
    ZstdCodec,
)
from slidetile.format.codecs.reference import ReferenceCodec
from slidetile.format.metadata.part import JsonPart, Part
from slidetile.format.metadata.planes import PlaneFacts
from slidetile.format.metadata.rules import (
    Absent,
    Digest,
    Items,
    Nullable,
    Number,
    OneOf,
    Pairs,
    Text,
    Whole,
)
from slidetile.format.metadata.tissue import TissueParameters
from slidetile.raster.resolution import COARSEST_MPP, FINEST_MPP

_LARGEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftFacts(JsonPart):
    """The configuration of the drafted Zarr codec `jpeg`, which the arrays repeat."""

    quality: Annotated[int, Whole(0, 100)]
    """Quality as libjpeg counts it; of copied tiles an estimate."""

    encoded_color_space: Annotated[ColorSpace | None, Absent(OneOf(*get_args(ColorSpace)))] = None
    """What three components are; None for grey."""

    subsampling: Annotated[tuple[tuple[int, int], ...], Items(Items(Whole(1, 4), 2, 2), 1, 3)]
    """Of each component its sampling factors, (horizontal, vertical)."""

    def check(self) -> None:
        """Check that the draft allows it."""
        _ = self.draft

    @property
    def draft(self) -> JpegDraft:
        """The configuration."""
        return JpegDraft(
            quality=self.quality,
            encoded_color_space=self.encoded_color_space,
            subsampling=self.subsampling,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecParameters(JsonPart):
    """The parameters that shape a codec's bytes; each codec has its own."""

    compression_level: Annotated[
        int | None, Absent(Whole(LOWEST_COMPRESSION, HIGHEST_COMPRESSION)), "level"
    ] = None
    """Effort of Zstandard, for zstd only."""

    quality: Annotated[int | None, Absent(Whole(1, 100))] = None
    """Quality as libjpeg counts it, for jpeg only."""

    effort: Annotated[int | None, Absent(Whole(1, HIGHEST_EFFORT))] = None
    """Effort of libjxl, for jxl only."""

    check_by: Annotated[NativeCheck | None, Absent(OneOf("decode")), "check"] = None
    """How tiles were checked, for native only; None for the scan of their markers."""

    stream: Annotated[NativeStream | None, Absent(OneOf("jpeg2000", "webp"))] = None
    """How tiles are encoded, for native only; None for JPEG."""

    drafted: Annotated[DraftFacts | None, Absent(Part(DraftFacts)), "draft"] = None
    """What the drafted Zarr codec `jpeg` is told, where arrays name it; None elsewhere."""

    def codec(self, name: CodecName) -> ChunkCodec:
        """Return the codec of that name with these parameters.

        Raises
        ------
        ValueError
            The codec has other parameters. The message begins with the key.
        """
        there = self.to_node()
        wanted = {"zstd": {"level"}, "jxl": {"effort"}, "jpeg": {"quality"}}.get(name, set())
        for key in sorted(wanted - there.keys()):
            raise ValueError(f"{key} is missing, but the codec {name} has it")
        allowed = {*wanted, *_OPTIONAL.get(name, ())}
        for key in sorted(there.keys() - allowed):
            raise ValueError(
                f"{key} is {there[key]}, but the codec {name} does not have this parameter"
            )
        draft = None if self.drafted is None else self.drafted.draft
        if self.compression_level is not None:
            return ZstdCodec(compression_level=self.compression_level)
        if self.effort is not None:
            return JxlCodec(effort=self.effort)
        if self.quality is not None:
            return JpegCodec(quality=self.quality, draft=draft)
        if name != "native":
            return ReferenceCodec() if name == "reference" else RawCodec()
        return NativeCodec(
            check_by=self.check_by or "scan", stream=self.stream or "jpeg", draft=draft
        )


_OPTIONAL: dict[CodecName, set[str]] = {"native": {"check", "stream", "draft"}, "jpeg": {"draft"}}
"""The parameters of codecs that may be absent."""


_OF_TILES = (
    *("min_tissue_fraction", "edge", "max_tiles", "sample", "seed", "balance"),
    "min_class_fractions",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters(JsonPart):
    """All settings that shape the content of a store; no reader needs them."""

    mpp: Annotated[float | None, Nullable(Number(FINEST_MPP, COARSEST_MPP))]
    """Micrometres per pixel asked for; None for the slide's own."""

    planes: Annotated[PlaneFacts | None, Absent(Part(PlaneFacts))] = None
    """Which of the slide's channels, depths and times were asked for; None where none were."""

    window: Annotated[str | None, Absent(Text(1, 100))] = None
    """The window that became 0–255, as it was asked for; None where samples were not mapped."""

    codec: Annotated[CodecParameters, Part(CodecParameters)]
    """The parameters that shape the codec's bytes."""

    min_tissue_fraction: Annotated[float, Number(0, 1)]
    """The least share of a tile that is tissue."""

    edge: Annotated[Edge, OneOf(*get_args(Edge))]
    """The treatment of tiles that reach over the right or bottom edge; see `Edge`."""

    max_tiles: Annotated[int | None, Nullable(Whole(1, _LARGEST))]
    """How many tiles with the most tissue are kept at most; None for all."""

    sample: Annotated[int | None, Nullable(Whole(1, _LARGEST))]
    """How many tiles are drawn at most; None for all."""

    seed: Annotated[int, Whole(0, _LARGEST)]
    """Which sample is drawn; 0 without one."""

    balance: Annotated[Balance | None, Absent(OneOf(*get_args(Balance)))] = None
    """What the sample has as many tiles of each of; None for nothing."""

    min_class_fractions: Annotated[
        tuple[tuple[str, float], ...] | None,
        Absent(Items(Pairs(Text(1, 200), Number(0, 1)), 1, 256)),
    ] = None
    """The classes of which tiles hold at least a share; None where none were asked for."""

    tissue: Annotated[TissueParameters, Part(TissueParameters)]
    """How the tissue mask was made."""

    plan_sha256: Annotated[str, Digest()]
    """Digest of the tiles and the tissue; see docs/reference/store-format.md."""

    def check(self) -> None:
        """Make sure that tiles are chosen in one way."""
        if self.sample is not None and self.max_tiles is not None:
            raise ValueError(f"sample is {self.sample}, but it must be null beside max_tiles")
        if self.seed and self.sample is None:
            raise ValueError(f"seed is {self.seed}, but it must be 0 without a sample")

    @property
    def tiles(self) -> dict[str, Any]:
        """How tiles were chosen, by the names that `TileSpec` has for it."""
        return {name: getattr(self, name) for name in _OF_TILES}
