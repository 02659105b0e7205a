"""Claims in a bucket keep the rules of those on a disk: one holder, signs of life, take-over."""

import json
import threading
from dataclasses import replace

import pytest
from object_storage import Fault
from patience import wait_until

from slidetile.cloud import claim_file
from slidetile.cloud.claim_file import BucketClaimFile
from slidetile.cloud.objects import object_exists, object_state, remove_objects, write_object
from slidetile.errors import StoreBusyError
from slidetile.runtime._holder import Holder
from slidetile.runtime.claim import Claim, ClaimTimes, refuse_if_claimed
from slidetile.runtime.shared_claim import SharedClaim

QUICK = ClaimTimes(heartbeat_s=0.2, dead_after_s=2.0)
"""Servers date objects by whole seconds."""

ELSEWHERE = replace(Holder.me(), host="node7", processes="else", pid=4711)


@pytest.fixture
def file(lab):
    return BucketClaimFile(lab.home / "a.zarr.owner")


def test_one_process_holds_it(lab, file):
    claim = Claim(file)
    with pytest.raises(StoreBusyError, match=r"a\.zarr is being written by .*, this process"):
        Claim(file)
    with pytest.raises(StoreBusyError):
        refuse_if_claimed(file)
    claim.check()
    claim.release()
    assert not object_exists(lab.home / "a.zarr.owner")
    Claim(file).release()


def test_of_many_that_try_at_once_one_gets_it(file):
    got, refused = [], []

    def take():
        try:
            got.append(Claim(file))
        except StoreBusyError as error:
            refused.append(error)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 7)
    got[0].release()


def test_a_holder_elsewhere_is_alive_while_it_gives_signs(lab, file):
    write_object(lab.home / "a.zarr.owner", [ELSEWHERE.to_json()])
    with pytest.raises(StoreBusyError, match=r"last sign of life was \d s ago"):
        Claim(file)


def test_a_holder_that_is_silent_is_taken_over_by_one(lab, file):
    write_object(lab.home / "a.zarr.owner", [ELSEWHERE.to_json()])

    def is_old():
        seen = file.look()
        return file.age_s(seen) > QUICK.dead_after_s

    wait_until(is_old)
    got, refused = [], []

    def take():
        try:
            got.append(Claim(file, QUICK))
        except StoreBusyError as error:
            refused.append(error)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(refused)) == (1, 3)
    got[0].check()
    got[0].release()


def test_a_process_that_ended_here_is_taken_over_at_once(lab, file):
    gone = replace(Holder.me(), pid=2**22 - 7, process_start="1")
    write_object(lab.home / "a.zarr.owner", [gone.to_json()])
    Claim(file).release()


def test_signs_of_life_are_given(file):
    claim = Claim(file, QUICK)
    first = file.look()
    wait_until(lambda: file.look().mtime_s > first.mtime_s)
    claim.check()
    claim.release()


def test_a_sign_of_life_is_another_mark(lab, file):
    """Or else who saw the claim before could replace it on the condition that it is the same."""
    claim = Claim(file)
    before = object_state(lab.home / "a.zarr.owner")
    assert file.touch(claim._data)
    assert object_state(lab.home / "a.zarr.owner").etag != before.etag
    claim.check()
    claim.release()
    assert not object_exists(lab.home / "a.zarr.owner")


def test_who_saw_a_claim_before_its_last_sign_does_not_take_it_over(file):
    claim = Claim(file)
    seen = file.look()
    assert file.touch(claim._data)
    assert not file.take_over(seen, ELSEWHERE.to_json(), 0.0)
    file.date_now(seen)  # it is not this one any more
    claim.check()
    claim.release()


def test_what_another_has_dated_is_still_held(file):
    claim = Claim(file)
    file.date_now(file.look())
    assert file.touch(claim._data)
    claim.renew()
    claim.check()
    claim.release()
    assert file.look() is None


