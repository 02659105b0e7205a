"""A store in a bucket is read as one on this machine, in few requests, several at a time."""

import multiprocessing
import os
import pickle
import threading

import numpy as np
import pytest
import zarr
from object_storage import BUCKET, OPTIONS

import slidetile as st
from slidetile.cloud.address import Address
from slidetile.cloud.objects import IN_FLIGHT, objects_below, remove_objects, write_object
from slidetile.cloud.options import using_storage_options
from slidetile.store import _ahead
from slidetile.store._ahead import ChunksAhead

CODECS = ("native", "zstd", "jpeg", "raw")


@pytest.fixture(scope="module")
def made(long_slide, made_once):
    """A store of each codec, of a slide whose level 0 has several shards."""

    def fill(folder):
        for codec in CODECS:
            recipe = st.Recipe(tile=st.TileSpec(size=512), codec=codec)
            st.tile_slide(long_slide, folder / f"{codec}.zarr", recipe)

    return made_once("remote", fill)


@pytest.fixture(scope="module")
def uploaded(made, s3_process):
    """Where these stores are in a bucket."""
    with using_storage_options({**OPTIONS, "endpoint": s3_process.endpoint}):
        home = Address.parse(f"s3://{BUCKET}/{os.urandom(6).hex()}")
        for file in (path for path in made.rglob("*") if path.is_file()):
            write_object(home / file.relative_to(made).as_posix(), [file.read_bytes()])
    return str(home)


@pytest.fixture(params=CODECS)
def both(made, uploaded, lab, request):
    """A store here, the same one in a bucket, and the proxy before it."""
    name = f"{request.param}.zarr"
    return st.open_store(made / name), st.open_store(f"{uploaded}/{name}"), lab.proxy


@pytest.fixture
def jpeg(made, uploaded, lab):
    here, there = st.open_store(made / "jpeg.zarr"), st.open_store(f"{uploaded}/jpeg.zarr")
    return here, there, lab.proxy


def alike(found, expected):
    return all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_all_that_is_in_it_is_read(both):
    here, there, _ = both
    assert there.metadata == here.metadata
    assert there.tiles == here.tiles
    assert there.levels == here.levels
    assert np.array_equal(there.overview, here.overview)
    assert np.array_equal(there.tissue, here.tissue)
    assert alike(there, here)
    assert alike(there.select([7, 0, 7, 3]), here.select([7, 0, 7, 3]))
    assert np.array_equal(there[-1], here[-1])
    for level in range(len(here.levels)):
        region = st.Region(x=-40, y=900, width=2300, height=1200)
        expected = here.read_region(region, level=level)
        assert np.array_equal(there.read_region(region, level=level), expected)


@pytest.mark.parametrize(
    "asked",
    [
        {"size": 256},
        {"size": 300, "stride": 170, "min_tissue_fraction": 0.0},
        {"size": 200, "mpp": 1.3},
        {"size": 700, "edge": "keep", "min_tissue_fraction": 0.0},
    ],
)
def test_windows_are_those_of_a_local_store(both, asked):
    here, there, _ = both
    expected, found = here.windows(**asked), there.windows(**asked)
    assert len(found) > 4
    assert alike(found, expected)
    assert alike(reversed(found), reversed(expected))
    batch = [3, 1, len(found) - 1, 1]
    assert alike(found.__getitems__(batch), expected.__getitems__(batch))
    assert np.array_equal(found[2], expected[2])


def test_zarr_reads_it(both):
    here, there, _ = both
    assert there.zarr["1"].shape == here.zarr["1"].shape
    assert np.array_equal(there.zarr["1"][:], here.zarr["1"][:])
    assert sorted(there.zarr.group_keys()) == sorted(here.zarr.group_keys())
    with pytest.raises((st.StoreError, ValueError), match=r"read.only|only read"):
        there.zarr.create_group("another")
    assert isinstance(there.zarr, zarr.Group)


def test_it_is_opened_in_three_rounds_of_requests(both):
    here, _, proxy = both
    there = st.open_store(str(both[1].path))
    proxy.clear()
    st.open_store(str(there.path))
    asked = proxy.of("GET")
    assert len(asked) == 4 + len(here.levels)  # root, listing, manifest's end, table; levels
    assert len(proxy.requests) == len(asked)


def test_a_tile_takes_two_requests_at_most(both):
    here, there, proxy = both
    counts = []
    for tile in range(0, len(here), 5):
        proxy.clear()
        assert np.array_equal(there[tile], here[tile])
        counts.append(len(proxy.requests))
    assert max(counts) <= 2
    assert all(each.headers.get("if-match") for each in proxy.of("GET"))


def test_an_index_is_the_end_of_its_shard(made, uploaded, lab, monkeypatch):
    monkeypatch.setattr("slidetile.store._array.WHOLE_BYTES", 0)
    there = st.open_store(f"{uploaded}/native.zarr")
    lab.proxy.clear()
    there[0]
    there[1]
    (index, *chunks) = lab.proxy.of("GET", ending="/0/c/0/0/0")
    size = (made / "native.zarr/0/c/0/0/0").stat().st_size
    assert index.range.endswith(f"-{size - 1}")
    assert index.sent < 5000
    assert len(chunks) == 2  # the index is known by then


