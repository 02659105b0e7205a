"""All attributes of an instance before its frames (DICOM PS3.3 A.32.8), as pydicom writes them.

Knows what a whole-slide image must state. Does not know where frames are from. Longer than 300
lines, because every attribute is listed.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from slidetile.export.dicom._attributes import given, names_nobody
from slidetile.export.dicom._frames import LevelFrames
from slidetile.export.dicom._places import Geometry, decimal
from slidetile.export.dicom._uids import IMPLEMENTATION, uid
from slidetile.store.store import TileStore

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"

VERSION_NAME = "SLIDETILE"
"""The name of this implementation in each file, by which slidetile knows its own."""

_NEVER = "19000101"
"""What a date says that must be there and is not known."""

_BRIGHT = "111744", "DCM", "Brightfield illumination"
_DARK = "111743", "DCM", "Epifluorescence illumination"
"""How a slide was lit (DICOM PS3.16, CID 8123)."""

_DEPTH_UM = 1.0
"""Thickness of the imaged volume: DICOM wants one, and no slide tells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What all instances of a series have in common."""

    store: TileStore
    """The store."""

    facts: Mapping[str, str]
    """Where the series comes from."""

    attributes: Mapping[str, str]
    """What is given about patient and study."""

    is_anonymous: bool
    """Whether the scanner's maker is left out."""

    def uid(self, *what: object) -> str:
        """Return the UID of a part of the series."""
        return uid(json.dumps(dict(self.facts), sort_keys=True), *what)

    @property
    def profile(self) -> tuple[bytes, bool]:
        """The colour profile, and whether it is the slide's own.

        DICOM wants one: sRGB is stated where the slide has none.
        """
        own = self.store.icc_profile
        return (srgb_profile(), False) if own is None else (own, True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One instance: a level and its frames."""

    number: int
    """The number of the level."""

    cells: list[tuple[int, int]]
    """The chunks that are its frames, in their order."""

    frames: LevelFrames
    """How they are made."""

    geometry: Geometry
    """Where they lie."""


def header(series: Series, level: Level, parts: NDArray[np.uint64]) -> bytes:
    """Return the file up to the functional groups of its frames; always of the same length.

    ``parts`` are the (offset, length) of each frame, zeros before they are known.
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset, write_file_meta_info
    from pydicom.uid import UID

    import slidetile

    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = UID(WHOLE_SLIDE)
    meta.MediaStorageSOPInstanceUID = UID(series.uid("instance", level.number))
    meta.TransferSyntaxUID = UID(level.frames.syntax)
    meta.ImplementationClassUID = UID(IMPLEMENTATION)
    meta.ImplementationVersionName = f"{VERSION_NAME} {slidetile.__version__}"[:16]
    head = DicomBytesIO()
    head.write(bytes(128) + b"DICM")
    write_file_meta_info(head, meta)
    body = DicomBytesIO()
    body.is_little_endian, body.is_implicit_VR = True, False
    dataset = Dataset()
    for key, value in {
        **_about(series),
        **_image(series, level, _ratio(series.store, level, parts)),
    }.items():
        setattr(dataset, key, value)
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    write_dataset(body, dataset)
    return bytes(head.getvalue()) + bytes(body.getvalue())


def _about(series: Series) -> dict[str, Any]:
    """Return the attributes of patient, study, series, equipment and specimen."""
    import slidetile

    told, store = series.attributes, series.store
    vendor = None if series.is_anonymous else store.metadata.source.vendor
    about: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 192",
        "SOPClassUID": WHOLE_SLIDE,
        "Modality": "SM",
        **given(told, "PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
        **given(told, "StudyDate", "StudyTime", "StudyID", "AccessionNumber"),
        **given(told, "ReferringPhysicianName"),
        **given(told, "StudyInstanceUID", default=series.uid("study")),
        **given(told, "SeriesNumber", default="1"),
        **given(told, "ContentDate", default=_NEVER),
        **given(told, "ContentTime", default="000000"),
        **given(told, "AcquisitionDateTime", default=f"{_NEVER}000000"),
        **given(told, "Manufacturer", default=vendor or "unknown"),
        **given(told, "ManufacturerModelName", "DeviceSerialNumber", default="unknown"),
        "SoftwareVersions": f"slidetile {slidetile.__version__}",
        "SeriesInstanceUID": series.uid("series"),
        "FrameOfReferenceUID": series.uid("frame of reference"),
        "PositionReferenceIndicator": "SLIDE_CORNER",
        **given(told, "ContainerIdentifier", default="unknown"),
        "IssuerOfTheContainerIdentifierSequence": [],
        "ContainerTypeCodeSequence": [_code("433466003", "SCT", "Microscope slide")],
        "SpecimenDescriptionSequence": [_specimen(series)],
        "AcquisitionContextSequence": [],
        "ContributingEquipmentSequence": [_equipment(series)],
    }
    beside = {"SpecimenIdentifier", "SpecimenShortDescription"}
    about |= {key: value for key, value in told.items() if key not in {*about, *beside}}
    if names_nobody(told) and told.get("PatientIdentityRemoved") != "NO":
        about["PatientIdentityRemoved"] = "YES"
        about["DeidentificationMethod"] = told.get(
            "DeidentificationMethod", "Pixels, scale and colours alone were taken"
        )
    return about


def _image(series: Series, level: Level, ratio: str) -> dict[str, Any]:
    """Return the attributes of the image."""
    store, frames = series.store, level.frames
    (width, height), grid = store.levels[level.number].size, store.grid(level.number)
    assert store.mpp is not None, "it has been checked"
    kind = _kind(store, level)
    image: dict[str, Any] = {
        "InstanceNumber": str(level.number + 1),
        "ImageType": kind,
        **_dimensions(series),
        "ImagedVolumeWidth": store.levels[0].width * store.mpp[0] / 1000,
        "ImagedVolumeHeight": store.levels[0].height * store.mpp[1] / 1000,
        "ImagedVolumeDepth": _DEPTH_UM,
        "TotalPixelMatrixColumns": width,
        "TotalPixelMatrixRows": height,
        "TotalPixelMatrixFocalPlanes": 1,
        "TotalPixelMatrixOriginSequence": [
            _dataset(
                XOffsetInSlideCoordinateSystem=decimal(level.geometry.origin_mm[0]),
                YOffsetInSlideCoordinateSystem=decimal(level.geometry.origin_mm[1]),
            )
        ],
        "ImageOrientationSlide": ["0", "-1", "0", "-1", "0", "0"],
        "SamplesPerPixel": len(store.channels),
        "PhotometricInterpretation": frames.photometric,
        "NumberOfFrames": str(len(level.cells)),
        "Rows": grid.chunk_height,
        "Columns": grid.chunk_width,
        "BitsAllocated": store.dtype.itemsize * 8,
        "BitsStored": store.metadata.bits,
        "HighBit": store.metadata.bits - 1,
        "PixelRepresentation": 0,
        "BurnedInAnnotation": "NO",
        "SpecimenLabelInImage": "NO",
        "FocusMethod": "AUTO",
        "ExtendedDepthOfField": "NO",
        "VolumetricProperties": "VOLUME",
        "LossyImageCompression": "00" if frames.lossy is None else "01",
        "NumberOfOpticalPaths": 1,
        "OpticalPathSequence": [_optical_path(series)],
        "SharedFunctionalGroupsSequence": [_shared(level, kind)],
    }
    if frames.lossy is not None:
        image["LossyImageCompressionRatio"] = ratio
        image["LossyImageCompressionMethod"] = frames.lossy
    if len(store.channels) == 3:
        image["PlanarConfiguration"] = 0
    else:
        image |= {"PresentationLUTShape": "IDENTITY", "RescaleIntercept": "0", "RescaleSlope": "1"}
    return image


def _ratio(store: TileStore, level: Level, parts: NDArray[np.uint64]) -> str:
    """Return how many times smaller frames are than their pixels, in as many characters always."""
    width, height = level.geometry.frame
    pixels = width * height * len(store.channels) * store.dtype.itemsize * len(level.cells)
    return f"{pixels / max(1, int(parts[:, 1].sum())):016.6f}"[:16]


def _kind(store: TileStore, level: Level) -> list[str]:
    made = "ORIGINAL" if store.codec == "native" and level.number == 0 else "DERIVED"
    return [made, "PRIMARY", "VOLUME", "NONE" if level.number == 0 else "RESAMPLED"]


def _dimensions(series: Series) -> dict[str, Any]:
    """Return how frames are ordered: by their column and row."""
    own = series.uid("dimensions")
    index = [
        _dataset(
            DimensionOrganizationUID=own,
            DimensionIndexPointer=pointer,
            FunctionalGroupPointer=0x0048021A,
        )
        for pointer in (0x0048021E, 0x0048021F)
    ]
    return {
        "DimensionOrganizationType": "TILED_SPARSE",
        "DimensionOrganizationSequence": [_dataset(DimensionOrganizationUID=own)],
        "DimensionIndexSequence": index,
    }


def _shared(level: Level, kind: list[str]) -> "Dataset":
    across, down = level.geometry.spacing_mm
    measures = _dataset(
        PixelSpacing=[decimal(down), decimal(across)], SliceThickness=decimal(_DEPTH_UM / 1000)
    )
    return _dataset(
        PixelMeasuresSequence=[measures],
        WholeSlideMicroscopyImageFrameTypeSequence=[_dataset(FrameType=kind)],
        OpticalPathIdentificationSequence=[_dataset(OpticalPathIdentifier="1")],
    )


def _optical_path(series: Series) -> "Dataset":
    store = series.store
    is_dark = store.metadata.fill == 0  # what is no tissue: then light comes from the tissue
    path = _dataset(
        OpticalPathIdentifier="1",
        IlluminationTypeCodeSequence=[_code(*(_DARK if is_dark else _BRIGHT))],
        IlluminationColorCodeSequence=[_code("371251000", "SCT", "White")],
    )
    if len(store.channels) == 3:
        path.ICCProfile = series.profile[0]
        if not series.profile[1] and store.color == "srgb":
            path.ColorSpace = "SRGB"
    power = store.metadata.source.objective_power
    if power is not None and store.slide_scale == (1.0, 1.0):
        path.ObjectiveLensPower = decimal(power)
    return path


def _specimen(series: Series) -> "Dataset":
    specimen = _dataset(
        **given(series.attributes, "SpecimenIdentifier", default="unknown"),
        IssuerOfTheSpecimenIdentifierSequence=[],
        SpecimenUID=series.uid("specimen"),
        SpecimenPreparationSequence=[],
    )
    if "SpecimenShortDescription" in series.attributes:
        specimen.SpecimenShortDescription = series.attributes["SpecimenShortDescription"]
    return specimen


def _equipment(series: Series) -> "Dataset":
    """Return what slidetile says of itself, and of the store: the standard's place for it."""
    import slidetile

    said = json.dumps({key: value[:200] for key, value in series.facts.items()}, sort_keys=True)
    return _dataset(
        Manufacturer="slidetile",
        SoftwareVersions=slidetile.__version__,
        ContributionDescription=said[:1024],
        PurposeOfReferenceCodeSequence=[_code("109103", "DCM", "Modifying Equipment")],
    )


def _code(value: str, scheme: str, meaning: str) -> "Dataset":
    return _dataset(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _dataset(**attributes: Any) -> "Dataset":
    from pydicom.dataset import Dataset

    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def srgb_profile() -> bytes:
    """Return the profile of sRGB, with a date that does not change."""
    from PIL import ImageCms

    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    return bytes(profile)
