"""DICOM slides made for tests by pydicom, from frames that other libraries encode."""

import io
import struct
from pathlib import Path

import imagecodecs
import numpy as np
import simplejpeg
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.encoders import RLELosslessEncoder
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
    VLWholeSlideMicroscopyImageStorage,
    generate_uid,
)

SECRETS = ("Doe^Jane", "PAT-4711", "19701231", "Dr^Who", "ACC-0815")
"""Of the patient and those around her."""

SYNTAXES = {
    "jpeg": JPEGBaseline8Bit,
    "jpeg2000": JPEG2000Lossless,
    "jpegls": JPEGLSLossless,
    "rle": RLELossless,
    "raw": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
}


def jpeg(tile, *, colours="YCBCR", subsampling="422", quality=90):
    """Return a tile as a baseline JPEG without a marker of its colours."""
    if tile.ndim == 2:
        return imagecodecs.jpeg8_encode(tile, level=quality)
    if colours == "RGB":
        stream = imagecodecs.jpeg8_encode(
            tile, level=quality, colorspace="RGB", outcolorspace="RGB", subsampling="444"
        )
    else:
        stream = simplejpeg.encode_jpeg(
            np.ascontiguousarray(tile), quality=quality, colorsubsampling=subsampling
        )
    return bare(stream)


def progressive(tile):
    """Return a tile as a progressive JPEG."""
    file = io.BytesIO()
    Image.fromarray(tile).save(file, "JPEG", progressive=True)
    return bare(file.getvalue())


def bare(stream):
    """Return a JPEG without its JFIF and Adobe segments."""
    at, kept = 2, [stream[:2]]
    while stream[at + 1] in (0xE0, 0xEE):
        at += 2 + int.from_bytes(stream[at + 2 : at + 4])
    return b"".join([*kept, stream[at:]])


