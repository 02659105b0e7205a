"""Make an Aperio-like SVS slide of any size, with drawn H&E tissue and its true mask.

    python data_samples/make_slide.py slide.svs --width 100000 --height 80000

The same arguments give the same bytes. Beside the slide lies slide.mask.png: white where
there is tissue, one pixel for every 16x16 pixels of the slide.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from svs_writer import JpegEncoder, Page, Photometric, SvsWriter
from tile_painter import (
    DUST_VARIANTS,
    MASK_DOWNSAMPLE,
    PaintedTile,
    TileNodes,
    TilePainter,
    area_average,
)
from tissue_layout import Detail, Layout, lay_out

LIBRARY = "Aperio Image Library v0.0.0 (drawn by slidetile, no patient)"
# Aperio scanners write RGB at quality 30 and YCbCr at 70; both end near 0.2 bytes a pixel.
DEFAULT_QUALITY = {"rgb": 30, "ycbcr": 70}
DUST_SHARE = 0.03
# "SAMPLE" in a 5x7 dot font: a label that no font file and no person stands behind.
SAMPLE_DOTS = (
    "01110 01110 10001 11110 10000 11111",
    "10001 10001 11011 10001 10000 10000",
    "10000 10001 10101 10001 10000 10000",
    "01110 11111 10101 11110 10000 11110",
    "00001 10001 10001 10000 10000 10000",
    "10001 10001 10001 10000 10000 10000",
    "01110 10001 10001 10000 11111 11111",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlideSpec:
    """All that decides a slide's bytes."""

    width: int
    """Pixels at full resolution."""
    height: int
    """Pixels at full resolution."""
    tissue_fraction: float = 0.35
    """Share of the slide's area inside the tissue's outline, about."""
    tile: int = 256
    """Edge of a native tile, a multiple of 16."""
    seed: int = 1
    """Another seed draws another slide."""
    mpp: float = 0.25
    """Micrometres per pixel: sets how many pixels a nucleus has."""
    quality: int | None = None
    """JPEG quality; None takes Aperio's for the photometric."""
    photometric: Photometric = "rgb"
    """Colour space inside the JPEG tiles."""
    pen: bool = False
    """Draw a stroke of blue marker on the slide."""

    def __post_init__(self) -> None:
        if min(self.width, self.height) < self.tile:
            raise ValueError(f"{self.width}x{self.height} is smaller than one tile of {self.tile}")
        if self.tile % 16 or not 16 <= self.tile <= 1024:
            raise ValueError(f"tile is {self.tile}; give a multiple of 16 from 16 to 1024")
        if not 0.05 <= self.mpp <= 5:
            raise ValueError(f"mpp is {self.mpp}; give 0.05 to 5 µm per pixel")
        if not 0 <= self.tissue_fraction <= 1:
            raise ValueError(f"tissue_fraction is {self.tissue_fraction}; give 0 to 1")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height

    @property
    def encoder(self) -> JpegEncoder:
        """The encoder of every page."""
        quality = DEFAULT_QUALITY[self.photometric] if self.quality is None else self.quality
        return JpegEncoder(quality=quality, photometric=self.photometric)

    @property
    def downsamples(self) -> list[int]:
        """The coarser levels: 4, 16 and 64 as far as they still show something."""
        return [d for d in (4, 16, 64) if max(self.width, self.height) >= 512 * d]


def make_slide(path: Path, spec: SlideSpec) -> None:
    """Write the slide `path` and its mask beside it (`mask_path`)."""
    tiles = list(_paint_rows(spec))
    _save_mask(mask_path(path), tiles, spec)
    with SvsWriter(path) as svs:
        base = _page(spec, 1, tile=spec.tile)
        svs.add(base, (painted.jpeg for row in tiles for painted in row))
        levels = CoarseLevels(tiles, spec)
        thumbnail = levels.thumbnail()
        height, width = thumbnail.shape[:2]
        text = f"{LIBRARY}\r\n{spec.width}x{spec.height} -> {width}x{height} -"
        svs.add_picture(_picture_page(spec, thumbnail, text), thumbnail)
        for downsample in spec.downsamples:
            page = _page(spec, downsample, tile=spec.tile)
            svs.add(page, levels.encoded(downsample))
        for name, number, picture in (("label", 1, _label()), ("macro", 9, _macro(thumbnail))):
            text = f"{LIBRARY}\r\n{name} {picture.shape[1]}x{picture.shape[0]}"
            svs.add_picture(_picture_page(spec, picture, text, subfile_type=number), picture)


