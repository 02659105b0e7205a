"""Stores written into a bucket: the bytes of a local one, complete or absent, whatever fails."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
from object_storage import OPTIONS, Fault
from patience import wait_until

import slidetile as st
from slidetile.cloud import ahead
from slidetile.cloud.address import Address
from slidetile.cloud.objects import objects_below, remove_objects, write_object
from slidetile.errors import StoreBusyError, StoreExistsError, StoreMismatchError
from slidetile.runtime._holder import Holder

CODECS = ("native", "zstd", "jpeg", "raw")


@pytest.fixture(scope="session")
def local_trees(sample, tmp_path_factory):
    """All files of the sample's stores on a disk, by codec."""
    trees = {}
    for codec in CODECS:
        path = tmp_path_factory.mktemp("local") / "a.zarr"
        st.tile_slide(sample, path, st.Recipe(codec=codec))
        trees[codec] = {
            str(file.relative_to(path)): file.read_bytes()
            for file in path.rglob("*")
            if file.is_file()
        }
    return trees


def tile(sample, address, codec="native", **options):
    return st.tile_slide(
        sample, address, st.Recipe(codec=codec), options=st.WriteOptions(**options)
    )


def names(address):
    return {each.key[len(address.key) + 1 :] for each, _ in objects_below(address)}


@pytest.mark.parametrize("codec", CODECS)
def test_a_store_in_a_bucket_has_the_bytes_of_a_local_one(lab, sample, local_trees, codec):
    store = tile(sample, lab.home / "a.zarr", codec)
    assert str(store.path) == str(lab.home / "a.zarr")
    puts = [each.key.partition("a.zarr/")[2] for each in lab.proxy.of("PUT")]
    stored = [name for name in puts if name]
    assert stored[-1] == "zarr.json"
    assert lab.tree(lab.home / "a.zarr") == local_trees[codec]
    assert names(lab.home) == {f"a.zarr/{name}" for name in local_trees[codec]}


def test_what_is_done_is_not_done_again(lab, sample):
    tile(sample, lab.home / "a.zarr")
    lab.proxy.clear()
    tile(sample, lab.home / "a.zarr")
    assert lab.proxy.of("PUT", "DELETE", "POST") == []
    with pytest.raises(StoreExistsError, match="with other settings"):
        tile(sample, lab.home / "a.zarr", "zstd")


def changes_a_store(request):
    """Return whether a request changes more than the claim of who writes."""
    names = request.removes or (request.key,)
    is_claim = all(".owner" in name for name in names)
    return request.method in ("PUT", "POST", "DELETE") and not is_claim


def stops_after(count, fault=None):
    """Let all writing fail for good once some shards are written."""
    left = [count]
    fault = fault or Fault(status=403, code="AccessDenied")

    def judge(request):
        if request.method == "PUT" and "/c/0/" in request.key:
            left[0] -= 1
        return fault if left[0] < 0 and changes_a_store(request) else None

    return judge


@pytest.mark.parametrize("codec", CODECS)
def test_an_interrupted_run_is_no_store_and_is_continued(lab, sample, local_trees, codec):
    address = lab.home / "a.zarr"
    lab.proxy.fault = stops_after(3)
    with pytest.raises(
        OSError, match=r"access is denied .*; what is written is kept: run the same"
    ):
        tile(sample, address, codec)
    lab.proxy.clear()
    assert "zarr.json" not in names(address)
    assert "unfinished.json" in names(address)
    with pytest.raises(st.IncompleteStoreError):
        st.open_store(address)
    lab.proxy.clear()
    tile(sample, address, codec)
    put = [each.key for each in lab.proxy.of("PUT") if "/c/0/" in each.key]
    assert len(put) == len([name for name in local_trees[codec] if "/c/0/" in name]) - 3
    assert lab.tree(address) == local_trees[codec]


def test_an_unfinished_store_of_other_settings_is_not_continued(lab, sample, local_trees):
    address = lab.home / "a.zarr"
    lab.proxy.fault = stops_after(2)
    with pytest.raises(OSError, match="denied"):
        tile(sample, address)
    lab.proxy.clear()
    with pytest.raises(StoreMismatchError, match="was begun otherwise"):
        tile(sample, address, "zstd")
    tile(sample, address, "zstd", existing="restart")
    assert lab.tree(address) == local_trees["zstd"]


