"""A store in a bucket is one store from its opening on, and what goes wrong there is told."""

import multiprocessing
import pickle

import numpy as np
import pytest
from known_tissue import drawn
from object_storage import BUCKET, OPTIONS, Fault

import slidetile as st
from slidetile.cloud.address import Address
from slidetile.cloud.objects import copy_object, objects_below, remove_objects, write_object
from slidetile.format.names import MANIFEST, ROOT
from slidetile.store.marks import is_store
from slidetile.verify.files import lost_files


@pytest.fixture(scope="module")
def made(sample, tmp_path_factory):
    """Two stores of one slide."""
    folder = tmp_path_factory.mktemp("identity")
    for size, codec in ((512, "zstd"), (256, "jpeg")):
        recipe = st.Recipe(tile=st.TileSpec(size=size), codec=codec, detector=drawn)
        st.tile_slide(sample, folder / f"{size}.zarr", recipe)
    return folder


@pytest.fixture
def there(made, lab):
    return lab.put(made / "512.zarr", "s.zarr")


def replace(lab, made, name="s.zarr"):
    remove_objects(each for each, _ in objects_below(lab.home / name))
    lab.put(made / "256.zarr", name)


def failing(lab, ending, **fault):
    """Let every GET of objects whose names end so fail."""

    def asked(request):
        hit = request.method == "GET" and request.key.endswith(ending)
        return Fault(**fault) if hit else None

    lab.proxy.fault = asked


def test_marks_and_lost_files_are_those_of_the_bucket(there, lab):
    assert is_store(there)
    assert not is_store(lab.home / "other.zarr")
    lab.proxy.clear()
    assert lost_files(there) == ()
    assert len(lab.proxy.requests) == 2  # a listing and the manifest
    remove_objects([there / "1/c/0/0/0"])
    assert [each.path for each in lost_files(there)] == ["1/c/0/0/0"]


def test_another_store_in_its_place_is_told(made, there, lab):
    opened, fresh = st.open_store(there), st.open_store(there)
    windows = opened.windows(size=128)
    sent = pickle.dumps(opened)
    for read in (lambda: opened[0], lambda: windows[0]):
        read()  # indexes are known from now on
    replace(lab, made)
    for read in (
        lambda: opened[0],
        lambda: list(opened),
        lambda: windows[0],
        lambda: list(windows),
        lambda: fresh.read_region(st.Region(x=0, y=0, width=9, height=9), level=1),
        lambda: fresh.zarr["0"][:9],
        lambda: pickle.loads(sent)[0],  # noqa: S301  our own bytes
    ):
        with pytest.raises(st.StoreError, match="was replaced or changed since it was opened"):
            read()
    assert len(st.open_store(there)) != len(opened)


def test_what_both_stores_have_is_what_the_one_had(made, there, lab):
    opened = st.open_store(there)
    replace(lab, made)
    assert np.array_equal(opened.overview, st.open_store(made / "512.zarr").overview)


def test_a_single_shard_of_another_store_is_never_taken(made, there):
    opened, shard = st.open_store(there), "0/c/0/1/2"
    region = st.Region(x=2048, y=1024, width=1024, height=1024)
    opened.read_region(region)
    write_object(there / shard, [(made / "256.zarr" / shard).read_bytes()])
    with pytest.raises(st.StoreError, match="was replaced or changed since it was opened"):
        opened.read_region(region)


def test_a_deleted_store_is_told(there):
    opened = st.open_store(there)
    remove_objects(each for each, _ in objects_below(there))
    with pytest.raises(st.StoreError, match="was deleted or moved since it was opened"):
        opened[0]


def test_the_same_store_made_again_is_the_same(made, there, lab):
    opened = st.open_store(there)
    opened[0]
    remove_objects([there / ROOT])
    lab.put(made / "512.zarr", "s.zarr")
    here = st.open_store(made / "512.zarr")
    assert all(np.array_equal(a, b) for a, b in zip(opened, here, strict=True))


def test_a_store_that_takes_anothers_place_is_read_at_every_moment(made, there, lab):
    """It lies whole beside it, until the last of it is where it belongs."""
    partial = lab.put(made / "256.zarr", "s.zarr.partial")
    new, old = (st.open_store(made / f"{size}.zarr") for size in (256, 512))
    seen = []

    def look():
        seen.append(len(st.open_store(there)))
        return seen[-1]

    assert look() == len(old)
    remove_objects([there / ROOT])
    assert look() == len(new)
    between = st.open_store(there)
    assert str(between.path) == str(there)
    kept = {each.key.removeprefix(f"{partial.key}/") for each, _ in objects_below(partial)}
    stale = {each.key.removeprefix(f"{there.key}/") for each, _ in objects_below(there)} - kept
    remove_objects(there / name for name in stale)
    for name in sorted(kept, key=lambda name: (name == ROOT, name)):
        copy_object(partial / name, there / name)
        assert name != MANIFEST or look() == len(new)
    assert look() == len(new)
    assert st.verify_store(there) == ()
    remove_objects(partial / name for name in kept if name != ROOT)
    remove_objects([partial / ROOT])
    assert look() == len(new)
    assert all(np.array_equal(a, b) for a, b in zip(between, new, strict=True))