def test_iterating_takes_few_requests_and_hardly_any_byte_twice(both):
    here, there, proxy = both
    files = [path for path in (here.path / "0/c").rglob("*") if path.is_file()]
    stored = sum(path.stat().st_size for path in files)
    for reading in (there, there.windows(size=256, min_tissue_fraction=0.0)):
        proxy.clear()
        for _ in reading:
            pass
        assert len(proxy.requests) <= 2 * len(files)
        assert proxy.fetched_bytes <= 1.1 * stored  # gaps are read through
        assert proxy.most_at_once > 1


def test_what_waits_is_bounded(jpeg, monkeypatch):
    monkeypatch.setattr(_ahead, "LARGEST_AHEAD_BYTES", 1 << 20)
    monkeypatch.setattr(_ahead, "BATCH_BYTES", 1 << 18)
    monkeypatch.setattr(_ahead, "LARGEST_BATCH_BYTES", 1 << 19)
    held = []
    take = ChunksAhead.take

    def noting(self, span, known):
        yield from take(self, span, known)
        held.append(self.held_bytes)

    monkeypatch.setattr(ChunksAhead, "take", noting)
    here, there, _ = jpeg
    assert alike(there.windows(size=300, stride=200), here.windows(size=300, stride=200))
    largest = max(path.stat().st_size for path in (here.path / "0/c").rglob("*") if path.is_file())
    assert 0 < max(held) <= (1 << 20) + (1 << 19) + largest
    assert held[-1] == 0


def test_small_caches_do_not_matter(both, monkeypatch):
    monkeypatch.setattr("slidetile.store._chunk_cache.LARGEST_CACHE_BYTES", 1 << 20)
    monkeypatch.setattr(_ahead, "LARGEST_AHEAD_BYTES", 1 << 16)
    here, there, _ = both
    assert alike(there.windows(size=300, stride=250), here.windows(size=300, stride=250))


def test_an_iterator_that_is_let_go_ends_its_threads(jpeg):
    windows = iter(jpeg[1].windows(size=128))
    next(windows)
    workers = [each for each in threading.enumerate() if each.name.startswith("slidetile_ahead")]
    assert 0 < len(workers) <= IN_FLIGHT
    del windows
    for each in workers:
        each.join(60)
        assert not each.is_alive()


def test_it_crosses_to_a_process_with_its_options(jpeg):
    here, there, _ = jpeg
    sent = [pickle.dumps(each) for each in (there, there.windows(size=256), there.select([1]))]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.map(_first, sent)
    assert alike(found, [here[0], here.windows(size=256)[0], here[1]])


def _first(data):
    return pickle.loads(data)[0]  # noqa: S301  our own bytes


def test_a_forked_process_is_told_what_to_do(jpeg):
    fork = multiprocessing.get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    process = fork.Process(target=_tell, args=(jpeg[1], sender))
    process.start()
    assert receiver.poll(60)
    assert "start processes by spawn" in receiver.recv()
    process.join(60)


def _tell(store, sender):
    try:
        sender.send(str(store[0]))
    except RuntimeError as error:
        sender.send(str(error))


def test_a_forked_pool_is_told_what_to_do(jpeg):
    """What cannot be unpickled never arrives there, and the pool would wait for it without end."""
    store = jpeg[1]
    with multiprocessing.get_context("fork").Pool(1) as pool:
        for sent in (store, store.windows(size=256), store.select([1])):
            with pytest.raises(RuntimeError, match="start processes by spawn"):
                pool.map_async(_first_of, [sent]).get(60)


def _first_of(reading):
    return reading[0]


def test_unpickling_takes_no_request(jpeg):
    here, there, proxy = jpeg
    sent = [pickle.dumps(each) for each in (there, there.windows(size=256), there.select([1]))]
    assert len(sent[0]) < 1 << 16
    proxy.clear()
    store, windows, selection = (pickle.loads(each) for each in sent)  # noqa: S301  our own bytes
    assert repr(store) == repr(there)
    assert not proxy.requests
    assert alike(
        [store[0], windows[0], selection[0]], [here[0], here.windows(size=256)[0], here[1]]
    )
    assert store.tiles == here.tiles


def test_what_was_sent_is_that_store_or_an_error(made, lab):
    there = lab.put(made / "jpeg.zarr")
    sent = pickle.dumps(st.open_store(str(there)))
    remove_objects(each for each, _ in objects_below(there))
    store = pickle.loads(sent)  # noqa: S301  our own bytes
    with pytest.raises(st.StoreError, match="was deleted or moved"):
        store[0]
    lab.put(made / "zstd.zarr", "jpeg.zarr")
    with pytest.raises(st.StoreError, match="was replaced or changed"):
        store[0]
