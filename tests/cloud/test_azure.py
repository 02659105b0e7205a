"""Azure Blob Storage, by a real server: what it does otherwise than Amazon's changes nothing."""

import os

import numpy as np
import pytest
from azure_storage import CONTAINER, KEY, azure_options, azure_server, azurite
from bucket_homes import empty_home, names
from object_storage import Fault, Proxy
from patience import wait_until

import slidetile as st
from slidetile.cloud.address import Address
from slidetile.cloud.claim_file import BucketClaimFile
from slidetile.cloud.errors import ObjectChangedError
from slidetile.cloud.objects import (
    copy_object,
    names_below,
    object_state,
    read_object,
    read_range,
    read_tail,
    remove_objects,
    write_object,
)
from slidetile.errors import StoreBusyError
from slidetile.runtime.claim import Claim, ClaimTimes
from slidetile.verify.verify import verify_store

QUICK = ClaimTimes(heartbeat_s=0.2, dead_after_s=2.0)
DATA = os.urandom(20 << 20)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    pytest.importorskip("obstore", reason="the extra cloud is not installed")
    program = azurite()
    if program is None:
        pytest.skip("Azurite, the server of Azure's storage, is not installed (make azurite)")
    with azure_server(program, tmp_path_factory.mktemp("azurite")) as running:
        yield running


@pytest.fixture
def proxy(server):
    made = Proxy(server)
    yield made
    made.close()


@pytest.fixture
def home(proxy):
    with empty_home(f"az://{CONTAINER}", azure_options(proxy.endpoint)) as place:
        yield place


def test_objects(home):
    write_object(home / "a b", [DATA[:9], DATA[9:]])  # in parts
    copy_object(home / "a b", home / "c")
    assert read_object(home / "c", 1 << 30) == DATA
    assert read_range(home / "a b", 5, 700)[0] == DATA[5:700]
    assert read_range(home / "a b", len(DATA), len(DATA) + 9)[0] == b""
    assert read_tail(home / "a b", 9)[0] == DATA[-9:]
    ((_, listed),) = [each for each in names_below(home) if each[0] == "c"]
    assert listed.etag == object_state(home / "c").etag
    remove_objects([home / "never was", home / "c", home / "nor this"])
    assert names(home) == {"a b"}


def test_conditions(home):
    write_object(home / "a", [b"one"], is_new=True)
    state = object_state(home / "a")
    with pytest.raises(ObjectChangedError):
        write_object(home / "a", [b"two"], is_new=True)
    write_object(home / "a", [b"three"], replaces=state)
    with pytest.raises(ObjectChangedError):
        write_object(home / "a", [b"four"], replaces=state)
    with pytest.raises(ObjectChangedError):
        read_range(home / "a", 0, 1, state)


def test_claims(home):
    file = BucketClaimFile(home / "a.zarr.owner")
    claim = Claim(file, QUICK)
    with pytest.raises(StoreBusyError):
        Claim(file)
    before = file.look()
    wait_until(lambda: file.look().data != before.data)  # it gives signs of life
    claim.check()
    claim.release()
    assert file.look() is None


def test_what_is_not_there_is_named(home):
    with pytest.raises(FileNotFoundError, match="no such object"):
        read_object(home / "a", 9)
    with pytest.raises(FileNotFoundError, match="the bucket nowhere does not exist"):
        read_object(Address("az", "nowhere", "a"), 9)


def test_a_right_that_is_missing_is_named(home, proxy):
    proxy.fault = lambda _: Fault(status=403, code="AuthorizationPermissionMismatch")
    with pytest.raises(PermissionError, match="whether they have the right write") as told:
        write_object(home / "a", [b"one"])
    assert KEY not in str(told.value)


@pytest.mark.parametrize("codec", ["native", "zstd"])
def test_a_store_has_the_bytes_of_a_local_one(home, proxy, sample, tmp_path, tree, codec):
    here = st.tile_slide(sample, tmp_path / "a.zarr", st.Recipe(codec=codec))
    proxy.fault = lambda each: (
        Fault(status=403, code="AuthorizationFailure") if each.key.endswith(".parquet") else None
    )
    with pytest.raises(OSError, match="what is written is kept"):
        st.tile_slide(sample, home / "a.zarr", st.Recipe(codec=codec))
    proxy.fault = lambda _: None
    store = st.tile_slide(sample, home / "a.zarr", st.Recipe(codec=codec))
    found = {name: read_object(home / "a.zarr" / name, 1 << 30) for name in names(home / "a.zarr")}
    assert found == tree(tmp_path / "a.zarr")
    assert names(home) == {f"a.zarr/{name}" for name in found}
    assert all(np.array_equal(a, b) for a, b in zip(store, here, strict=True))
    assert verify_store(str(home / "a.zarr"), deep=True) == ()


def test_one_takes_the_place_of_another(home, sample, tmp_path, tree):
    st.tile_slide(sample, tmp_path / "a.zarr", st.Recipe(codec="native"))
    opened = st.tile_slide(sample, home / "a.zarr", st.Recipe(codec="zstd"))
    options = st.WriteOptions(existing="overwrite")
    st.tile_slide(sample, home / "a.zarr", st.Recipe(codec="native"), options=options)
    assert names(home) == {f"a.zarr/{name}" for name in tree(tmp_path / "a.zarr")}
    with pytest.raises(st.StoreError, match="was replaced"):
        opened[0]


def test_a_slide_is_read_by_ranges(home, proxy, sample):
    write_object(home / "a.svs", [sample.read_bytes()])
    proxy.clear()
    with st.open_slide(str(home / "a.svs")) as there, st.open_slide(sample) as here:
        assert there.source.fingerprint == here.source.fingerprint
        region = st.Region(x=900, y=700, width=300, height=200)
        assert np.array_equal(there.read_region(region), here.read_region(region))
    assert all(each.headers.get("range") for each in proxy.of("GET"))
