"""Slides that a library reads as files are fetched whole, once for all processes, in a bound."""

import errno
import fcntl
import multiprocessing
import os
import pickle
import shutil
import stat
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from czi_files import mosaic, write_czi
from object_storage import Fault
from ome_zarr import write_image
from PIL import Image
from vendor_files import write_mirax, write_vms

import slidetile as st
from slidetile.cloud.address import Address
from slidetile.cloud.objects import object_state, write_object
from slidetile.cloud.options import set_storage_options, storage_options
from slidetile.cloud.scratch import PIECE_BYTES, Scratch
from slidetile.errors import SlideReadError, UnsupportedSlideError

DATA = os.urandom(3 * PIECE_BYTES + 17)


@pytest.fixture
def scratch(lab, tmp_path):  # noqa: ARG001  it puts the options back
    folder = tmp_path / "scratch"
    set_storage_options({**storage_options(), "scratch": str(folder)})
    return Scratch(folder=folder)


def there(address, data=DATA):
    """Upload an object, and return what a scratch folder fetches."""
    address = Address.parse(str(address))
    write_object(address, [data])
    return {address.name: (address, object_state(address))}


def entries(scratch):
    return sorted(path.name for path in scratch.own.iterdir() if path.is_dir())


def test_what_openslide_reads_is_fetched_once_and_read_as_on_a_disk(
    lab, scratch, scanned_slide, tmp_path, tree
):
    address = Address.parse(str(lab.put(scanned_slide)))
    with st.open_slide(scanned_slide) as here, st.open_slide(address) as slide:
        assert slide.reader == here.reader == "openslide"
        assert slide.source == here.source
        assert np.array_equal(slide.read_region(slide.bounds), here.read_region(here.bounds))
        with pickle.loads(pickle.dumps(slide)) as again:  # noqa: S301  our own
            assert again.source == slide.source
    lab.proxy.clear()
    st.tile_slide(scanned_slide, tmp_path / "here", st.Recipe(codec="zstd"))
    st.tile_slide(address, tmp_path / "there", st.Recipe(codec="zstd"))
    assert tree(tmp_path / "there") == tree(tmp_path / "here")
    assert lab.proxy.fetched_bytes <= 2 * (1 << 20)  # its beginning and end, to know it by
    assert len(entries(scratch)) == 1


WRITERS = {
    "slide.mrxs": lambda path: write_mirax(path, NOISE),
    "slide.vms": lambda path: write_vms(path, NOISE),
    "slide.czi": lambda path: write_czi(path, mosaic([NOISE])),
    "slide.ome.zarr": lambda path: write_image(path, [NOISE]),
    "slide.png": lambda path: Image.fromarray(NOISE).save(path),
}
NOISE = np.random.default_rng(0).integers(0, 255, (512, 768, 3), np.uint8)


@pytest.mark.parametrize("name", WRITERS)
def test_all_files_of_a_slide_are_fetched(lab, scratch, tmp_path, name):
    folder = tmp_path / "slides"
    folder.mkdir()
    WRITERS[name](folder / name)
    address = lab.put(folder) / name
    write_object(address.with_name("other.txt"), [b"of nobody"])
    with st.open_slide(folder / name) as here, st.open_slide(str(address)) as slide:
        assert slide.reader == here.reader
        assert slide.source == here.source
        assert np.array_equal(slide.read_region(slide.bounds), here.read_region(here.bounds))
        assert slide.files
    (entry,) = (scratch.own / each for each in entries(scratch))
    fetched = {path.relative_to(entry) for path in entry.rglob("*") if path.is_file()}
    there = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    assert fetched == there


def test_what_is_no_slide_is_not_fetched(lab, scratch):
    for name, data in (("a.bin", b"\x01" * 9000), ("a.zip", b"PK\x03\x04" + bytes(9000))):
        write_object(lab.home / name, [data])
        with pytest.raises(UnsupportedSlideError, match=f"{name} cannot be opened"):
            st.open_slide(str(lab.home / name))
    assert not scratch.own.exists()