def test_what_is_no_finished_store_is_told(there, lab):
    home = lab.home
    write_object(home / "a.zarr/unfinished.json", [b"{}"])
    write_object(home / "b.zarr.partial/unfinished.json", [b"{}"])
    write_object(home / "c.zarr.partial/unfinished.json", [b"{}"])
    write_object(home / "c.zarr.partial/zarr.json", [b"{}"])
    write_object(home / "d.txt", [b"text"])
    write_object(home / "e.zarr/zarr.json", [b"{}"])
    remove_objects([there / ROOT])
    for name, error, words in (
        ("a.zarr", st.IncompleteStoreError, "is not finished: it is an unfinished store"),
        ("b.zarr", st.IncompleteStoreError, "b.zarr.partial beside it is an unfinished store"),
        ("c.zarr", st.IncompleteStoreError, "is not finished"),
        ("b.zarr.partial", st.IncompleteStoreError, "is not finished"),
        ("d.txt", st.StoreError, "is an object, not a store"),
        ("e.zarr", st.StoreError, "it is not a slidetile store"),
        ("none.zarr", st.StoreError, "does not exist"),
        ("s.zarr", st.IncompleteStoreError, "has lost its zarr.json"),
        ("", st.IncompleteStoreError, "not a store"),
    ):
        with pytest.raises(error, match=words):
            st.open_store(home / name if name else home)
    with pytest.raises(st.StoreError, match="no-such-bucket does not exist"):
        st.open_store("s3://no-such-bucket/a.zarr")


def test_a_shard_that_vanishes_is_damage(there):
    opened = st.open_store(there)
    whole = opened[0]
    region = opened.tile_region(0)
    place = opened._arrays[0].grid.chunk_span(region)
    shard = next(opened._arrays[0].shards(place))[0]
    remove_objects([there / f"0/c/0/{shard[1]}/{shard[0]}"])
    for read in (lambda: opened[0], lambda: list(opened), lambda: list(opened.windows(size=256))):
        with pytest.raises(st.StoreError, match="is missing, though it was stored"):
            read()
    with pytest.raises(st.StoreError, match="is missing, though it was stored"):
        st.open_store(there)[0]
    assert whole.shape == (512, 512, 3)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"status": 503, "code": "SlowDown"}, "its server asks to slow down after 4 attempts"),
        ({"status": 500}, "its server fails after 4 attempts"),
        ({"status": 400, "code": "ExpiredToken"}, "the credentials have expired"),
        ({"status": 403, "code": "AccessDenied"}, "access is denied"),
        ({"cut_after": 100}, "breaks off|does not answer as expected"),
        ({"shift": 16}, "other bytes than were asked for|where .* were asked for"),
    ],
)
def test_what_goes_wrong_on_the_way_is_told(made, there, lab, fault, words):
    opened = st.open_store(there)
    here = st.open_store(made / "512.zarr")
    windows = opened.windows(size=128)
    reading = iter(windows)
    assert np.array_equal(next(reading), here.windows(size=128)[0])
    for ending in ("/0/0/0", "/0/0/1", "/0/1/0", "/0/1/1", "/0/1/2", "/0/0/2"):
        failing(lab, ending, **fault)
        other = st.open_store(there)
        for read in (lambda o=other: list(o), lambda o=other: list(o.windows(size=256))):
            with pytest.raises(st.StoreError, match=words) as told:
                read()
            assert "could not be read: " in str(told.value)
            assert OPTIONS["secret_access_key"] not in str(told.value)
        break
    lab.proxy.clear()
    assert np.array_equal(opened[5], here[5])


def test_what_goes_wrong_once_is_tried_again(made, there, lab):
    failed = set()

    def once(request):
        if request.method != "GET" or (request.key, request.range) in failed:
            return None
        failed.add((request.key, request.range))
        return Fault(status=503, code="SlowDown")

    lab.proxy.fault = once
    opened = st.open_store(there)
    here = st.open_store(made / "512.zarr")
    expected = here.windows(size=256)
    found = opened.windows(size=256)
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    assert failed


def test_a_bucket_that_lists_nothing_is_read(made, there, lab):
    def no_listing(request):
        return Fault(status=403, code="AccessDenied") if "list-type" in request.query else None

    lab.proxy.fault = no_listing
    opened, here = st.open_store(there), st.open_store(made / "512.zarr")
    assert all(np.array_equal(a, b) for a, b in zip(opened, here, strict=True))
    fresh = st.open_store(there)
    lab.proxy.clear()
    replace(lab, made)
    lab.proxy.fault = no_listing
    for store in (opened, fresh):
        with pytest.raises(st.StoreError, match="was replaced or changed since it was opened"):
            list(store)
    with pytest.raises(st.StoreError, match="access is denied"):
        st.verify_store(there)


def test_a_store_on_the_web_is_read(made, there, lab, s3_process):
    for each, _ in objects_below(there):
        s3_process.publish(f"{BUCKET}/{each.key}")
    host = lab.proxy.endpoint.removeprefix("http://")
    web = st.open_store(Address.parse(f"http://{host}/{BUCKET}/{there.key}"))
    here = st.open_store(made / "512.zarr")
    assert np.array_equal(web[3], here[3])
    windows = zip(web.windows(size=256), here.windows(size=256), strict=True)
    assert all(np.array_equal(a, b) for a, b in windows)


def test_options_are_of_one_call_and_travel_with_the_store(made, lab):
    there = str(lab.put(made / "512.zarr"))
    options = {**OPTIONS, "endpoint": lab.proxy.endpoint}
    from slidetile.cloud.options import set_storage_options

    set_storage_options({})
    opened = st.open_store(there, storage_options=options)
    assert st.verify_store(there, storage_options=options) == ()
    assert OPTIONS["secret_access_key"] not in repr(opened) + str(opened.path) + repr(opened.path)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.map(_first, [pickle.dumps(opened)])
    assert np.array_equal(found[0], st.open_store(made / "512.zarr")[0])


def _first(data):
    return pickle.loads(data)[0]  # noqa: S301  our own bytes
