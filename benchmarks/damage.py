"""Count what each check of JPEG tiles finds of seeded damage, and what it costs.

    python benchmarks/damage.py [SLIDE ...]

Prints the table of docs/explanation/native.md: for each kind of damage, in how many of the slides'
level-0 tiles each check finds it, and the time of the processor that a sound tile takes.
"""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import slidetile as st
from slidetile.raster.jpeg import JpegError, check_jpeg, decode_jpeg
from slidetile.slides.jpeg.segments import Markers
from slidetile.slides.jpeg.tiles import JpegTiles
from slidetile.slides.native import Damaged

SLIDES = Path(__file__).resolve().parents[2] / "shared" / "slides"

NAMES = (
    "CMU-1-Small-Region.svs",
    "CMU-1-small.tiff",
    "wsic-CMU-1-Small-Region.jpeg.tiff",
    "petebankhead-OS-1-detail.ome.tif",
)

SECTOR_BYTES = 512

Damage = Callable[[bytes, int, np.random.Generator], bytes]
"""Damages a stream whose scan data begin at a byte."""


def _zeros(count: int) -> Damage:
    def damage(stream: bytes, begin: int, random: np.random.Generator) -> bytes:
        at = int(random.integers(begin, max(begin + 1, len(stream) - 2 - count)))
        return stream[:at] + bytes(min(count, len(stream) - 2 - at)) + stream[at + count :]

    return damage


def _third(stream: bytes, begin: int, _random: np.random.Generator) -> bytes:
    third = (len(stream) - 2 - begin) // 3
    return stream[: begin + third] + bytes(third) + stream[begin + 2 * third :]


def _changed(count: int, *, bits: bool = False) -> Damage:
    def damage(stream: bytes, begin: int, random: np.random.Generator) -> bytes:
        changed = bytearray(stream)
        for at in random.integers(begin, len(stream) - 2, count):
            changed[at] ^= 1 << int(random.integers(8)) if bits else int(random.integers(1, 256))
        return bytes(changed)

    return damage


def _cut(*, ended: bool) -> Damage:
    def damage(stream: bytes, begin: int, random: np.random.Generator) -> bytes:
        tenth = (len(stream) - begin) // 10
        at = int(random.integers(begin + tenth, len(stream) - tenth))
        return stream[:at] + (stream[-2:] if ended else b"")

    return damage


def _swapped(stream: bytes, begin: int, _random: np.random.Generator) -> bytes:
    half = (begin + len(stream) - 2) // 2
    return stream[:begin] + stream[half:-2] + stream[begin:half] + stream[-2:]


KINDS: dict[str, Damage] = {
    "16 zeros": _zeros(16),
    "512 zeros, a sector": _zeros(SECTOR_BYTES),
    "zeros in the middle third": _third,
    "cut short": _cut(ended=False),
    "cut short, end marker kept": _cut(ended=True),
    "halves of the scan swapped": _swapped,
    "a bit changed": _changed(1, bits=True),
    "a byte changed": _changed(1),
    "ten bytes changed": _changed(10),
}


def _streams(paths: list[Path]) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Yield the sound level-0 tiles of slides, and their sizes."""
    for path in paths:
        with st.open_slide(path, mpp=0.5) as slide:
            native = slide.native_tiles(0)
            assert native is not None, f"{path} has no tiles that can be copied"
            cells = [(c, r) for r in range(native.rows) for c in range(native.columns)]
            size = native.tile_width_px, native.tile_height_px
            for stream in native.fetch(cells).streams():
                if isinstance(stream, bytes):
                    yield stream, size


def _decodes(check: Callable[[], object]) -> bool:
    try:
        check()
    except JpegError:
        return False
    return True


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slides", nargs="*", type=Path, help="by default four of ../shared/slides")
    paths = parser.parse_args().slides or [SLIDES / name for name in NAMES]
    random, jpegs = np.random.default_rng(7), JpegTiles(tables=None, photometric=6)
    tiles = list(_streams(paths))
    by_scan: Counter[str] = Counter()
    by_decoding: Counter[str] = Counter()
    by_decoding_whole: Counter[str] = Counter()
    for stream, (width, height) in tiles:
        scan = stream.index(b"\xff\xda")
        begin = scan + 2 + int.from_bytes(stream[scan + 2 : scan + 4])
        out = np.empty((height, width, 3), np.uint8)
        for kind, damage in KINDS.items():
            damaged = damage(stream, begin, random)
            by_scan[kind] += isinstance(jpegs.native(damaged, (width, height)), Damaged)
            by_decoding[kind] += not _decodes(lambda data=damaged: check_jpeg(data))
            by_decoding_whole[kind] += not _decodes(
                lambda data=damaged, out=out: decode_jpeg(data, out)
            )
    print(f"of {len(tiles)} tiles: scan, decode, decoding whole")
    for kind in KINDS:
        print(f"{kind:28} {by_scan[kind]:4} {by_decoding[kind]:4} {by_decoding_whole[kind]:4}")
    _time(tiles, jpegs)


def _time(tiles: list[tuple[bytes, tuple[int, int]]], jpegs: JpegTiles) -> None:
    """Print the time that each check takes, the best of five."""
    joined = b"".join(stream for stream, _ in tiles)

    def scan() -> None:
        markers, at = Markers(joined), 0
        for stream, size in tiles:
            jpegs.native(joined, size, at, at + len(stream), markers)
            at += len(stream)

    def decode() -> None:
        for stream, _ in tiles:
            check_jpeg(stream)

    def decode_whole() -> None:
        for stream, (width, height) in tiles:
            decode_jpeg(stream, np.empty((height, width, 3), np.uint8))

    print(f"mean length {len(joined) / len(tiles):.0f} bytes")
    for measured in (scan, decode, decode_whole):
        best = min(_seconds(measured) for _ in range(5))
        print(f"{measured.__name__:13} {best / len(tiles) * 1e6:7.1f} µs a tile")


def _seconds(act: Callable[[], None]) -> float:
    begin = time.process_time()
    act()
    return time.process_time() - begin


if __name__ == "__main__":
    main()
