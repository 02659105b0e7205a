"""Slides in object storage are tiled as those of a disk are, byte for byte, with few requests."""

import itertools
import pickle
import subprocess
import sys

import numpy as np
import pytest
from object_storage import FileServer, Proxy
from paths import SAMPLES

import slidetile as st
from slidetile.cloud.address import Address
from slidetile.cloud.objects import write_object
from slidetile.errors import SlideReadError, UnsupportedSlideError
from slidetile.slides.overview import overview_level
from slidetile.writing.estimate import estimate

SLIDES = [
    "made/brightfield.ndpi",
    "made/dicom_fragments.dcm",
    "made/dicom_sparse.dcm",
    "made/motic.svs",
    "made/philips.tiff",
    "made/leica.scn",
    "CMU-1-Small-Region.svs",
    "test3-DAPI.ndpi",
    "petebankhead-OS-1-detail.ome.tif",
    "dicom-CMU-1-Small-Region",
    "wsic-CMU-1-Small-Region.jpeg.tiff",
    "CMU-1-small.tiff",
]
UNIT_BYTES = 2 << 20


def tiled(slide, folder, **options):
    return st.tile_slide(slide, folder, st.Recipe(**options))


@pytest.mark.parametrize("name", SLIDES)
def test_any_slide_is_what_it_is_on_a_disk(lab, shared_slides, name):
    path = shared_slides / name
    address = lab.put(path)
    with st.open_slide(path) as here, st.open_slide(address) as there:
        assert there.source == here.source
        assert there.reader == here.reader
        assert there.levels == here.levels
        assert (there.mpp, there.vendor, there.bits) == (here.mpp, here.vendor, here.bits)
        assert there.background == here.background
        for level in range(len(here.levels)):
            pixels = (each.read_region(here.bounds, level=level) for each in (here, there))
            assert np.array_equal(*pixels)


@pytest.mark.parametrize("codec", ["native", "zstd"])
@pytest.mark.parametrize("name", ["sample", "test3-DAPI.ndpi", "dicom-CMU-1-Small-Region"])
def test_a_store_is_that_of_the_slide_on_a_disk(
    lab, sample, shared_slides, tmp_path, tree, codec, name
):
    path = sample if name == "sample" else shared_slides / name
    address = lab.put(path)
    tiled(path, tmp_path / "here", codec=codec)
    tiled(address, tmp_path / "there", codec=codec)
    assert tree(tmp_path / "there") == tree(tmp_path / "here")


@pytest.mark.parametrize("options", [{"codec": "jpeg"}, {"codec": "zstd", "mpp": 1.1}])
def test_a_long_slide_is_encoded_as_on_a_disk(lab, long_slide, tmp_path, tree, options):
    address = lab.put(long_slide)
    tiled(long_slide, tmp_path / "here", **options)
    tiled(address, tmp_path / "there", **options)
    assert tree(tmp_path / "there") == tree(tmp_path / "here")
    assert lab.proxy.fetched_bytes < 1.1 * long_slide.stat().st_size


def test_a_folder_of_a_bucket_with_a_series_is_one_slide(lab, shared_slides):
    address = lab.put(shared_slides / "dicom-CMU-1-Small-Region")
    lists = [each for each in lab.proxy.requests if "list-type" in each.query]
    with st.open_slide(address) as slide:
        assert slide.reader == "dicom"
    assert len(lists) <= 2


def test_other_slides_beside_a_series_are_told(lab, shared_slides, sample):
    address = lab.put(shared_slides / "dicom-CMU-1-Small-Region")
    write_object(address / "other.svs", [sample.read_bytes()])
    with pytest.raises(UnsupportedSlideError, match=r"1 other slide \(other.svs\)"):
        st.open_slide(address)


def test_what_is_not_there_is_told(lab, sample):
    address = lab.put(sample)
    with pytest.raises(SlideReadError, match=r"none.svs cannot be read: no such object"):
        st.open_slide(lab.home / "none.svs")
    with pytest.raises(SlideReadError, match="is a folder, not a slide"):
        st.open_slide(address.parent)
    write_object(lab.home / "empty.svs", [])
    with pytest.raises(SlideReadError, match=r"is empty \(0 bytes\)"):
        st.open_slide(lab.home / "empty.svs")
    with pytest.raises(SlideReadError, match="the bucket nowhere does not exist"):
        st.open_slide("s3://nowhere/a.svs")


def test_opening_takes_two_requests_and_the_fingerprint_no_more(lab, sample):
    address = lab.put(sample)
    with st.open_slide(address) as slide:
        assert slide.source.name == sample.name
        assert slide.background == (255, 255, 255)
        assert len(lab.proxy.requests) <= 2
        st.Recipe().plan(slide)
    assert lab.proxy.fetched_bytes <= sample.stat().st_size
    assert len(lab.proxy.requests) <= 2