def test_nobody_else_can_read_it(lab, scratch):
    lease = scratch.fetch(there(lab.home / "a.bin"))
    assert (lease.folder / "a.bin").read_bytes() == DATA
    for path in (scratch.own, lease.folder, lease.folder / "a.bin"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077
    lease.release()
    lease.release()


def test_a_folder_of_somebody_else_is_not_used(lab, scratch, tmp_path):
    scratch.folder.mkdir()
    (tmp_path / "elsewhere").mkdir()
    scratch.own.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="not a folder of yours"):
        scratch.fetch(there(lab.home / "a.bin"))


def test_a_folder_that_others_could_read_is_closed(lab, scratch):
    scratch.own.mkdir(parents=True, mode=0o755)
    scratch.fetch(there(lab.home / "a.bin")).release()
    assert stat.S_IMODE(scratch.own.stat().st_mode) == 0o700


def test_pieces_are_fetched_side_by_side_and_once(lab, scratch):
    files = there(lab.home / "a.bin")
    lab.proxy.clear()
    scratch.fetch(files).release()
    scratch.fetch(files).release()
    assert len(lab.proxy.of("GET")) == 4
    assert lab.proxy.fetched_bytes == len(DATA)


def test_another_content_is_another_entry(lab, scratch):
    one = scratch.fetch(there(lab.home / "a.bin"))
    two = scratch.fetch(there(lab.home / "a.bin", DATA[::-1]))
    assert (one.folder / "a.bin").read_bytes() == DATA
    assert (two.folder / "a.bin").read_bytes() == DATA[::-1]
    one.release()
    two.release()


def test_the_longest_unused_makes_room(lab, scratch):
    bound = Scratch(folder=scratch.folder, most_bytes=2 * len(DATA) + 10)
    found = [there(lab.home / f"{n}.bin") for n in range(3)]
    for files in (found[0], found[1], found[0], found[2]):
        lease = bound.fetch(files)
        os.utime(lease.folder, ns=(len(entries(scratch)),) * 2)
        lease.release()
    assert len(entries(scratch)) == 2
    lab.proxy.clear()
    bound.fetch(found[2]).release()
    assert not lab.proxy.requests


def test_what_is_in_use_stays_and_what_cannot_fit_is_told(lab, scratch):
    bound = Scratch(folder=scratch.folder, most_bytes=len(DATA) + 10)
    lease = bound.fetch(there(lab.home / "a.bin"))
    with pytest.raises(OSError, match=r"besides the .* that this process reads") as failed:
        bound.fetch(there(lab.home / "b.bin"))
    assert failed.value.errno == errno.ENOSPC
    assert (lease.folder / "a.bin").read_bytes() == DATA
    lease.release()
    bound.fetch(there(lab.home / "b.bin")).release()
    assert len(entries(scratch)) == 1


@pytest.mark.usefixtures("scratch")
def test_a_slide_beyond_the_bound_is_told(lab, scanned_slide):
    address = lab.put(scanned_slide)
    options = {**storage_options(), "scratch_bytes": "1000"}
    with pytest.raises(SlideReadError, match="may hold 1,000: give more with --scratch-bytes"):
        st.open_slide(str(address), storage_options=options)
    with pytest.raises(SlideReadError, match="scratch_bytes is a whole number"):
        st.open_slide(str(address), storage_options={**options, "scratch_bytes": "many"})


def test_a_disk_without_room_is_told_and_nothing_is_left(lab, small_disk):
    place, _ = small_disk
    scratch = Scratch(folder=place)
    with pytest.raises(OSError, match=r"bytes are to be fetched, and the scratch folder may hold"):
        scratch.fetch(there(lab.home / "a.bin"))
    scratch = Scratch(folder=place, most_bytes=1 << 40)
    with pytest.raises(OSError, match=r"its disk has .* free: give another with --scratch"):
        scratch.fetch(there(lab.home / "a.bin"))
    assert not entries(scratch)


def _hold(folder, files, held, done):
    lease = Scratch(folder=folder).fetch(files)
    held.set()
    done.wait(60)
    lease.release()