def test_overwriting_leaves_the_old_or_the_new_store(lab, sample, local_trees):
    """Every request that changes something fails in turn: one of the two can always be read."""
    address = lab.home / "a.zarr"
    tile(sample, address)
    local = [np.array(tile) for tile in st.open_store(address)]
    steps = 0
    while True:
        lab.proxy.clear()
        left = [steps]

        def judge(request, left=left):
            changes = changes_a_store(request)
            left[0] -= changes
            return Fault(status=403, code="AccessDenied") if changes and left[0] < 0 else None

        lab.proxy.fault = judge
        try:
            tile(sample, address, "zstd", existing="overwrite")
            break
        except OSError:
            lab.proxy.clear()
            store = st.open_store(address)
            assert store.codec in ("native", "zstd")
            assert all(np.array_equal(store[n], pixels) for n, pixels in enumerate(local))
        steps += 1 + (steps > 3) * 3
    assert steps > 5
    lab.proxy.clear()
    assert lab.tree(address) == local_trees["zstd"]
    assert all(name.startswith("a.zarr/") for name in names(lab.home))


@pytest.mark.parametrize("steps", [20, 24, 26, 28, 30, 32, 34])
def test_a_damaged_store_is_mended_however_often_that_is_interrupted(
    lab, sample, local_trees, steps
):
    """The new store has the root of the old one: which of the two is whole is not in it."""
    address = lab.home / "a.zarr"
    tile(sample, address)
    remove_objects([address / "0/c/0/0/0"])
    lab.proxy.clear()
    left = [steps]

    def judge(request):
        changes = changes_a_store(request)
        left[0] -= changes
        return Fault(status=403, code="AccessDenied") if changes and left[0] < 0 else None

    lab.proxy.fault = judge
    with contextlib.suppress(OSError):
        tile(sample, address, existing="overwrite")
    lab.proxy.clear()
    tile(sample, address, existing="overwrite")
    assert lab.tree(address) == local_trees["native"]
    assert all(name.startswith("a.zarr/") for name in names(lab.home))


def test_a_claim_that_may_not_be_removed_is_anybodys(lab, sample, local_trees):
    """A run that is done is not undone by it, and the next one removes it."""
    address = lab.home / "a.zarr"
    lab.proxy.fault = lambda request: (
        Fault(status=403, code="AccessDenied") if "a.zarr.owner" in str(request.removes) else None
    )
    tile(sample, address)
    assert lab.tree(address) == local_trees["native"]
    beside = {name for name in names(lab.home) if not name.startswith("a.zarr/")}
    assert beside == {"a.zarr.owner"}
    lab.proxy.clear()
    tile(sample, address, "zstd", existing="overwrite")
    assert lab.tree(address) == local_trees["zstd"]
    assert all(name.startswith("a.zarr/") for name in names(lab.home))


def test_what_is_left_of_a_removed_store_is_not_taken_for_one(lab, sample, local_trees):
    """A run was killed while it removed a whole store that was to replace another."""
    address, partial = lab.home / "a.zarr", lab.home / "a.zarr.partial"
    tile(sample, address)
    for name, data in local_trees["zstd"].items():
        if "/c/" not in name:
            write_object(partial / name, [data])
    write_object(partial / "unfinished.removed", [b"-"])
    gone = replace(Holder.me(), pid=2**22 - 7, process_start="1")
    write_object(lab.home / "a.zarr.owner", [gone.to_json()])
    lab.proxy.clear()
    tile(sample, address)
    assert lab.tree(address) == local_trees["native"]
    assert all(name.startswith("a.zarr/") for name in names(lab.home))


def test_what_is_not_ours_is_not_touched(lab, sample):
    write_object(lab.home / "b.zarr" / "notes.txt", [b"mine"])
    with pytest.raises(StoreExistsError, match="is not slidetile's"):
        tile(sample, lab.home / "b.zarr", existing="overwrite")
    write_object(lab.home / "c.zarr" / "zarr.json", [b'{"node_type": "group"}'])
    with pytest.raises(StoreExistsError, match="is not a store"):
        tile(sample, lab.home / "c.zarr", existing="overwrite")
    tile(sample, lab.home / "a.zarr")
    with pytest.raises(StoreExistsError, match=r"lies in the store .*a\.zarr"):
        tile(sample, lab.home / "a.zarr" / "d.zarr")
    with pytest.raises(StoreExistsError, match="is a bucket"):
        tile(sample, Address.parse(f"s3://{lab.home.bucket}"))
    with pytest.raises(OSError, match="read only"):
        tile(sample, "https://localhost:1/a.zarr")


