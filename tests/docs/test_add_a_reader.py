"""docs/how-to/add-a-reader.md, taken at its word: a reader of a toy format, by that page alone.

A .toy file is the line TOY1, a line of JSON, and raw tiles of red, green and blue. The JSON has the
``mpp``, the side of a ``tile`` and the ``levels``: each its width, its height and for each of its
tiles, row by row, where it begins in the file, or null where nothing was scanned.
"""

import inspect
import json
import pickle

import numpy as np
import pytest
from paths import ROOT

import slidetile as st
from slidetile.raster.pixels import blank, paste
from slidetile.slides import DecodedPixels, FileSlide, Level, Reader, readers
from slidetile.slides.mpp import choose_mpp

TILE_PX = 64

# The reader begins here.


class ToySlide(FileSlide):
    """A slide in a .toy file."""

    reader = "toy"
    vendor = "toymaker"

    def __init__(self, path, *, mpp=None):
        super().__init__(path, mpp=mpp)
        with path.open("rb") as file:
            if file.readline(8) != b"TOY1\n":
                raise st.UnsupportedSlideError(f"{path.name} cannot be opened: it is not a TOY.")
            try:
                self._read_header(json.loads(file.readline(1 << 20)), mpp)
            except (ValueError, KeyError, TypeError) as error:
                raise st.SlideReadError(f"{path.name} has a damaged header: {error}.") from error

    def _read_header(self, header, mpp):
        self.mpp = choose_mpp(mpp, (float(header["mpp"]), float(header["mpp"])), self.path)
        self._tile = int(header["tile"])
        if not 1 <= self._tile <= 4096:
            raise ValueError(f"tiles are 1–4096 pixels wide, not {self._tile}")
        sizes = [(int(level["width"]), int(level["height"])) for level in header["levels"]]
        self._levels = tuple(Level.covering(sizes[0], size) for size in sizes)
        self._starts = [level["tiles"] for level in header["levels"]]
        for level, starts in zip(self._levels, self._starts, strict=True):
            if len(starts) != self._across(level) * -(-level.height // self._tile):
                raise ValueError(f"{len(starts)} tiles do not make {level.size[0]} columns")

    def _across(self, level):
        return -(-level.width // self._tile)

    @property
    def levels(self):
        return self._levels

    def fetch_level(self, region, level, background):
        tiles = list(self._tiles(region, level))
        is_covered = sum(inside.area for _, inside in tiles) == region.area
        colour = (255, 255, 255) if is_covered else background()
        canvas = blank(region.width, region.height, self.channels, colour)
        with self.path.open("rb") as file:
            for (start, whole), inside in tiles:
                pixels = self._tile_pixels(file, start)[inside.relative_to(whole).slices]
                paste(canvas, pixels, inside.x - region.x, inside.y - region.y)
        return DecodedPixels(canvas)

    def _tiles(self, region, number):
        """Yield each scanned tile that a region of a level meets, and the part of it within."""
        level, side = self._levels[number], self._tile
        bounds = st.Region(x=0, y=0, width=level.width, height=level.height)
        inside = region.intersection(bounds)
        if inside is None:
            return
        for row in range(inside.y // side, -(-inside.bottom // side)):
            for column in range(inside.x // side, -(-inside.right // side)):
                start = self._starts[number][row * self._across(level) + column]
                if start is not None:
                    whole = st.Region(x=column * side, y=row * side, width=side, height=side)
                    yield (start, whole), whole.intersection(inside)

    def _tile_pixels(self, file, start):
        count = self._tile * self._tile * 3
        file.seek(start)
        data = file.read(count)
        if len(data) < count:
            raise st.DamagedPixelsError(
                f"{self.path.name} is cut short: {count} bytes are wanted from byte {start}, but "
                f"only {len(data)} are there. Copy the file again."
            )
        return np.frombuffer(data, np.uint8).reshape(self._tile, self._tile, 3)


def is_toy(head):
    return head.startswith(b"TOY1\n")


TOY = Reader(name="toy", kind="TOY", recognises=is_toy, open=ToySlide)

# The reader ends here.


def write_toy(path, levels, mpp):
    """Write a .toy file; tiles that are all white count as not scanned."""
    header_bytes, body, described = 1 << 16, b"", []
    for pixels in levels:
        height, width = pixels.shape[:2]
        padded = np.pad(pixels, ((0, -height % TILE_PX), (0, -width % TILE_PX), (0, 0)))
        starts = []
        for y in range(0, height, TILE_PX):
            for x in range(0, width, TILE_PX):
                tile = padded[y : y + TILE_PX, x : x + TILE_PX]
                is_empty = (tile == 255).all()
                starts.append(None if is_empty else header_bytes + len(body))
                body += b"" if is_empty else tile.tobytes()
        described.append({"width": width, "height": height, "tiles": starts})
    header = json.dumps({"mpp": mpp, "tile": TILE_PX, "levels": described}).encode()
    text = b"TOY1\n" + header + b"\n"
    path.write_bytes(text.ljust(header_bytes, b" ") + body)


@pytest.fixture(scope="module")
def pixels(sample):
    """A part of the sample, level 0 and a coarser one, with a corner that was not scanned."""
    with st.open_slide(sample) as slide:
        finest = slide.read_region(st.Region(x=1100, y=700, width=1000, height=900))
    finest[:200, :300] = 255
    coarse = finest.reshape(225, 4, 250, 4, 3).mean(axis=(1, 3)).astype(np.uint8)
    return finest, coarse


@pytest.fixture(scope="module")
def toy(pixels, tmp_path_factory):
    path = tmp_path_factory.mktemp("toy") / "slide.toy"
    write_toy(path, pixels, 0.5)
    return path


@pytest.fixture
def shipped(monkeypatch):
    """The reader in the tuple of readers, as the page says where one is shipped."""
    for module in (readers, st.slides.opening):
        monkeypatch.setattr(module, "READERS", (*module.READERS[:-1], TOY, module.READERS[-1]))


def test_the_reader_is_as_short_as_the_page_says():
    source = inspect.getsource(inspect.getmodule(ToySlide))
    reader = source.partition("# The reader begins here.\n")[2].partition("# The reader ends")[0]
    assert sum(bool(line.strip()) for line in reader.splitlines()) < 100
    page = (ROOT / "docs" / "how-to" / "add-a-reader.md").read_text(encoding="utf-8")
    assert "under a hundred lines" in page


def test_the_slide_is_opened(toy, pixels):
    finest, coarse = pixels
    with st.open_slide(toy, reader=TOY) as slide:
        assert (slide.width, slide.height, slide.mpp) == (1000, 900, (0.5, 0.5))
        assert [level.downsample for level in slide.levels] == [(1, 1), (4, 4)]
        assert (slide.reader, slide.vendor, slide.background) == ("toy", "toymaker", (255,) * 3)
        np.testing.assert_array_equal(slide.read_region(slide.bounds), finest)
        np.testing.assert_array_equal(slide.read_region(slide.bounds, level=1), coarse)
        part = st.Region(x=250, y=150, width=333, height=222)
        np.testing.assert_array_equal(slide.read_region(part), finest[part.slices])
        beyond = slide.read_region(st.Region(x=990, y=890, width=20, height=20))
        np.testing.assert_array_equal(beyond[:10, :10], finest[890:, 990:])
        assert (beyond[10:] == 255).all()
        with pickle.loads(pickle.dumps(slide)) as again:  # noqa: S301  our own bytes
            assert again.source == slide.source


@pytest.mark.usefixtures("shipped")
def test_it_is_recognised_and_does_not_take_others(toy, sample):
    with st.open_slide(toy) as slide, st.open_slide(sample) as other:
        assert (slide.reader, other.reader) == ("toy", "tiff")
    with st.open_slide(toy, reader="toy") as slide:
        assert slide.reader == "toy"


def test_tissue_is_found_tiled_and_verified(toy, pixels, tmp_path):
    recipe = st.Recipe(reader=TOY, codec="zstd", tile=st.TileSpec(size=256))
    with st.open_slide(toy, reader=TOY) as slide:
        tissue = recipe.tissue(slide)
        assert tissue.pieces
        store = st.tile_slide(toy, tmp_path / "toy.zarr", recipe)
        assert len(store) > 0
        assert store.attributes["source"]["reader"] == "toy"
        assert st.verify_store(store.path, slide=slide, deep=True) == ()
    for index, tile in enumerate(store):
        region = store.tile_region(index).intersection(st.Region(x=0, y=0, width=1000, height=900))
        np.testing.assert_array_equal(
            tile[: region.height, : region.width], pixels[0][region.slices]
        )


@pytest.mark.usefixtures("shipped")
def test_the_command_line_takes_it(toy, tmp_path, cli):
    result = cli("info", toy, "--reader", "toy")
    assert result.exit_code == 0
    assert "toymaker" in result.output
    assert cli("tile", toy, "-o", tmp_path / "x.zarr").exit_code == 0
    assert cli("verify", tmp_path / "x.zarr", "--slide", toy, "--deep").exit_code == 0


def test_a_batch_hands_it_to_processes(toy, tmp_path):
    recipe = st.Recipe(reader=TOY, tile=st.TileSpec(size=256))
    reports = [st.tile_slides([toy], tmp_path, recipe, processes=1) for _ in range(2)]
    assert [report.results[0].status for report in reports] == ["ok", "already done"]


def test_damage_is_found(toy, tmp_path, pixels):
    data = toy.read_bytes()
    short, no_json, other = (tmp_path / name for name in ("short.toy", "no_json.toy", "other.toy"))
    short.write_bytes(data[:-100])
    with st.open_slide(short, reader=TOY) as slide:  # the last coarse tile is averaged
        coarse = slide.read_region(slide.bounds, level=1).astype(int)
        assert np.abs(coarse - pixels[1]).max() <= 1
        assert slide.replaced.counts == {1: 1}
    short.write_bytes(data[: len(data) // 2])
    no_json.write_bytes(data.replace(b'"mpp"', b'"ppm"', 1))
    other.write_bytes(data[1:])
    with (
        st.open_slide(short, reader=TOY) as slide,
        pytest.raises(st.DamagedPixelsError, match="cut short"),
    ):
        slide.read_region(slide.bounds)
    with pytest.raises(st.SlideReadError, match="damaged header"):
        st.open_slide(no_json, reader=TOY)
    with pytest.raises(st.UnsupportedSlideError, match="not a TOY"):
        st.open_slide(other, reader=TOY)


def test_a_damaged_tile_is_unreadable_and_the_rest_goes_on(toy, tmp_path):
    data = toy.read_bytes()
    header = json.loads(data.split(b"\n")[1])
    starts = header["levels"][0]["tiles"]
    broken = json.dumps(starts).replace(str(starts[-20]), str(len(data)))
    path = tmp_path / "broken.toy"
    text = json.dumps(header).replace(json.dumps(starts), broken)
    path.write_bytes((b"TOY1\n" + text.encode() + b"\n").ljust(1 << 16, b" ") + data[1 << 16 :])
    store = st.tile_slide(
        path, tmp_path / "x.zarr", st.Recipe(reader=TOY, tile=st.TileSpec(size=256))
    )
    statuses = store.tiles["status"].to_pylist()
    assert 0 < statuses.count("unreadable") < len(statuses)
    assert st.verify_store(store.path, deep=True) == ()
