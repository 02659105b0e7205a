"""OME-Zarr 0.5 labels: images of numbers, each of which stands for a thing in another image."""

from dataclasses import dataclass

from slidetile.format.metadata.group import group
from slidetile.format.metadata.image import Pair, dataset
from slidetile.format.metadata.node import to_json

COLOURS = (
    (0, 0, 0, 0),
    (0, 158, 115, 255),
    (230, 159, 0, 255),
    (86, 180, 233, 255),
    (204, 121, 167, 255),
    (213, 94, 0, 255),
    (0, 114, 178, 255),
    (240, 228, 66, 255),
)
"""How viewers draw the first labels, as red, green, blue and opacity: glass not at all, the others
in the colours of Okabe and Ito, which people tell apart who see few. Viewers choose the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMetadata:
    """A (y, x) image of labels, with as many levels as OME-Zarr asks for: the labelled image's."""

    name: str
    """Its name, and that of its folder."""

    mpp: Pair | None
    """Micrometres per level-0 pixel of the labelled image as (x, y), or None where unknown."""

    downsamples: tuple[Pair, ...]
    """Level-0 pixels per pixel of each level, as (x, y)."""

    def to_json(self) -> bytes:
        """Return the ``zarr.json`` of its folder."""
        unit = {} if self.mpp is None else {"unit": "micrometer"}
        ome = {
            "version": "0.5",
            "multiscales": [
                {
                    "name": self.name,
                    "type": "labels",
                    "metadata": {"method": "labels"},
                    "axes": [{"name": axis, "type": "space", **unit} for axis in ("y", "x")],
                    "datasets": [
                        dataset(number, downsample, self.mpp, has_channels=False)
                        for number, downsample in enumerate(self.downsamples)
                    ],
                }
            ],
            "image-label": {
                "colors": [
                    {"label-value": label, "rgba": list(rgba)} for label, rgba in enumerate(COLOURS)
                ],
                "source": {"image": "../../"},
            },
        }
        return to_json(group({"ome": ome}))


def labels_json(*names: str) -> bytes:
    """Return the ``zarr.json`` of a folder that holds labels of these names."""
    return to_json(group({"ome": {"version": "0.5", "labels": list(names)}}))
