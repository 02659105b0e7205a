"""Windows as shards of WebDataset: tar files of images, each with its facts as JSON beside it.

Knows the choices, and which windows they are. Does not know tar.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from slidetile.choices import JPEG_QUALITY, ColorName, Existing, check_color
from slidetile.export.window_choice import ImageName, WindowChoice

if TYPE_CHECKING:  # the command line asks for the choices alone
    from slidetile.cloud.address import Location
    from slidetile.export.exported import Exported
    from slidetile.store.store import TileStore
    from slidetile.writing.options import OnProgress

SHARD_BYTES = 256 << 20
"""Bytes of a shard at most; one window alone may have more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebdatasetExport(WindowChoice):
    """Windows as shards of WebDataset.

    Raises
    ------
    ValueError
        A choice is unknown or out of its range.
    """

    image: ImageName = "jpeg"
    """How windows are encoded: "jpeg", "png" without loss, or "npy", numpy's own file of any
    channels. With "jpeg", a window that is one JPEG chunk of the store is copied, undecoded."""

    jpeg_quality: int | None = None
    """Quality of those that are encoded, 1–100; None is 90."""

    color: ColorName | None = None
    """"srgb" converts windows by the slide's colour profile, for which none is copied."""

    shard_bytes: int = SHARD_BYTES
    """Bytes of a shard at most; one window alone may have more."""

    existing: Existing = "continue"
    """What to do with shards that are there: "continue" goes on where a run of the same settings
    stopped, "restart" deletes what an unfinished run wrote, and "overwrite" also replaces finished
    shards, once all new ones are written."""

    def __post_init__(self) -> None:
        self.check()
        check_color(self.color)
        if self.image not in get_args(ImageName):
            raise ValueError(f"image must be one of {get_args(ImageName)}, not {self.image!r}.")
        if self.existing not in get_args(Existing):
            raise ValueError(
                f"existing must be one of {get_args(Existing)}, not {self.existing!r}."
            )
        if not 1 <= self.quality <= 100:
            raise ValueError(f"A JPEG quality is 1–100, but this one is {self.quality}.")
        if self.jpeg_quality is not None and self.image != "jpeg":
            raise ValueError(f"jpeg_quality {self.jpeg_quality} is of jpeg, not of {self.image}.")
        if self.shard_bytes < 1:
            raise ValueError(f"shard_bytes must be at least 1, but it is {self.shard_bytes}.")

    @property
    def quality(self) -> int:
        """Quality of encoded JPEGs."""
        return JPEG_QUALITY if self.jpeg_quality is None else self.jpeg_quality


def write(
    store: "TileStore",
    place: "Location",
    spec: WebdatasetExport,
    *,
    on_progress: "OnProgress | None" = None,
    workers: int | None = None,
) -> "Exported":
    """Write the shards into a folder; an interrupted run is continued."""
    from slidetile.export.exported import Exported
    from slidetile.export.left_out import left_out
    from slidetile.export.placed_windows import place_windows
    from slidetile.export.provenance import provenance, settings_of, store_name
    from slidetile.export.samples import Samples
    from slidetile.export.shards import ShardFolder, shard_stem
    from slidetile.export.unfinished import local_place

    path = local_place(place, "webdataset")
    folder = ShardFolder(
        path=path,
        stem=shard_stem(store_name(store)),
        provenance=provenance(store, "webdataset", settings_of(spec)),
        most_bytes=spec.shard_bytes,
        check_store=store.check,
    )
    folder.check()
    placed = place_windows(store, spec, color=spec.color, of_squares=False)
    samples = Samples.of(store, placed, image=spec.image, quality=spec.quality, color=spec.color)
    done = folder.finished(samples, spec.existing)
    shards = done
    if shards is None:
        shards = folder.write(samples, spec.existing, on_progress=on_progress, workers=workers)
    return Exported(
        path=path,
        kind="webdataset",
        size_bytes=sum(shard.size_bytes for shard in shards),
        counts={
            "windows": len(placed.windows),
            "copied windows": sum(shard.copied for shard in shards),
            "shards": len(shards),
        },
        left_out=left_out(placed.windows),
        already_done=done is not None,
    )
