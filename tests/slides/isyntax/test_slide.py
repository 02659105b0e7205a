"""Philips iSyntax. No real file could be had: an image in memory stands in for the library's."""

import sys
import threading

import numpy as np
import pytest
from pictures import pattern

import slidetile as st
from slidetile.slides.isyntax._library import IsyntaxLevel
from slidetile.slides.isyntax._source import NotingSource
from slidetile.slides.isyntax.slide import IsyntaxSlide
from slidetile.slides.reader import FinalRefusalError
from slidetile.slides.slide_file import LocalFile

HEAD = b'<?xml version="1.0" encoding="utf-8"?>\n<DataObject ObjectType="DPUfsImport">'
CRASHES = HEAD + (
    b'<Attribute Name="PIM_DP_SCANNED_IMAGES" Group="0x301D" Element="0x1003" '
    b'PMSVR="IDataObjectArray"><Array><DataObject ObjectType="DPScannedImage">'
    b'<Attribute Name="PIM_DP_IMAGE_TYPE" Group="0x301D" Element="0x1004" PMSVR="IString">WSI'
    b"</Attribute></DataObject></Array></Attribute></DataObject>\r\n\x04" + bytes(100)
)
"""Well-formed, and without the sizes that libisyntax divides by."""

LEVELS = [pattern(300, 421), pattern(150, 210, seed=1)]


class Image:
    """What the library would read, in memory, by one thread at a time, and bytes of a file."""

    mpp = (0.25, 0.25)

    def __init__(self, source):
        self.levels = [
            IsyntaxLevel(width=each.shape[1], height=each.shape[0], downsample=1 << number)
            for number, each in enumerate(LEVELS)
        ]
        self._source = source
        self._used = threading.Lock()
        self.reads_at = 0
        self.is_closed = False

    def read(self, region, level):
        assert self._used.acquire(blocking=False), "two threads at once"
        try:
            assert not self.is_closed
            assert st.Region(x=0, y=0, width=421 >> level, height=300 >> level).contains(region)
            self._source.seek(self.reads_at)
            self._source.readinto(bytearray(64))
            return LEVELS[level][region.slices]
        finally:
            self._used.release()

    def close(self):
        self.is_closed = True


class InMemory(IsyntaxSlide):
    """A slide whose image is in memory."""

    def _opened(self):
        self._source.is_whole = True
        return Image(self._source)


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "a.isyntax"
    found.write_bytes(HEAD + bytes(1000))
    return found


def test_regions_come_to_their_place(path):
    with InMemory(path) as slide:
        assert (slide.reader, slide.vendor, slide.mpp) == ("isyntax", "philips", (0.25, 0.25))
        assert [level.size for level in slide.levels] == [(421, 300), (210, 150)]
        assert [level.downsample for level in slide.levels] == [(1, 1), (2, 2)]
        twin = st.ArraySlide(LEVELS[0])
        for region in (
            st.Region(x=-5, y=-7, width=50, height=40),
            st.Region(x=400, y=290, width=100, height=90),
            st.Region(x=9000, y=0, width=3, height=3),
        ):
            np.testing.assert_array_equal(slide.read_region(region), twin.read_region(region))
        np.testing.assert_array_equal(slide.read_region(slide.bounds, level=1), LEVELS[1])
        assert slide.native_obstacle(0) == "wavelets, which Philips alone stores"
    slide.close()
    with pytest.raises(ValueError, match="is closed"):
        slide.read_region(slide.bounds)


def test_threads_take_turns(path):
    with InMemory(path) as slide:
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(slide.read_region(slide.bounds)))
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 6
        assert all((each == LEVELS[0]).all() for each in found)


def test_a_file_that_ends_too_early_stops_the_run_for_good(path):
    with InMemory(path) as slide:
        slide._image.reads_at = path.stat().st_size - 10
        for _ in range(2):
            with pytest.raises(st.SlideReadError, match="is cut short, or damaged") as caught:
                slide.read_region(slide.bounds)
            assert not isinstance(caught.value, st.DamagedPixelsError)
            slide._image.reads_at = 0


def test_a_file_that_changes_stops_the_run(path):
    with InMemory(path) as slide:
        path.write_bytes(HEAD)
        with pytest.raises(st.SlideReadError, match="changed while it was read"):
            slide.read_region(slide.bounds)


def test_the_source_gives_the_bytes_of_the_file_and_never_raises(path):
    whole = path.read_bytes()
    file = LocalFile(path)
    source = NotingSource(file)
    buffer = bytearray(b"\xff" * 40)
    source.seek(10)
    assert (source.readinto(buffer), bytes(buffer)) == (40, whole[10:50])
    assert (source.readinto(buffer), bytes(buffer)) == (40, whole[50:90])
    source.seek(len(whole) - 5)
    assert source.readinto(buffer) == 5
    assert bytes(buffer) == whole[-5:] + bytes(35)
    assert source.failure is None  # the header may be read beyond the end
    source.is_whole = True
    for offset in (len(whole), -1, 1 << 62):
        source.seek(offset)
        assert source.readinto(buffer) == 0
    assert "cut short" in str(source.failure)
    file.close()


def test_without_pyisyntax_the_error_says_what_to_install(path, monkeypatch, cli, tmp_path):
    monkeypatch.setitem(sys.modules, "isyntax", None)
    words = r"it is a Philips iSyntax slide.*pip install 'slidetile\[isyntax\]'"
    for reader in (None, "isyntax"):
        with pytest.raises(FinalRefusalError, match=words):
            st.open_slide(path, reader=reader)
    out = tmp_path / "out"
    assert cli("batch", path.parent, "-o", out, "--processes", 0).exit_code == 1
    assert "pip install 'slidetile[isyntax]'" in (out / "summary.csv").read_text()


@pytest.mark.parametrize(
    "content",
    [
        HEAD,
        HEAD + bytes(range(256)) * 50,
        HEAD + b"</DataObject>\r\n\x04" + bytes(5000),
        HEAD + b"<a>" * 10_000 + b"\r\n\x04" + bytes(100),
    ],
)
def test_what_the_library_does_not_open_is_an_error(tmp_path, content):
    pytest.importorskip("isyntax")
    path = tmp_path / "a.isyntax"
    path.write_bytes(content)
    with pytest.raises(st.SlideError, match="it is a Philips iSyntax slide that libisyntax"):
        st.open_slide(path)


def test_a_crash_of_the_library_costs_only_that_slide(tmp_path, cli):
    pytest.importorskip("isyntax")
    folder, out = tmp_path / "slides", tmp_path / "out"
    folder.mkdir()
    (folder / "a.isyntax").write_bytes(CRASHES)
    (folder / "b.svs").write_bytes(b"?" * 100)
    assert cli("batch", folder, "-o", out, "--processes", 1).exit_code == 1
    rows = (out / "summary.csv").read_text()
    assert "a.isyntax" in rows
    assert "b.svs" in rows
    told = cli("info", folder / "a.isyntax", "--isolate")
    assert told.exit_code == 1
    assert "a library crashed on it" in told.output + told.stderr


def test_another_file_is_left_to_others(tmp_path):
    path = tmp_path / "a.isyntax"
    path.write_bytes(b"<other/>")
    with pytest.raises(st.UnsupportedSlideError, match="it is an XML file"):
        st.open_slide(path, reader="isyntax")
    with pytest.raises(st.UnsupportedSlideError, match="it is no iSyntax"):
        IsyntaxSlide(path)