def cut(picture, width, height):
    """Return the tiles of a picture row by row, whole ones: those at the edges repeat pixels."""
    rows, columns = -(-picture.shape[0] // height), -(-picture.shape[1] // width)
    beyond = (0, rows * height - picture.shape[0]), (0, columns * width - picture.shape[1])
    padded = np.pad(picture, (*beyond, *[(0, 0)] * (picture.ndim - 2)), "edge")
    return [
        padded[row * height : (row + 1) * height, column * width : (column + 1) * width]
        for row in range(rows)
        for column in range(columns)
    ]


def encode(tile, kind):
    """Return a tile as a frame of a kind of codec, lossless but for JPEG."""
    tile = np.ascontiguousarray(tile)
    match kind:
        case "jpeg":
            return jpeg(tile)
        case "jpeg2000":
            return imagecodecs.jpeg2k_encode(tile, level=0, codecformat="j2k", mct=tile.ndim == 3)
        case "jpegls":
            return imagecodecs.jpegls_encode(tile)
        case "rle":
            return _rle(tile)
    return tile.tobytes()


def _rle(tile):
    samples = 1 if tile.ndim == 2 else 3
    return RLELosslessEncoder.encode(
        tile,
        rows=tile.shape[0],
        columns=tile.shape[1],
        samples_per_pixel=samples,
        bits_allocated=8,
        bits_stored=8,
        pixel_representation=0,
        photometric_interpretation="RGB" if samples == 3 else "MONOCHROME2",
        number_of_frames=1,
        planar_configuration=0,
    )


def write(
    path,
    frames,
    *,
    size,
    frame,
    kind="jpeg",
    photometric="YBR_FULL_422",
    table="basic",
    fragments=1,
    cells=None,
    series=None,
    flavor="VOLUME",
    mpp=0.5,
    change=None,
):
    """Write a file of a series.

    frames, size, frame
        The encoded frames, and the (width, height) of the image and of each frame.
    kind
        A key of `SYNTAXES`.
    table
        "basic", "empty" or "extended".
    fragments
        Items of each frame.
    cells
        The (column, row) of each frame, for TILED_SPARSE; None for TILED_FULL.
    change
        Changes the data set before it is written.
    """
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = SYNTAXES.get(kind, kind)
    _patient(dataset)
    dataset.SOPClassUID = VLWholeSlideMicroscopyImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.SeriesInstanceUID = series or generate_uid()
    dataset.ImageType = ["ORIGINAL", "PRIMARY", flavor, "NONE"]
    dataset.Rows, dataset.Columns = frame[1], frame[0]
    dataset.TotalPixelMatrixColumns, dataset.TotalPixelMatrixRows = size
    dataset.NumberOfFrames = len(frames)
    dataset.PhotometricInterpretation = photometric
    dataset.SamplesPerPixel = 1 if photometric.startswith("MONO") else 3
    dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.DimensionOrganizationType = "TILED_FULL" if cells is None else "TILED_SPARSE"
    dataset.TotalPixelMatrixFocalPlanes = dataset.NumberOfOpticalPaths = 1
    measures, shared, light = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [f"{mpp / 1000:g}"] * 2
    shared.PixelMeasuresSequence = [measures]
    dataset.SharedFunctionalGroupsSequence = [shared]
    light.OpticalPathIdentifier = "1"
    dataset.OpticalPathSequence = [light]
    if cells is not None:
        dataset.PerFrameFunctionalGroupsSequence = [_place(cell, frame) for cell in cells]
    _put(dataset, frames, table, fragments, is_raw=kind in ("raw", "implicit"))
    if change is not None:
        change(dataset)
    dataset.save_as(path, enforce_file_format=True)
    return Path(path)


def write_picture(path, picture, *, frame=(256, 256), kind="jpeg", **options):
    """Write a file of one level from its pixels; return its path and its frames."""
    frames = [encode(tile, kind) for tile in cut(picture, *frame)]
    default = "RGB" if kind != "jpeg" else "YBR_FULL_422"
    options = {"photometric": default if picture.ndim == 3 else "MONOCHROME2", **options}
    size = picture.shape[1], picture.shape[0]
    return write(path, frames, size=size, frame=frame, kind=kind, **options), frames


def _patient(dataset):
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = SECRETS[:3]
    dataset.ReferringPhysicianName, dataset.AccessionNumber = SECRETS[3:]
    specimen = Dataset()
    specimen.SpecimenIdentifier = SECRETS[4]
    dataset.SpecimenDescriptionSequence = [specimen]


def _place(cell, frame):
    place, groups = Dataset(), Dataset()
    place.ColumnPositionInTotalImagePixelMatrix = cell[0] * frame[0] + 1
    place.RowPositionInTotalImagePixelMatrix = cell[1] * frame[1] + 1
    groups.PlanePositionSlideSequence = [place]
    return groups


def _put(dataset, frames, table, fragments, *, is_raw):
    if is_raw:
        joined = b"".join(frames)
        dataset.PixelData = joined + bytes(len(joined) % 2)
        dataset["PixelData"].VR = (
            "OW" if dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2" else "OB"
        )
        return
    items, offsets = [], []
    for frame in frames:
        offsets.append(sum(map(len, items)))
        items += [item(piece) for piece in _pieces(frame, fragments)]
    basic = struct.pack(f"<{len(offsets)}I", *offsets) if table == "basic" else b""
    if table == "extended":
        dataset.ExtendedOffsetTable = struct.pack(f"<{len(offsets)}Q", *offsets)
        lengths = [len(frame) + len(frame) % 2 for frame in frames]
        dataset.ExtendedOffsetTableLengths = struct.pack(f"<{len(lengths)}Q", *lengths)
    dataset.PixelData = item(basic) + b"".join(items)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True


def item(data):
    """Return bytes as an item of compressed pixels."""
    padded = data + bytes(len(data) % 2)
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(padded)) + padded


def _pieces(frame, count):
    """Cut a frame into pieces of even lengths."""
    size = -(-len(frame) // count // 2) * 2 + 2
    return [frame[at : at + size] for at in range(0, max(1, len(frame)), size)]


def decoded(stream):
    """Return what Pillow decodes a JPEG to."""
    return np.asarray(Image.open(io.BytesIO(stream)))