def test_claims_of_earlier_versions_are_read(lab, file):
    told = json.loads(ELSEWHERE.to_json())
    assert not {"signs", "is_released"} & told.keys()  # and they read new ones
    write_object(lab.home / "a.zarr.owner", [json.dumps(told).encode()])
    with pytest.raises(StoreBusyError, match="process 4711 on node7"):
        Claim(file)


def test_only_the_own_claim_is_removed(lab, file):
    claim = Claim(file)

    def taken_over(request):
        """Let another take over just before the holder says what it is about to remove."""
        if request.method == "PUT":
            lab.proxy.fault = lambda _: None
            write_object(lab.home / "a.zarr.owner", [ELSEWHERE.to_json()])

    lab.proxy.fault = taken_over
    claim.release()
    assert file.look().holder == ELSEWHERE


def test_a_claim_that_may_not_be_removed_is_anybodys(lab, file):
    lab.proxy.fault = lambda request: (
        Fault(status=403, code="AccessDenied")
        if request.method == "DELETE" or request.query == "delete"
        else None
    )
    Claim(file).release()
    assert file.look().holder.is_released
    refuse_if_claimed(file)
    claim = Claim(file)
    assert not file.look().holder.is_released
    with pytest.raises(StoreBusyError):
        Claim(file)
    claim.release()


def test_a_claim_that_was_taken_over_is_noticed(lab, file):
    claim = Claim(file, QUICK)
    write_object(lab.home / "a.zarr.owner", [ELSEWHERE.to_json()])
    wait_until(lambda: claim._is_lost)
    with pytest.raises(StoreBusyError, match=r"process 4711 on node7 .* has taken over"):
        claim.check()
    claim.release()
    assert object_exists(lab.home / "a.zarr.owner")  # the other's


def test_a_claim_that_was_deleted_is_put_back(lab, file):
    claim = Claim(file, QUICK)
    remove_objects([lab.home / "a.zarr.owner"])
    wait_until(lambda: object_exists(lab.home / "a.zarr.owner"))
    claim.check()
    claim.release()


def test_others_write_under_its_token_until_it_is_renewed(file):
    claim = Claim(file)
    shared = SharedClaim(file, claim.token)
    shared.check()
    renewed = claim.renew()
    with pytest.raises(StoreBusyError, match="another token"):
        shared.check()
    SharedClaim(file, renewed).check()
    claim.release()
    with pytest.raises(StoreBusyError, match="is gone"):
        SharedClaim(file, renewed).check()


def test_a_server_that_fails_for_a_while_costs_no_claim(lab, file):
    claim = Claim(file, QUICK)
    lab.proxy.fault = lambda _: Fault(status=503, code="SlowDown")
    before = len(lab.proxy.requests)
    wait_until(lambda: len(lab.proxy.requests) > before + 5)
    lab.proxy.fault = lambda _: None
    claim.check()
    claim.release()


@pytest.fixture
def unknown_bucket(monkeypatch):
    """Have no bucket be known yet to check conditions."""
    monkeypatch.setattr(claim_file, "_checking", set())


@pytest.mark.usefixtures("unknown_bucket")
def test_a_server_that_refuses_conditions_is_told_of(lab, file):
    lab.proxy.fault = lambda request: (
        Fault(status=501, code="NotImplemented") if "if-none-match" in request.headers else None
    )
    with pytest.raises(OSError, match=r"does not check conditions .* another bucket, or a folder"):
        Claim(file)


@pytest.mark.usefixtures("unknown_bucket")
@pytest.mark.parametrize("ignored", ["if-none-match", "if-match"])
def test_a_server_that_ignores_conditions_is_told_of(lab, file, ignored):
    lab.proxy.fault = lambda _: Fault(without=ignored)
    with pytest.raises(OSError, match="does not check conditions"):
        Claim(file)
    assert not object_exists(lab.home / "a.zarr.owner")


@pytest.mark.usefixtures("unknown_bucket")
def test_that_is_asked_once(lab, file):
    for _ in range(3):
        Claim(file).release()
    assert [each.status for each in lab.proxy.of("PUT")].count(412) == 2