def test_a_claim_that_could_not_be_removed_is_no_obstacle(lab, sample, local_trees):
    denied = [0]

    def judge(request):
        if request.method in ("PUT", "POST", "DELETE"):
            denied[0] += 1
            return Fault(status=403, code="AccessDenied") if denied[0] > 3 else None
        return None

    lab.proxy.fault = judge
    with pytest.raises(OSError, match="denied"):
        tile(sample, lab.home / "a.zarr")
    lab.proxy.clear()
    assert "a.zarr.owner" in names(lab.home)
    tile(sample, lab.home / "a.zarr")
    assert lab.tree(lab.home / "a.zarr") == local_trees["native"]


def test_two_runs_of_one_store_do_not_mix(lab, sample, local_trees):
    address = lab.home / "a.zarr"
    begun, go = threading.Event(), threading.Event()

    def judge(request):
        if request.method == "PUT" and "/c/0/" in request.key:
            begun.set()
            go.wait(60)

    lab.proxy.fault = judge
    first = threading.Thread(target=tile, args=(sample, address))
    first.start()
    begun.wait(60)
    with pytest.raises(StoreBusyError, match="is being written by"):
        tile(sample, address)
    go.set()
    first.join()
    assert lab.tree(address) == local_trees["native"]


KILLED = """
import sys
import slidetile as st
from slidetile.cloud.options import set_storage_options
set_storage_options(dict(pair.split("=", 1) for pair in sys.argv[3:]))
st.tile_slide(sys.argv[1], sys.argv[2], st.Recipe(codec="zstd"))
"""


def test_a_killed_process_is_taken_over_and_its_store_continued(lab, sample, local_trees):
    address = lab.home / "a.zarr"
    options = {**OPTIONS, "endpoint": lab.proxy.endpoint}
    stop = threading.Event()

    def judge(_):
        if len(lab.proxy.of("PUT", ending="/0/0")) > 2:
            stop.set()
            return Fault(pause_s=0.2)
        return None

    lab.proxy.fault = judge
    command = [sys.executable, "-c", KILLED, str(sample), str(address)]
    pairs = [f"{key}={value}" for key, value in options.items()]
    with subprocess.Popen([*command, *pairs]) as process:
        wait_until(lambda: stop.is_set() or process.poll() is not None)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    lab.proxy.clear()
    tile(sample, address, "zstd")
    assert lab.tree(address) == local_trees["zstd"]


@pytest.mark.parametrize(
    "fault",
    [Fault(status=503, code="SlowDown"), Fault(status=500), Fault(lose_answer=True)],
    ids=["throttled", "fails", "answer lost"],
)
def test_a_network_that_fails_now_and_then_changes_no_byte(lab, sample, local_trees, fault):
    count = [0]

    def judge(_):
        count[0] += 1
        return fault if count[0] % 5 == 0 else None

    lab.proxy.fault = judge
    address = lab.home / "a.zarr"
    tile(sample, address, "zstd")
    assert lab.tree(address) == local_trees["zstd"]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault(status=400, code="ExpiredToken"), "credentials have expired"),
        (Fault(status=403, code="AccessDenied"), "access is denied"),
        (Fault(status=503, code="SlowDown"), "asks to slow down after 4 attempts"),
    ],
)
def test_the_command_says_what_is_wrong_and_never_a_secret(lab, sample, cli, caplog, fault, told):
    lab.proxy.fault = stops_after(1, fault)
    pairs = [f"--storage-option={k}={v}" for k, v in OPTIONS.items()]
    pairs += [f"--storage-option=endpoint={lab.proxy.endpoint}", "--storage-option=max_retries=3"]
    result = cli("-vv", "tile", sample, "-o", lab.home / "a.zarr", *pairs)
    assert result.exit_code == 1
    assert told in result.stderr
    assert re.search(r"s3://lab/\w+/a\.zarr", result.stderr)
    everything = result.output + result.stderr + caplog.text
    assert OPTIONS["secret_access_key"] not in everything
    lab.proxy.clear()
    tree = lab.tree(lab.home)
    assert all(OPTIONS["secret_access_key"].encode() not in data for data in tree.values())


