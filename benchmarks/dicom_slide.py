"""Make a DICOM slide of the JPEG tiles of a TIFF slide, as they are.

    python benchmarks/dicom_slide.py SLIDE.svs FOLDER

Each level is a file, TILED_FULL, with an extended offset table and a fragment for each frame: the
way that scanners and converters write them.
"""

import io
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np

VOLUME = "1.2.840.10008.5.1.4.1.1.77.1.6"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
ROWS_AT_ONCE = 8


def main() -> None:
    source, folder = map(Path, sys.argv[1:])
    write(source, folder)


def write(source: Path, folder: Path) -> None:
    """Write a series into a folder."""
    from pydicom.uid import generate_uid

    import slidetile as st

    folder.mkdir(parents=True, exist_ok=True)
    series = generate_uid(entropy_srcs=[source.name])
    with st.open_slide(source) as slide:
        for number in range(len(slide.levels)):
            write_level(slide, number, series, folder / f"level-{number}.dcm")


def write_level(slide: Any, number: int, series: str, path: Path) -> None:
    tiles = slide.native_tiles(number)
    lengths = np.zeros(tiles.columns * tiles.rows, "<u8")
    with path.open("w+b") as file:
        header = described(slide, number, series, lengths.tobytes())
        file.write(header)
        file.write(struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF))
        file.write(item(b""))
        offsets = np.zeros_like(lengths)
        begin = file.tell()
        for row in range(tiles.rows):
            cells = [(column, row) for column in range(tiles.columns)]
            for column, stream in enumerate(tiles.fetch(cells).streams()):
                frame = row * tiles.columns + column
                offsets[frame], lengths[frame] = file.tell() - begin, len(stream) + len(stream) % 2
                file.write(item(stream))
        file.write(struct.pack("<HHI", 0xFFFE, 0xE0DD, 0))
        file.seek(0)
        file.write(described(slide, number, series, lengths.tobytes(), offsets.tobytes()))


def item(data: bytes) -> bytes:
    return (
        struct.pack("<HHI", 0xFFFE, 0xE000, len(data) + len(data) % 2)
        + data
        + b"\0" * (len(data) % 2)
    )


def described(
    slide: Any, number: int, series: str, lengths: bytes, offsets: bytes | None = None
) -> bytes:
    """Return all that stands before the pixels; its size does not depend on the offsets."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import generate_uid

    level, tiles = slide.levels[number], slide.native_tiles(number)
    data, measures, shared, light = Dataset(), Dataset(), Dataset(), Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = JPEG_BASELINE
    data.SOPClassUID = VOLUME
    data.SOPInstanceUID = generate_uid(entropy_srcs=[series, str(number)])
    data.SeriesInstanceUID = series
    data.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "RESAMPLED" if number else "NONE"]
    data.Rows, data.Columns = tiles.tile_height_px, tiles.tile_width_px
    data.TotalPixelMatrixColumns, data.TotalPixelMatrixRows = level.size
    data.NumberOfFrames = tiles.columns * tiles.rows
    data.PhotometricInterpretation, data.SamplesPerPixel = colours_of(tiles), 3
    data.PlanarConfiguration = data.PixelRepresentation = 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7
    data.DimensionOrganizationType = "TILED_FULL"
    data.TotalPixelMatrixFocalPlanes = data.NumberOfOpticalPaths = 1
    scale = slide.mpp[0] * level.downsample[0] / 1000
    measures.PixelSpacing = [f"{scale:.6g}"] * 2
    shared.PixelMeasuresSequence = [measures]
    data.SharedFunctionalGroupsSequence = [shared]
    light.OpticalPathIdentifier = "1"
    data.OpticalPathSequence = [light]
    data.ExtendedOffsetTable = offsets or lengths
    data.ExtendedOffsetTableLengths = lengths
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def colours_of(tiles: Any) -> str:
    """Return what the marker in a tile says: RGB, or YCbCr."""
    stream = next(filter(None, tiles.fetch([(0, 0)]).streams()))
    at = stream.find(b"Adobe")
    return "RGB" if at >= 0 and stream[at + 11] == 0 else "YBR_FULL_422"


if __name__ == "__main__":
    main()
