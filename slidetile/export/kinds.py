"""The kinds of export, each loaded when it is first used.

Knows names. Does not know what they stand for. A new kind is a module with a spec and a writer,
and a row here; the command line has an option for each field of the specs.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from slidetile.choices import UnfitChoiceError

if TYPE_CHECKING:  # the command line lists the kinds, and loads none
    from slidetile.cloud.address import Location
    from slidetile.export.exported import Exported
    from slidetile.store.store import TileStore
    from slidetile.writing.options import OnProgress


class Writer(Protocol):
    """Writes a store as a kind's files."""

    def __call__(
        self,
        store: "TileStore",
        place: "Location",
        spec: Any,
        *,
        on_progress: "OnProgress | None" = None,
        workers: int | None = None,
    ) -> "Exported":
        """Write a store somewhere, as a spec says, and return what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportKind:
    """A kind of export: where its parts are, as MODULE:NAME."""

    spec: str
    """The frozen dataclass of its choices; importing its module loads nothing heavy."""

    writer: str
    """A `Writer`."""

    says: str
    """What it writes, in a few words."""

    named: str = ""
    """What the output of the store STEM.zarr is called in a folder of several stores' outputs, with
    "{}" for STEM; without one all stores have theirs in the folder itself."""

    suffixes: tuple[str, ...] = ()
    """How names end that are taken for its output, in lower case; others are no kind's."""

    def load_spec(self) -> type[Any]:
        """Return the class of the kind's choices."""
        spec: type[Any] = _load(self.spec)
        return spec

    def load_writer(self) -> Writer:
        """Return the function that writes it."""
        writer: Writer = _load(self.writer)
        return writer


KINDS: Mapping[str, ExportKind] = {
    "geojson": ExportKind(
        spec="slidetile.export.geojson:GeojsonExport",
        writer="slidetile.export.geojson:write",
        says="tissue outlines and tiles for QuPath, as GeoJSON",
        named="{}.geojson",
        suffixes=(".geojson", ".json"),
    ),
    "ome-tiff": ExportKind(
        spec="slidetile.export.ome_tiff.spec:OmeTiffExport",
        writer="slidetile.export.ome_tiff.write:write",
        says="the tissue as a sparse pyramid TIFF, JPEG tiles copied",
        named="{}.ome.tif",
        suffixes=(".tif", ".tiff"),
    ),
    "dicom": ExportKind(
        spec="slidetile.export.dicom.spec:DicomExport",
        writer="slidetile.export.dicom.write:write",
        says="the tissue as a DICOM whole-slide series, JPEG frames copied",
        named="{}-dicom",
        suffixes=(".dcm",),
    ),
    "zarr": ExportKind(
        spec="slidetile.export.zarr_choice:ZarrExport",
        writer="slidetile.export.whole:write",
        says="the same tiles as a store of another codec",
        named="{}.zarr",
        suffixes=(".zarr",),
    ),
    "trident": ExportKind(
        spec="slidetile.export.trident:TridentExport",
        writer="slidetile.export.trident:write",
        says="coordinates of windows for TRIDENT",
        named="{}_patches.h5",
        suffixes=(".h5", ".hdf5"),
    ),
    "clam": ExportKind(
        spec="slidetile.export.clam:ClamExport",
        writer="slidetile.export.clam:write",
        says="the same for CLAM",
        named="{}.h5",
        suffixes=(".h5", ".hdf5"),
    ),
    "hs2p": ExportKind(
        spec="slidetile.export.hs2p:Hs2pExport",
        writer="slidetile.export.hs2p:write",
        says="the same for hs2p and slide2vec",
        named="{}.coordinates.npz",
        suffixes=(".npz",),
    ),
    "webdataset": ExportKind(
        spec="slidetile.export.webdataset:WebdatasetExport",
        writer="slidetile.export.webdataset:write",
        says="windows as shards of WebDataset",
        suffixes=(".tar",),
    ),
}
"""The kinds by their names, as they are listed."""


def named_kind(name: str) -> ExportKind:
    """Return the kind of a name.

    Raises
    ------
    ValueError
        There is none.
    """
    if name not in KINDS:
        raise ValueError(f"The kind of export must be one of {', '.join(KINDS)}, not {name!r}.")
    return KINDS[name]


def kind_of(spec: object) -> ExportKind:
    """Return the kind that a spec is of.

    Raises
    ------
    TypeError
        It is no spec.
    """
    own = f"{type(spec).__module__}:{type(spec).__name__}"
    for kind in KINDS.values():
        if kind.spec == own:
            return kind
        if isinstance(spec, type) and kind.spec == f"{spec.__module__}:{spec.__name__}":
            raise TypeError(f"{spec.__name__} is a class: call it, {spec.__name__}(), to choose.")
    raise TypeError(
        f"The kind of export is the name of one or its spec, not {type(spec).__name__}: the names "
        f"are {', '.join(KINDS)}."
    )


def check_name(place: "Location", kind: ExportKind) -> None:
    """Check that an output is not named as other kinds' are: the kind may have been forgotten.

    Raises
    ------
    UnfitChoiceError
        It is.
    """
    suffix = place.suffix.lower()
    others = [name for name, other in KINDS.items() if suffix in other.suffixes]
    if not others or suffix in kind.suffixes:
        return
    (own,) = (name for name, each in KINDS.items() if each is kind)
    ask = " or ".join(f"--to {name} (export_store(…, {name!r}))" for name in others)
    usual = f", such as {place.stem}{kind.suffixes[0]}" if own == "geojson" else ""
    raise UnfitChoiceError(
        f"{place} is named as {' or '.join(others)} is, but {own} was to be written: give {ask}, "
        f"or an output of another name{usual}."
    )


def _load(name: str) -> Any:
    module, _, thing = name.partition(":")
    return getattr(importlib.import_module(module), thing)