def test_what_another_process_reads_is_waited_for(lab, scratch):
    bound = Scratch(folder=scratch.folder, most_bytes=len(DATA) + 10, longest_wait_s=0.5)
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    files = there(lab.home / "a.bin")
    process = context.Process(target=_hold, args=(scratch.folder, files, held, done))
    process.start()
    assert held.wait(60)
    other = there(lab.home / "b.bin")
    with pytest.raises(OSError, match="what other processes read takes the rest"):
        bound.fetch(other)
    assert len(entries(scratch)) == 1
    threading.Timer(0.3, done.set).start()
    Scratch(folder=scratch.folder, most_bytes=len(DATA) + 10).fetch(other).release()
    process.join()
    assert len(entries(scratch)) == 1


@pytest.mark.parametrize("fault", [Fault(status=500), Fault(cut_after=10), Fault(status=403)])
def test_a_download_that_fails_leaves_nothing(lab, scratch, fault):
    files = there(lab.home / "a.bin")
    lab.proxy.fault = lambda _: fault
    with pytest.raises(OSError, match=r"server|denied|breaks off"):
        scratch.fetch(files)
    assert not entries(scratch)
    lab.proxy.clear()
    scratch.fetch(files).release()
    assert len(entries(scratch)) == 1


def test_an_object_that_is_replaced_while_it_is_fetched_is_no_mixture(lab, scratch):
    files = there(lab.home / "a.bin")
    replaced = threading.Lock()

    def replace(request):
        if request.method == "GET" and replaced.acquire(blocking=False):
            write_object(lab.home / "a.bin", [DATA[::-1]])

    lab.proxy.fault = replace
    with pytest.raises(OSError, match="replaced or changed meanwhile"):
        scratch.fetch(files)
    assert not entries(scratch)


def test_what_a_killed_process_left_is_fetched_anew(lab, scratch):
    files = there(lab.home / "a.bin")
    lease = scratch.fetch(files)
    lease.release()
    partial = Path(f"{lease.folder}.partial")
    lease.folder.rename(partial)
    (partial / "a.bin").write_bytes(b"half of it")
    again = scratch.fetch(files)
    assert (again.folder / "a.bin").read_bytes() == DATA
    again.release()
    assert entries(scratch) == [lease.folder.name]


def _fetch(folder, files, barrier, ended):
    barrier.wait()
    lease = Scratch(folder=folder).fetch(files)
    ended.put((lease.folder / "a.bin").stat().st_size)
    lease.release()


def test_one_process_fetches_and_the_others_wait(lab, scratch):
    files = there(lab.home / "a.bin")
    lab.proxy.clear()
    context = multiprocessing.get_context("spawn")
    barrier, ended = context.Barrier(3), context.Queue()
    processes = [
        context.Process(target=_fetch, args=(scratch.folder, files, barrier, ended))
        for _ in range(3)
    ]
    for process in processes:
        process.start()
    assert [ended.get(timeout=60) for _ in processes] == [len(DATA)] * 3
    for process in processes:
        process.join()
    assert lab.proxy.fetched_bytes == len(DATA)
    assert len(entries(scratch)) == 1


@pytest.mark.parametrize("held", ["entry", "room"])
def test_a_process_that_hangs_is_not_waited_for_without_end(lab, scratch, held):
    files = there(lab.home / "a.bin")
    scratch.fetch(files).release()
    lease = scratch.fetch(files)
    entry = lease.folder
    lease.release()
    shutil.rmtree(entry)  # as if it were being fetched
    name = f"{entry.name}.lock" if held == "entry" else "room.lock"
    with (scratch.own / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TimeoutError, match=r"another process has held it .* --scratch"):
            replace(scratch, longest_wait_s=0.3).fetch(files)
    scratch.fetch(files).release()


def test_what_is_being_fetched_is_seen_to_grow(scratch):
    scratch.own.mkdir(parents=True)
    assert scratch._fetched("x-9") == []
    (scratch.own / "x-9.partial").mkdir()
    file = scratch.own / "x-9.partial" / "a.svs"
    file.write_bytes(b"some")
    before = scratch._fetched("x-9")
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
    assert scratch._fetched("x-9") != before
