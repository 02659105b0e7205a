"""All metadata in a store's root ``zarr.json``: of the slide, the settings and the pyramid."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self, get_args

import numpy as np

from slidetile.choices import CodecName
from slidetile.errors import StoreError
from slidetile.format.codecs.codec import ChunkCodec
from slidetile.format.codecs.named import has_own_levels, holds
from slidetile.format.metadata.array import DataType
from slidetile.format.metadata.color import ColorFacts
from slidetile.format.metadata.cores import CoreGridFacts
from slidetile.format.metadata.damage import DamageFacts
from slidetile.format.metadata.group import group, group_attributes
from slidetile.format.metadata.image import ImageMetadata, Pair, check_drawn
from slidetile.format.metadata.labels import LabelFacts
from slidetile.format.metadata.level_0 import Level0
from slidetile.format.metadata.mapping import MappingFacts
from slidetile.format.metadata.node import JsonNode, parse_json, shown, to_json
from slidetile.format.metadata.parameters import Parameters
from slidetile.format.metadata.part import JsonPart, Part
from slidetile.format.metadata.quality import QualityFacts
from slidetile.format.metadata.recoded import RecodedFacts
from slidetile.format.metadata.reference import ReferenceFacts
from slidetile.format.metadata.rules import Absent, Base64, Items, OneOf, Text, Whole
from slidetile.format.metadata.selection import SelectionFacts
from slidetile.format.metadata.source import SourceFacts
from slidetile.format.reason import MOST_CHARACTERS
from slidetile.raster.channels import Channel, are_plain, plain_channels
from slidetile.raster.pixels import sample_of
from slidetile.raster.srgb import unlike_rgb

FormatVersion = Literal[1, 2]
"""The versions that are read: in the first the tissue was no label."""

FORMAT_VERSION: FormatVersion = 2
"""That which is written."""

SLIDE_ID_DIGITS = 16
"""Hexadecimal digits of a fingerprint that tell a slide from all others of a cohort."""

OWN_LEVELS, HALVED = "the scanner's own levels", "mean of 2×2"
"""How the coarser levels were made, for people."""


def fill_value(background: Sequence[int], bits: int = 8) -> int:
    """Return what an absent pixel reads as, where a slide has this background.

    White or black, whichever is nearer: a Zarr array has one value for all channels.
    """
    return sample_of(255 if sum(background) >= 3 * 128 else 0, bits)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreMetadata(JsonPart):
    """The record of a finished store; docs/reference/store-format.md explains each key."""

    name: str
    """The image's name, shown by viewers."""

    channels: int
    """Channels of every pixel."""

    downsamples: tuple[Pair, ...]
    """Level-0 pixels per pixel of each level, as (x, y), finest first."""

    drawn: tuple[Channel, ...] = ()
    """How viewers draw each channel, with its window; empty for grey and colour of 8 bits."""

    format_version: Annotated[FormatVersion, OneOf(*get_args(FormatVersion))] = FORMAT_VERSION
    """Version of the store's format."""

    complete: Annotated[Literal[True], OneOf(True)] = True
    """A store without root metadata is not finished, so this is always true."""

    tile_size: Annotated[int, Whole(16, 8192, 16)]
    """Width and height of a tile, in level-0 pixels."""

    tile_count: Annotated[int, Whole(0, (1 << 31) - 1)]
    """Rows of the tile table."""

    codec: Annotated[CodecName, OneOf("native", "zstd", "jxl", "jpeg", "raw", "reference")]
    """How chunks are stored, at every level; see `chunk_codec`."""

    not_native: Annotated[str | None, Absent(Text(1, MOST_CHARACTERS))] = None
    """Why the codec is not native, where "auto" chose it; None where it was asked for by name."""

    background: Annotated[tuple[int, int, int], Items(Whole(0, 255), 3, 3)]
    """The colour of what lies outside the slide, as (red, green, blue)."""

    more_bits: Annotated[int | None, Absent(Whole(9, 16)), "bits"] = None
    """Bits of a sample, where these are more than 8."""

    mapping: Annotated[MappingFacts | None, Absent(Part(MappingFacts))] = None
    """How the slide's samples were mapped onto 8 bits; None where they are the slide's own."""

    source: Annotated[SourceFacts, Part(SourceFacts)]
    """The slide."""

    level_0: Annotated[Level0, Part(Level0)]
    """How the store's level 0 follows from the slide's levels."""

    parameters: Annotated[Parameters, Part(Parameters)]
    """The settings that shaped the content."""

    selection: Annotated[SelectionFacts | None, Absent(Part(SelectionFacts))] = None
    """How much tissue there is, and what filters dropped; None in stores of before it was told."""

    quality: Annotated[QualityFacts, Part(QualityFacts)]
    """How the tile table's quality columns were measured."""

    icc_profile: Annotated[bytes | None, Absent(Base64())] = None
    """The slide's colour profile, which is not applied to the pixels; None where it has none, or
    where it was applied."""

    icc_profile_left_out: Annotated[int | None, Absent(Whole(1, (1 << 63) - 1))] = None
    """Bytes of a colour profile that is too long to be stored; None where it was not."""

    color: Annotated[ColorFacts | None, Absent(Part(ColorFacts))] = None
    """How the pixels became sRGB; None where their colours are the slide's own."""

    damage: Annotated[DamageFacts | None, Absent(Part(DamageFacts))] = None
    """What of the slide was damaged; None where nothing was."""

    cores: Annotated[CoreGridFacts | None, Absent(Part(CoreGridFacts))] = None
    """The cores of a microarray that tiles are named by; None where they are not."""

    labels: Annotated[LabelFacts | None, Absent(Part(LabelFacts))] = None
    """The classes that tiles belong to; None where there are none."""

    reference: Annotated[ReferenceFacts | None, Absent(Part(ReferenceFacts))] = None
    """Where the slide lies, for the codec reference only."""

    recoded: Annotated[RecodedFacts | None, Absent(Part(RecodedFacts))] = None
    """The store of another codec that the pixels were taken from; None where they are the slide's
    own."""

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Return the metadata in the root ``zarr.json`` of a store.

        Raises
        ------
        StoreError
            It is not a slidetile store's, has another format version, or is not what slidetile
            writes. The message names the key.
        """
        root = parse_json(data)
        _check_version(root)
        attributes = group_attributes(root, "ome", "slidetile")
        ours = attributes["slidetile"]
        values = cls.values_in(ours)
        codec, level_0 = values["codec"], values["level_0"]
        image = ImageMetadata.from_node(
            attributes["ome"],
            kind=_kind(codec),
            mpp=level_0.mpp,
            bits=values.get("more_bits") or 8,
        )
        if codec in ("native", "jpeg") and image.bits == 8 and image.channels in (1, 3):
            attributes["ome"].expect(replace(image, drawn=()).to_node())
        downsamples = _downsamples(codec, image.downsamples)
        if image.downsamples != downsamples:
            attributes["ome"].expect(replace(image, downsamples=downsamples).to_node())
        values |= {"name": image.name, "channels": image.channels, "downsamples": downsamples}
        return cls.born(ours, values | {"drawn": image.drawn})

    def to_json(self) -> bytes:
        """Return the root's ``zarr.json``."""
        return to_json(group({"ome": self.image.to_node(), "slidetile": self.attributes}))

    def without_names(self) -> Self:
        """Return it as an anonymous store records it."""
        labels = None if self.labels is None else replace(self.labels, name=None)
        source = replace(self.source, name=None, vendor=None)
        return replace(self, name="slide", source=source, labels=labels)

    @property
    def attributes(self) -> dict[str, Any]:
        """``attributes.slidetile``, for the caller to keep."""
        return self.to_node()

    @property
    def image(self) -> ImageMetadata:
        """The description of the pyramid for viewers."""
        return ImageMetadata(
            name=self.name,
            kind=_kind(self.codec),
            channels=self.channels,
            mpp=self.mpp,
            downsamples=self.downsamples,
            bits=self.bits,
            drawn=self.drawn,
        )

    @property
    def chunk_codec(self) -> ChunkCodec:
        """How chunks are stored, at every level."""
        return self.parameters.codec.codec(self.codec)

    @property
    def has_labels(self) -> bool:
        """Whether the tissue is a label of the image, and not an image itself."""
        return self.format_version >= 2

    @property
    def slide_id(self) -> str | None:
        """What the table's column ``slide`` says of all tiles; None in stores without it.

        The name of the slide's file without its suffix; in an anonymous store the beginning of the
        slide's fingerprint.
        """
        if self.format_version < 2:
            return None
        return self.source.fingerprint[:SLIDE_ID_DIGITS] if self.source.is_anonymous else self.name

    @property
    def bits(self) -> int:
        """Bits of a sample."""
        return self.more_bits or 8

    @property
    def data_type(self) -> DataType:
        """Type of the samples of all levels."""
        return "uint8" if self.bits == 8 else "uint16"

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the samples of all levels."""
        return np.dtype(self.data_type)

    @property
    def channel_info(self) -> tuple[Channel, ...]:
        """What each channel shows."""
        return self.drawn or plain_channels(self.channels)

    @property
    def fill(self) -> int:
        """Value of pixels that are not stored: 0 in fluorescence, the largest in brightfield."""
        return fill_value(self.background, self.bits)

    @property
    def mpp(self) -> Pair | None:
        """Micrometres per pixel of level 0, as (x, y), or None where unknown."""
        return self.level_0.mpp

    def check(self) -> None:
        """Check that codec, levels and their numbers agree."""
        try:
            self.parameters.codec.codec(self.codec)
        except ValueError as error:
            raise ValueError(f"parameters.codec.{error}") from error
        if self.codec == "native" and self.not_native is not None:
            raise ValueError("not_native is there, but it must be absent where codec is 'native'")
        self._check_colours()
        known = len(self.source.level_downsamples)
        if self.level_0.slide_level >= known:
            what = f"level_0.slide_level is {self.level_0.slide_level}"
            raise ValueError(f"{what}, but the slide's {known} levels count from 0")
        known = len(self.image.downsamples)  # which checks the image, too
        if self.quality.level >= known:
            what = f"quality.level is {self.quality.level}"
            raise ValueError(f"{what}, but the store's {known} levels count from 0")
        if self.downsamples != _downsamples(self.codec, self.downsamples):
            raise ValueError(f"codec is {self.codec}, but the downsamples are {self.downsamples}")
        if self.codec == "native" and self.level_0.is_averaged:
            raise ValueError("codec is 'native', but it must be another where level 0 is averaged")
        self._check_samples()
        self._check_reference()

    def _check_reference(self) -> None:
        """Check that a store without pixels says where they are, and that they are the slide's."""
        if (self.reference is not None) != (self.codec == "reference"):
            raise ValueError("reference and the codec 'reference' must be there together")
        if self.reference is None:
            return
        changed = {
            "parameters.mpp": self.parameters.mpp is not None,
            "mapping": self.mapping is not None,
            "color": self.color is not None,
            "not_native": self.not_native is not None,
        }
        for key in (key for key, is_there in changed.items() if is_there):
            raise ValueError(f"{key} is there, but a reference store has the slide's own pixels")
        if self.source.is_anonymous:
            raise ValueError("source.name is missing, but a reference store leads to the slide")

    def _check_samples(self) -> None:
        """Check that codec and mapping go with the number of channels and bits."""
        check_drawn(self.channels, self.bits, self.drawn)
        what = f"{self.channels} channels of {self.bits} bits"
        is_colour_only = self.codec in ("native", "jpeg") and not self.is_plain
        if is_colour_only or not holds(self.codec, channels=self.channels, bits=self.bits):
            raise ValueError(f"codec is {self.codec!r}, but it does not hold {what}")
        if (self.mapping is None) != (self.parameters.window is None):
            raise ValueError("mapping and parameters.window must be there together, or not at all")
        if self.mapping is not None and (self.bits, self.channels) != (8, self.mapping.channels):
            raise ValueError(f"mapping is of {self.mapping.channels} channels, not of {what}")

    @property
    def is_plain(self) -> bool:
        """Whether channels are grey, or red, green and blue, so that pixels are what is seen."""
        return are_plain(self.channel_info)

    def _check_colours(self) -> None:
        """Check that pixels have one profile at most, and were decoded where it was applied."""
        of_pixels, left_out = self.icc_profile is not None, self.icc_profile_left_out is not None
        if of_pixels and left_out:
            raise ValueError("icc_profile_left_out is there, but it must be absent as icc_profile")
        if self.color is None:
            return
        if of_pixels or left_out:
            raise ValueError("color is there, but it must be absent where pixels have a profile")
        if self.codec == "native" and self.color.profile is not None:
            raise ValueError("codec is 'native', but it must be another where color has a profile")
        is_mapped = self.mapping is not None
        unlike = unlike_rgb(self.channel_info, self.bits, is_mapped=is_mapped)
        if unlike is not None:
            raise ValueError(f"color is there, but it must be absent with {unlike}")


def _check_version(root: JsonNode) -> None:
    """Check that these are the metadata of a store that can be read."""
    attributes = root.value.get("attributes")
    ours = attributes.get("slidetile") if isinstance(attributes, dict) else None
    if not isinstance(ours, dict):
        raise StoreError("it is not a slidetile store: attributes.slidetile is missing")
    version = ours.get("format_version", FORMAT_VERSION)
    if not OneOf(*get_args(FormatVersion)).allows(version):
        raise StoreError(
            f"attributes.slidetile.format_version is {shown(version)}, but this slidetile reads "
            f"versions 1 and {FORMAT_VERSION}: install the version that wrote the store"
        )


def _kind(codec: CodecName) -> str:
    return OWN_LEVELS if has_own_levels(codec) else HALVED


def _downsamples(codec: CodecName, found: tuple[Pair, ...]) -> tuple[Pair, ...]:
    """Return the downsamples of that many levels: the slide's own, or halvings."""
    if has_own_levels(codec):
        return (1.0, 1.0), *found[1:]
    return tuple((float(1 << level), float(1 << level)) for level in range(len(found)))
