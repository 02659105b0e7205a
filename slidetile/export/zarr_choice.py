"""The choices of a store that is written anew with another codec.

Knows choices. Does not know how stores are written.
"""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, get_args

from slidetile.choices import (
    CODEC,
    JPEG_NAME,
    NATIVE_CHECK,
    CodecName,
    Existing,
    JpegName,
    NativeCheck,
)

if TYPE_CHECKING:  # the command line asks for the choices alone
    from slidetile.format.codecs.codec import ChunkCodec
    from slidetile.writing.options import WriteOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ZarrExport:
    """The same tiles as a store of another codec, which holds its pixels.

    Raises
    ------
    ValueError
        A choice is unknown or out of its range.
    """

    codec: CodecName = CODEC
    """How pixels are stored, as `write_tiles` has it, but not "reference"; where the store holds
    its pixels, "zstd", "jxl", "jpeg" or "raw"."""

    jpeg_quality: int | None = None
    """Quality of the codec jpeg, 1–100; None is its default."""

    effort: int | None = None
    """Effort of the codec jxl, 1–9; None is its default."""

    check: NativeCheck = NATIVE_CHECK
    """How tiles that are copied from the slide of a reference store are checked."""

    existing: Existing = "continue"
    """What to do with an existing store, as in `WriteOptions`."""

    anonymous: bool = False
    """Leave the slide's file name and its vendor's free text out of the store."""

    codec_name: JpegName = JPEG_NAME
    """What the store calls the Zarr codec of JPEG chunks, as in `WriteOptions`."""

    durable: bool = False
    """Sync all files before the store gets its name."""

    memory_bytes: int | None = None
    """The most memory to use at once; None is what is available."""

    def __post_init__(self) -> None:
        names = [name for name in get_args(CodecName) if name != "reference"]
        if self.codec not in names:
            raise ValueError(f"The codec must be one of {', '.join(names)}, not {self.codec!r}.")
        _ = self.chunk_codec, self.options

    @property
    def options(self) -> "WriteOptions":
        """How the store is written."""
        from slidetile.writing.options import WriteOptions

        names = {field.name for field in fields(WriteOptions)} & {
            field.name for field in fields(self)
        }
        return WriteOptions(**{name: getattr(self, name) for name in names})

    @property
    def chunk_codec(self) -> "CodecName | ChunkCodec":
        """The codec's name, or the codec where a choice of its own is given."""
        if self.jpeg_quality is not None:
            from slidetile.format.codecs.jpeg import JpegCodec

            self._needs("jpeg", "jpeg_quality", self.jpeg_quality)
            return JpegCodec(quality=self.jpeg_quality)
        if self.effort is not None:
            from slidetile.format.codecs.jxl import JxlCodec

            self._needs("jxl", "effort", self.effort)
            return JxlCodec(effort=self.effort)
        return self.codec

    def _needs(self, codec: str, name: str, value: int) -> None:
        if self.codec != codec:
            raise ValueError(
                f"{name} {value} is of the codec {codec}, not of {self.codec}: choose that codec, "
                f"or leave the {name} out."
            )
