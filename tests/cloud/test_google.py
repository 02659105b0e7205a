"""Google Cloud Storage, as far as its requests differ from Amazon's: see `google_storage`."""

import os

import pytest
from bucket_homes import empty_home, names
from google_storage import GoogleServer, google_options
from object_storage import BUCKET, Proxy
from patience import wait_until

import slidetile as st
from slidetile.cloud.claim_file import BucketClaimFile
from slidetile.cloud.errors import ObjectChangedError
from slidetile.cloud.objects import (
    copy_object,
    object_state,
    read_object,
    read_tail,
    remove_objects,
    write_object,
)
from slidetile.errors import StoreBusyError
from slidetile.runtime.claim import Claim, ClaimTimes
from slidetile.verify.verify import verify_store

QUICK = ClaimTimes(heartbeat_s=0.2, dead_after_s=2.0)
DATA = os.urandom(20 << 20)


@pytest.fixture
def proxy(s3_process):
    server = GoogleServer(s3_process)
    made = Proxy(server)
    yield made
    made.close()
    server.close()


@pytest.fixture
def home(proxy):
    with empty_home(f"gs://{BUCKET}", google_options(proxy.endpoint)) as place:
        yield place


def test_objects(home):
    write_object(home / "a b", [DATA])  # in parts
    copy_object(home / "a b", home / "c")
    assert read_object(home / "c", 1 << 30) == DATA
    assert read_tail(home / "a b", 9)[0] == DATA[-9:]
    remove_objects([home / "never was", home / "c", home / "nor this"])
    assert names(home) == {"a b"}


def test_conditions_are_those_of_generations(home, proxy):
    write_object(home / "a", [b"one"], is_new=True)
    state = object_state(home / "a")
    with pytest.raises(ObjectChangedError):
        write_object(home / "a", [b"two"], is_new=True)
    write_object(home / "a", [b"three"], replaces=state)
    with pytest.raises(ObjectChangedError):
        write_object(home / "a", [b"four"], replaces=state)
    sent = [each.headers.get("x-goog-if-generation-match") for each in proxy.of("PUT")]
    assert sent[:2] == ["0", "0"]
    assert sent[2] == sent[3] == state.version


def test_claims(home):
    file = BucketClaimFile(home / "a.zarr.owner")
    claim = Claim(file, QUICK)
    with pytest.raises(StoreBusyError):
        Claim(file)
    before = file.look()
    wait_until(lambda: file.look().data != before.data)
    claim.renew()
    claim.check()
    claim.release()
    assert file.look() is None


def test_a_store_has_the_bytes_of_a_local_one(home, sample, tmp_path, tree):
    st.tile_slide(sample, tmp_path / "a.zarr", st.Recipe(codec="native"))
    st.tile_slide(sample, home / "a.zarr", st.Recipe(codec="zstd"))
    options = st.WriteOptions(existing="overwrite")
    st.tile_slide(sample, home / "a.zarr", st.Recipe(codec="native"), options=options)
    found = {name: read_object(home / "a.zarr" / name, 1 << 30) for name in names(home / "a.zarr")}
    assert found == tree(tmp_path / "a.zarr")
    assert names(home) == {f"a.zarr/{name}" for name in found}
    assert verify_store(str(home / "a.zarr"), deep=True) == ()