def test_options_may_be_given_with_the_slide(lab, sample):
    address = lab.put(sample)
    text = str(address)
    given = {**address.options, "region": "eu-north-1"}
    with st.open_slide(text, storage_options=given) as slide:
        assert slide.path.options["region"] == "eu-north-1"
        with pickle.loads(pickle.dumps(slide)) as again:  # noqa: S301  our own
            assert again.path.options == slide.path.options
            assert again.source == slide.source


def test_a_closed_slide_is_not_read(lab, sample):
    slide = st.open_slide(lab.put(sample))
    slide.close()
    slide.close()
    with pytest.raises(ValueError, match="is closed"):
        slide.read_region(slide.bounds, level=1)


@pytest.fixture
def served(tmp_path):
    """A folder whose files a web server behind a proxy serves."""
    server = FileServer(tmp_path)
    proxy = Proxy(server)
    yield tmp_path, proxy
    proxy.close()
    server.close()


def spans(proxy):
    return sorted(
        tuple(map(int, each.range.removeprefix("bytes=").split("-")))
        for each in proxy.of("GET")
        if each.range and each.status == 206
    )


def directory_bytes(path):
    """What a drawn slide has behind its last tile: directories and the small pictures."""
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        tables = [p.dataoffsets[-1] + p.databytecounts[-1] for p in tiff.pages]
    return path.stat().st_size - max(tables)


def copied_bytes(path):
    from slidetile.writing._copying import Copying

    with st.open_slide(path) as slide:
        plan = st.Recipe().plan(slide)
        number, _ = overview_level(slide)
        coarse = sum(int(grid.counts.sum()) for grid in slide._grids[number:])
        return Copying(slide, plan).stored_bytes(), coarse


def check_counts(path, proxy, folder):
    address = f"{proxy.endpoint}/{path.name}"
    planned, coarse = copied_bytes(path)
    directory = directory_bytes(path)
    with st.open_slide(address) as slide:
        plan = st.Recipe().plan(slide)
        for codec in ("native", "zstd"):
            cost = estimate(slide, plan, folder / "there", codec=codec)
            assert cost.bytes > 0
            assert cost.seconds > 0
    overview = directory + coarse + (1 << 20)  # the first MiB says what it is
    assert proxy.fetched_bytes <= 1.1 * overview
    assert len(proxy.requests) <= overview / UNIT_BYTES + 3
    proxy.clear()
    tiled(address, folder / "there")
    assert proxy.fetched_bytes <= 1.1 * (planned + directory + coarse)
    assert len(proxy.requests) <= proxy.fetched_bytes / UNIT_BYTES + 3
    found = spans(proxy)
    assert all(one[1] < two[0] for one, two in itertools.pairwise(found))
    assert proxy.most_at_once > 2


def test_native_tiles_come_in_few_large_requests_and_no_byte_twice(served, wide_slide, tree):
    folder, proxy = served
    path = folder / wide_slide.name
    path.hardlink_to(wide_slide)
    check_counts(path, proxy, folder)
    tiled(path, folder / "here")
    assert tree(folder / "there") == tree(folder / "here")


@pytest.mark.parametrize("size", [1024, 256])
def test_encoding_fetches_little_more_than_the_planned_tiles(served, long_slide, size):
    """Though it reads squares, which a plan of small tiles may fill in part."""
    folder, proxy = served
    path = folder / long_slide.name
    path.hardlink_to(long_slide)
    recipe = st.Recipe(codec="jpeg", tile=st.TileSpec(size=size))
    with recipe.open(path) as slide:
        grid = slide._grids[0]
        regions = recipe.plan(slide).regions
        planned = {block.index for region in regions for block in grid.blocks(region)}
        needed = int(grid.counts[list(planned)].sum())
        number, _ = overview_level(slide)
        coarse = sum(int(each.counts.sum()) for each in slide._grids[number:])
    st.tile_slide(f"{proxy.endpoint}/{path.name}", folder / "there", recipe)
    fetched = needed + coarse + directory_bytes(path) + (1 << 20)  # the first MiB, too
    assert proxy.fetched_bytes <= 1.1 * fetched


@pytest.mark.slow
def test_a_giant_slide_comes_in_few_large_requests(served):
    folder, proxy = served
    path = folder / "giant.svs"
    size = ["--width", "100000", "--height", "80000"]
    subprocess.run(
        [sys.executable, SAMPLES / "make_slide.py", path, *size], check=True, capture_output=True
    )
    check_counts(path, proxy, folder)


def test_without_the_extra_a_sentence_says_so(tmp_path):
    code = (
        "import sys; sys.modules['obstore'] = None\n"
        "from slidetile.cli.commands import main\n"
        "main(['info', 's3://bucket/a.svs'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr.strip().startswith("error: s3://bucket is in object storage")
    assert "pip install 'slidetile[cloud]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_option_is_told_without_its_value():
    options = {"colour": "sekret"}
    with pytest.raises(SlideReadError, match="s3://lab cannot be used") as failed:
        st.open_slide("s3://lab/a.svs", storage_options=options)
    assert "sekret" not in str(failed.value)


def test_an_address_in_a_folder_is_itself(tmp_path):
    address = Address.parse("s3://lab/a.svs")
    assert tmp_path / address is address