def test_leftovers_of_a_run_that_was_killed_at_the_end_are_removed(lab, sample, local_trees):
    address = lab.home / "a.zarr"
    tile(sample, address)
    write_object(address / "unfinished.json", [b"{}"])
    gone = replace(Holder.me(), pid=2**22 - 7, process_start="1")
    write_object(lab.home / "a.zarr.owner", [gone.to_json()])
    with pytest.raises(StoreExistsError):
        tile(sample, address, "zstd")
    tile(sample, address)
    assert lab.tree(address) == local_trees["native"]


def test_a_bucket_is_asked_once_before_the_first_object_is_written(lab, sample):
    tile(sample, lab.home / "a.zarr")
    asked = [(each.method, each.key, each.query) for each in lab.proxy.requests]
    first = next(n for n, each in enumerate(asked) if each[1].endswith("a.zarr/unfinished.json"))
    again = [each for each in asked[:first] if each[1].endswith("a.zarr.owner")]
    assert first <= 16  # four of them see, once for a bucket, that it checks conditions
    assert len(set(asked[:first])) >= first - len(again)


@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_what_was_written_is_read_back_several_at_a_time(lab, long_slide, long_trees, codec):
    address = lab.home / "a.zarr"
    stop = Fault(status=403, code="AccessDenied")
    lab.proxy.fault = lambda each: (
        stop if each.method == "PUT" and each.key.endswith("tiles.parquet") else None
    )
    with pytest.raises(OSError, match="what is written is kept"):
        tile(long_slide, address, codec)
    lab.proxy.clear()
    lab.proxy.latency_s = 0.05
    shards = [name for name in names(address) if "/c/" in name and name[0].isdecimal()]
    lab.proxy.clear()
    tile(long_slide, address, codec)
    read = [each.key.partition("a.zarr/")[2] for each in lab.proxy.of("GET")]
    assert len(shards) > 2
    assert set(shards) <= set(read)
    assert lab.proxy.most_at_once > 2
    assert not [each for each in lab.proxy.of("PUT") if "/c/" in each.key]
    lab.proxy.latency_s = 0.0
    assert lab.tree(address) == long_trees[codec]


def test_objects_ahead_are_bounded(lab, monkeypatch):
    monkeypatch.setattr(ahead, "LARGEST_AHEAD_BYTES", 3000)
    found = {lab.home / str(n): os.urandom(1000) for n in range(10)}
    for address, data in found.items():
        write_object(address, [data])
    reading = ahead.ObjectsAhead(dict.fromkeys(found, 1000))
    for address, data in found.items():
        assert reading._held_bytes <= 3000
        assert reading.read(address, 1 << 20) == data
    assert reading._held_bytes == 0
    with pytest.raises(FileNotFoundError):
        reading.read(lab.home / "none", 9)
    reading.close()


@pytest.mark.parametrize("existing", ["overwrite", "restart"])
def test_a_store_that_has_lost_its_root_is_written_anew(lab, sample, local_trees, existing):
    address = lab.home / "a.zarr"
    tile(sample, address, "zstd")
    remove_objects([address / "zarr.json"])
    with pytest.raises(StoreExistsError, match="root metadata is empty or gone"):
        tile(sample, address)
    tile(sample, address, existing=existing)
    assert lab.tree(address) == local_trees["native"]
    assert names(lab.home) == {f"a.zarr/{name}" for name in local_trees["native"]}


def test_what_has_lost_its_root_stays_until_another_is_whole(lab, sample, local_trees):
    address = lab.home / "a.zarr"
    tile(sample, address, "zstd")
    remove_objects([address / "zarr.json"])
    lab.proxy.fault = stops_after(3)
    with pytest.raises(OSError, match="what is written is kept"):
        tile(sample, address, existing="overwrite")
    lab.proxy.clear()
    assert names(address) == local_trees["zstd"].keys() - {"zarr.json"}
    tile(sample, address, existing="overwrite")
    assert lab.tree(address) == local_trees["native"]