def mask_path(path: Path) -> Path:
    """Return where the true mask of the slide `path` lies."""
    return path.with_suffix(".mask.png")


def _paint_rows(spec: SlideSpec) -> Iterator[list[PaintedTile]]:
    """Yield the rows of tiles of the whole slide, each tile a reference to its painting."""
    detail = Detail.for_slide(spec.width, spec.height, spec.tile)
    rng = np.random.default_rng([spec.seed, 1])
    layout = lay_out(
        spec.size,
        spec.tile,
        detail,
        rng,
        tissue_fraction=spec.tissue_fraction,
        pen=spec.pen,
    )
    painter = TilePainter(spec.tile, detail, spec.encoder, mpp=spec.mpp, seed=spec.seed)
    step = detail.nodes_per_tile
    rows, columns = (edge // step for edge in np.array(layout.outline.shape) - 1)
    dust = rng.integers(1, DUST_VARIANTS + 1, (rows, columns))
    dust[rng.random((rows, columns)) >= DUST_SHARE] = 0
    for row in range(rows):
        yield [
            painter.paint(
                row, column, _nodes(layout, row * step, column * step, step, dust[row, column])
            )
            for column in range(columns)
        ]


def _nodes(layout: Layout, top: int, left: int, step: int, dust: int) -> TileNodes:
    window = (slice(top, top + step + 1), slice(left, left + step + 1))
    return TileNodes(
        outline=layout.outline[window],
        kind=layout.kind[window],
        pen=layout.pen[window],
        dust=int(dust),
    )


class CoarseLevels:
    """The levels above the first, each an area average of the finer one."""

    def __init__(self, tiles: list[list[PaintedTile]], spec: SlideSpec) -> None:
        self._tiles, self._spec = tiles, spec
        self._encoder = spec.encoder
        # Downsample 16 is small enough to hold whole; downsample 4 of a giant slide is not.
        edge = spec.tile // 16
        self._sixteenth = np.empty((len(tiles) * edge, len(tiles[0]) * edge, 3), np.uint8)
        for number, row in enumerate(tiles):
            band = self._sixteenth[number * edge : (number + 1) * edge]
            np.concatenate([t.sixteenth for t in row], axis=1, out=band)

    def encoded(self, downsample: int) -> Iterator[bytes]:
        """Return the JPEG tiles of the level of `downsample` 4, 16 or 64."""
        return self._encoded_quarter() if downsample == 4 else self._encoded_whole(downsample)

    def _encoded_quarter(self) -> Iterator[bytes]:
        """Yield the JPEG tiles of downsample 4, drawn one at a time."""
        rows, columns = len(self._tiles), len(self._tiles[0])
        glass: dict[tuple[int, ...], bytes] = {}
        # A last column or row thinner than 4 pixels has nothing left at this level.
        down, across = (-(-(edge // 4) // self._spec.tile) for edge in self._spec.size[::-1])
        for top in range(0, 4 * down, 4):
            for left in range(0, 4 * across, 4):
                # Beyond the slide's edge the last tile stands in: nobody sees it.
                lines = [self._tiles[min(top + r, rows - 1)] for r in range(4)]
                block = [[line[min(left + c, columns - 1)] for c in range(4)] for line in lines]
                # Most blocks of glass are alike; those with tissue hardly ever.
                key = tuple(t.number for line in block for t in line)
                jpeg = glass.get(key)
                if jpeg is None:
                    picture = np.vstack([np.hstack([t.quarter for t in line]) for line in block])
                    jpeg = self._encoder.encode(picture)
                if not any(t.mask.any() for line in block for t in line):
                    glass[key] = jpeg
                yield jpeg

    def _encoded_whole(self, downsample: int) -> Iterator[bytes]:
        """Yield the JPEG tiles of downsample 16 or 64, cut from the whole level."""
        tile, level = self._spec.tile, self._level(downsample)
        for top in range(0, len(level), tile):
            for left in range(0, level.shape[1], tile):
                picture = level[top : top + tile, left : left + tile]
                missing = [(0, tile - edge) for edge in picture.shape[:2]]
                yield self._encoder.encode(np.pad(picture, [*missing, (0, 0)], mode="edge"))

    def thumbnail(self) -> np.ndarray:
        """Return a picture of the whole slide, at most 1024 pixels wide or high."""
        picture = self._level(64 if 64 in self._spec.downsamples else 16)
        shrink = max(1, max(picture.shape) / 1024)
        size = (round(picture.shape[1] / shrink), round(picture.shape[0] / shrink))
        return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))

    def _level(self, downsample: int) -> np.ndarray:
        width, height = self._spec.width // downsample, self._spec.height // downsample
        if downsample == 16:
            return self._sixteenth[:height, :width]
        rows, columns = (edge // 4 * 4 for edge in self._sixteenth.shape[:2])
        return area_average(self._sixteenth[:rows, :columns], 4)[:height, :width]


def _page(spec: SlideSpec, downsample: int, *, tile: int) -> Page:
    width, height = spec.width // downsample, spec.height // downsample
    colour = "RGB" if spec.photometric == "rgb" else "YCC"
    text = (
        f"{LIBRARY}\r\n{spec.width}x{spec.height} [0,0 {spec.width}x{spec.height}] ({tile}x{tile})"
    )
    if downsample > 1:
        text += f" -> {width}x{height}"
    text += f" JPEG/{colour} Q={spec.encoder.quality}"
    if downsample == 1:
        text += f"|AppMag = {10 / spec.mpp:g}|MPP = {spec.mpp:.4f}"
        text += f"|OriginalWidth = {spec.width}|OriginalHeight = {spec.height}"
    return Page(width=width, height=height, description=text, encoder=spec.encoder, tile=tile)


def _picture_page(
    spec: SlideSpec, picture: np.ndarray, text: str, *, subfile_type: int = 0
) -> Page:
    height, width = picture.shape[:2]
    return Page(
        width=width,
        height=height,
        description=text,
        encoder=spec.encoder,
        subfile_type=subfile_type,
    )


def _label() -> np.ndarray:
    """Return the picture of a paper label that says SAMPLE."""
    dots = np.array([[int(d) for d in line.replace(" ", "0")] for line in SAMPLE_DOTS], np.uint8)
    ink = np.kron(dots, np.ones((8, 8), np.uint8))
    label = np.full((320, 384), 236, np.uint8)
    top, left = (np.array(label.shape) - ink.shape) // 2
    label[top : top + ink.shape[0], left : left + ink.shape[1]] -= ink * 190
    return np.repeat(label[..., None], 3, axis=2)


def _macro(thumbnail: np.ndarray) -> np.ndarray:
    """Return the picture of the whole glass slide: label on the left, section on the right."""
    macro = np.full((432, 1280, 3), 208, np.uint8)
    label = np.asarray(Image.fromarray(_label()).resize((336, 280), Image.Resampling.BOX))
    macro[76:356, 20:356] = label
    shrink = max(thumbnail.shape[0] / 380, thumbnail.shape[1] / 860)
    size = (int(thumbnail.shape[1] / shrink), int(thumbnail.shape[0] / shrink))
    section = np.asarray(Image.fromarray(thumbnail).resize(size, Image.Resampling.BILINEAR))
    top, left = (432 - size[1]) // 2, 400 + (860 - size[0]) // 2
    macro[top : top + size[1], left : left + size[0]] = section
    return macro


def _save_mask(path: Path, tiles: list[list[PaintedTile]], spec: SlideSpec) -> None:
    mask = np.vstack([np.hstack([painted.mask for painted in row]) for row in tiles])
    height, width = (-(-edge // MASK_DOWNSAMPLE) for edge in (spec.height, spec.width))
    about = PngInfo()
    about.add_text("Title", "True tissue mask: white is inside the tissue's drawn outline")
    about.add_text("downsample", str(MASK_DOWNSAMPLE))
    about.add_text("slide_size_px", f"{spec.width}x{spec.height}")
    Image.fromarray(mask[:height, :width]).save(path, pnginfo=about, optimize=True)


def main() -> None:
    """Read the command line and make one slide."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("out", type=Path, help="the .svs file to write; OUT.mask.png goes beside")
    parser.add_argument("--width", type=int, required=True, help="pixels")
    parser.add_argument("--height", type=int, required=True, help="pixels")
    parser.add_argument("--tissue-fraction", type=float, default=0.35, help="0-1 (%(default)s)")
    parser.add_argument("--tile", type=int, default=256, help="native tile edge (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="(%(default)s)")
    parser.add_argument("--mpp", type=float, default=0.25, help="µm per pixel (%(default)s)")
    parser.add_argument("--quality", type=int, help="JPEG quality (30 for rgb, 70 for ycbcr)")
    parser.add_argument("--photometric", choices=("rgb", "ycbcr"), default="rgb")
    parser.add_argument("--pen", action="store_true", help="draw a stroke of marker")
    options = vars(parser.parse_args())
    out = options.pop("out")
    try:
        spec = SlideSpec(**options)
    except ValueError as error:
        parser.error(str(error))
    make_slide(out, spec)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, mask in {mask_path(out)}")


if __name__ == "__main__":
    main()
