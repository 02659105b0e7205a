"""A network that fails while a slide is read: the store is right, or a sentence says why not.

Never is what could not be fetched taken for what does not decode.
"""

import itertools
import logging
import threading

import pytest
from object_storage import OPTIONS, Fault

import slidetile as st
from slidetile.cloud.objects import remove_objects, write_object
from slidetile.errors import DamagedPixelsError, SlideReadError
from slidetile.format.names import partial_path

PASSING = {
    "errors of the server": Fault(status=500),
    "throttling": Fault(status=503, code="SlowDown"),
    "cut connections": Fault(cut_after=1000),
    "no bytes at all": Fault(cut_after=0),
    "slow bodies": Fault(pause_s=0.01),
}
LASTING = {
    "errors of the server": (Fault(status=500), r"its server fails after 4 attempts \(500"),
    "throttling": (Fault(status=503, code="SlowDown"), "its server asks to slow down"),
    "cut connections": (Fault(cut_after=1000), "breaks off"),
    "other bytes": (Fault(shift=3), "other bytes than were asked for|sent .* bytes from"),
    "expired credentials": (Fault(status=403, code="ExpiredToken"), "credentials have expired"),
    "no rights": (Fault(status=403, code="AccessDenied"), "access is denied"),
    "gone": (Fault(status=404, code="NoSuchKey"), "no such object"),
}


class Late:
    """Lets requests pass until an overview has been read, and then every one or some fail."""

    def __init__(self, fault, *, after=2, most=None):
        self.count = itertools.count()
        self.fault, self.after, self.most = fault, after, most

    def __call__(self, request):
        number = next(self.count) - self.after
        fails = number >= 0 and (self.most is None or number < self.most)
        return self.fault if fails and request.method == "GET" else None


@pytest.fixture(scope="module")
def undisturbed(long_slide, tmp_path_factory, tree):
    folder = tmp_path_factory.mktemp("undisturbed")
    found = {}
    for codec in ("native", "zstd"):
        st.tile_slide(long_slide, folder / codec, st.Recipe(codec=codec))
        found[codec] = tree(folder / codec)
    return found


@pytest.mark.parametrize("codec", ["native", "zstd"])
@pytest.mark.parametrize("what", PASSING)
def test_what_passes_is_waited_for(lab, long_slide, undisturbed, tmp_path, tree, what, codec):
    address = lab.put(long_slide)
    lab.proxy.fault = Late(PASSING[what], after=1, most=3)
    st.tile_slide(address, tmp_path / "a.zarr", st.Recipe(codec=codec))
    assert tree(tmp_path / "a.zarr") == undisturbed[codec]


@pytest.mark.parametrize("codec", ["native", "zstd"])
@pytest.mark.parametrize("what", LASTING)
def test_what_lasts_is_told_and_the_run_is_continued(
    lab, long_slide, undisturbed, tmp_path, tree, what, codec
):
    address = lab.put(long_slide)
    fault, sentence = LASTING[what]
    lab.proxy.fault = Late(fault)
    with pytest.raises(SlideReadError, match=sentence) as failed:
        st.tile_slide(address, tmp_path / "a.zarr", st.Recipe(codec=codec))
    assert not isinstance(failed.value, DamagedPixelsError)
    assert not (tmp_path / "a.zarr").exists()
    lab.proxy.clear()
    st.tile_slide(address, tmp_path / "a.zarr", st.Recipe(codec=codec))
    assert tree(tmp_path / "a.zarr") == undisturbed[codec]


def read_whole(address):
    with st.open_slide(address) as slide:
        slide.read_region(slide.bounds)
        return slide.source


@pytest.mark.parametrize("what", LASTING)
@pytest.mark.parametrize("after", range(4))
def test_a_slide_is_not_opened_by_half(lab, shared_slides, what, after):
    """Whatever of the directories cannot be read, no level and no mpp is left out for it."""
    for name in ("dicom-CMU-1-Small-Region", "test3-DAPI.ndpi"):
        address = lab.put(shared_slides / name)
        fault, sentence = LASTING[what]
        lab.proxy.fault = Late(fault, after=after)
        if what == "gone" and not after:
            sentence = "no such object|is a folder|does not exist"
        with pytest.raises(SlideReadError, match=sentence):
            read_whole(address)
        lab.proxy.clear()


@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_a_slide_that_is_replaced_under_a_run_is_a_failure_and_no_mixture(
    lab, long_slide, undisturbed, tmp_path, tree, codec
):
    address = lab.put(long_slide)
    data = long_slide.read_bytes()
    other = bytearray(data)
    other[1000] ^= 1
    replaces = threading.Lock()

    def replace(request):
        if request.method == "GET" and len(lab.proxy.of("GET")) > 2 and replaces.acquire(False):
            write_object(address, [bytes(other)])

    lab.proxy.fault = replace
    with pytest.raises(SlideReadError, match="changed while it was read: it was replaced"):
        st.tile_slide(address, tmp_path / "a.zarr", st.Recipe(codec=codec))
    lab.proxy.clear()
    assert not (tmp_path / "a.zarr").exists()
    assert not partial_path(tmp_path / "a.zarr").exists()
    write_object(address, [data])
    st.tile_slide(address, tmp_path / "a.zarr", st.Recipe(codec=codec))
    assert tree(tmp_path / "a.zarr") == undisturbed[codec]


def test_a_slide_that_was_replaced_after_its_last_byte_was_read_fails_too(lab, sample, tmp_path):
    address = lab.put(sample)
    slide = st.open_slide(address)
    plan = st.Recipe().plan(slide)
    write_object(address, [sample.read_bytes() + b"\0"])
    with slide, pytest.raises(SlideReadError, match="changed while it was read"):
        st.write_tiles(slide, plan, tmp_path / "a.zarr")
    assert not (tmp_path / "a.zarr").exists()


def test_a_slide_that_vanishes_under_a_run_is_told(lab, sample, tmp_path):
    address = lab.put(sample)
    slide = st.open_slide(address)
    plan = st.Recipe().plan(slide)
    remove_objects([address])
    with slide, pytest.raises(SlideReadError, match=r"sample\.svs is gone"):
        st.write_tiles(slide, plan, tmp_path / "a.zarr")


def test_no_secret_is_printed_logged_or_written(lab, long_slide, tmp_path, cli, caplog):
    caplog.set_level(logging.DEBUG)
    address = lab.put(long_slide)
    out = []
    for fault in (None, Fault(status=403, code="AccessDenied"), Fault(status=500)):
        lab.proxy.fault = Late(fault)
        for arguments in (
            ("-vv", "tile", address, "-o", tmp_path / "a.zarr"),
            ("-vv", "tile", address, "-o", tmp_path / f"{fault and fault.status}.zarr"),
            ("-vv", "info", address, "--json"),
            ("-vv", "batch", address, "-o", tmp_path / f"batch{fault and fault.status}"),
        ):
            done = cli(*arguments)
            out += [done.output, done.stderr, str(done.exception)]
        lab.proxy.clear()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    told = "".join(out) + caplog.text
    for secret in (OPTIONS["secret_access_key"], "AWS4-HMAC"):
        assert secret not in told
        assert secret.encode() not in written
