"""Who may write a store: one at a time, the dead are taken over, the taken over notice."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
from claims import QUICK, hold_elsewhere, seem_elsewhere
from patience import PATIENCE_S, wait_until

import slidetile as st
from slidetile.runtime._holder import Holder
from slidetile.runtime.claim import Claim, ClaimTimes, refuse_if_claimed

WATCHFUL = ClaimTimes(heartbeat_s=0.05, dead_after_s=60)

HOLD = """
import sys, time
from pathlib import Path
from slidetile.runtime.claim import Claim, ClaimTimes
from slidetile.errors import StoreBusyError
claim = Claim(Path(sys.argv[1]), ClaimTimes(heartbeat_s=0.05, dead_after_s=float(sys.argv[2])))
print("held", flush=True)
while True:
    time.sleep(0.02)
    try:
        claim.check()
    except StoreBusyError as error:
        sys.exit(str(error))
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.zarr.owner"


@pytest.fixture
def hold(path):
    """Begin a process that holds the claim until it loses it."""
    holders = []

    def begin(dead_after_s=60):
        command = [sys.executable, "-c", HOLD, path, str(dead_after_s)]
        holders.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        assert holders[-1].stdout.readline() == "held\n"
        return holders[-1]

    yield begin
    for holder in holders:
        holder.kill()
        holder.communicate()


def test_the_second_says_who_holds_it(path, hold):
    holder = hold()
    with pytest.raises(st.StoreBusyError) as caught:
        Claim(path)
    told = str(caught.value)
    assert re.search(
        rf"x\.zarr is being written by process {holder.pid} on .+ since \d{{4}}-", told
    )
    assert "wait until it ends, or choose another output" in told


def test_one_process_cannot_hold_it_twice(path):
    claim = Claim(path)
    with pytest.raises(st.StoreBusyError, match=f"process {os.getpid()} on .*this process: wait"):
        Claim(path)
    claim.release()
    Claim(path).release()
    assert not path.exists()


@pytest.mark.parametrize("is_zombie", [False, True])
def test_a_killed_holder_is_taken_over_at_once(path, hold, is_zombie):
    holder = hold()
    holder.kill()
    if is_zombie:
        os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
    else:
        holder.wait()
    claim = Claim(path)
    claim.check()
    claim.release()
    assert list(path.parent.iterdir()) == []


def test_a_pid_that_was_used_again_is_not_the_holder(path):
    path.write_bytes(replace(Holder.me(), process_start="7").to_json())
    Claim(path).release()


def test_a_start_that_cannot_be_told_is_no_proof_of_death(path):
    path.write_bytes(replace(Holder.me(), process_start="").to_json())
    with pytest.raises(st.StoreBusyError):
        Claim(path)


def test_a_holder_elsewhere_is_dead_only_after_a_long_silence(path):
    hold_elsewhere(path, silent_s=50)
    expected = r"process 4711 on node7 .*sign of life was 5\d s ago.*taken over after 60 s"
    with pytest.raises(st.StoreBusyError, match=expected):
        Claim(path)
    with pytest.raises(st.StoreBusyError, match=expected):
        refuse_if_claimed(path)
    hold_elsewhere(path, silent_s=61)
    refuse_if_claimed(path)
    Claim(path, WATCHFUL).release()
    assert list(path.parent.iterdir()) == []


def test_the_hosts_clock_does_not_matter(path):
    hold_elsewhere(path, silent_s=-3600)  # as if the file server were an hour ahead
    with pytest.raises(st.StoreBusyError):
        Claim(path)


def test_a_claim_dated_ahead_counts_from_when_it_is_seen(path):
    hold_elsewhere(path, silent_s=-3600)
    with pytest.raises(st.StoreBusyError, match=r"dated 3[56]\d\d s ahead, so it counts from now"):
        refuse_if_claimed(path)
    assert abs(path.stat().st_mtime - time.time()) < PATIENCE_S
    with pytest.raises(st.StoreBusyError, match=r"sign of life was \d+ s ago"):
        Claim(path)
    time.sleep(2 * QUICK.dead_after_s)
    Claim(path, QUICK).release()
    assert list(path.parent.iterdir()) == []


def test_a_living_holder_whose_clock_is_ahead_is_never_taken_over(path):
    hold_elsewhere(path, silent_s=0)
    for _ in range(3):
        ahead = time.time() + 3600
        os.utime(path, (ahead, ahead))  # its heart beats
        with pytest.raises(st.StoreBusyError, match="ahead"):
            Claim(path, QUICK)


def test_a_living_holder_whose_clock_is_behind_is_not_taken_over(path):
    hold_elsewhere(path, silent_s=3600)
    behind, over = path.stat().st_mtime, threading.Event()

    def beat():
        nonlocal behind
        while not over.wait(0.02):
            behind += 0.02
            os.utime(path, (behind, behind))

    heart = threading.Thread(target=beat)
    heart.start()
    try:
        with pytest.raises(st.StoreBusyError, match="It has just given a sign of life"):
            Claim(path, ClaimTimes(heartbeat_s=0.1, dead_after_s=60))
    finally:
        over.set()
        heart.join()


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"pid": 1}', b"\xff"])
def test_a_claim_that_names_nobody_goes_by_its_age(path, data):
    path.write_bytes(data)
    with pytest.raises(st.StoreBusyError, match="a process that has not recorded its name"):
        Claim(path)
    os.utime(path, (1, 1))
    Claim(path, WATCHFUL).release()


@pytest.mark.parametrize("pid", [0, -1, "1", 1.5, None])
def test_no_process_has_such_a_pid(pid):
    told = json.loads(Holder.me().to_json())
    assert Holder.from_json(json.dumps({**told, "pid": pid}).encode()) is None


def test_the_heart_beats(path):
    claim = Claim(path, QUICK)
    os.utime(path, (1, 1))
    wait_until(lambda: path.stat().st_mtime > 1)
    claim.release()


def test_a_claim_deleted_by_hand_is_put_back(path):
    claim = Claim(path, ClaimTimes(heartbeat_s=0.05, dead_after_s=60))
    path.unlink()
    wait_until(path.exists)
    claim.check()
    claim.release()
    assert not path.exists()


def test_a_holder_that_was_stopped_and_taken_over_notices(path, hold):
    holder = hold(dead_after_s=60)
    holder.send_signal(signal.SIGSTOP)
    seem_elsewhere(path, silent_s=1000)
    claim = Claim(path, WATCHFUL)
    holder.send_signal(signal.SIGCONT)
    _, told = holder.communicate(timeout=PATIENCE_S)
    assert f"silent for too long, and process {os.getpid()} on" in told
    assert "what it has written is kept" in told
    claim.check()
    claim.release()


def test_a_holder_that_was_stopped_while_another_came_and_went_notices(path, hold):
    holder = hold(dead_after_s=0.2)
    holder.send_signal(signal.SIGSTOP)
    path.unlink()
    time.sleep(0.5)
    holder.send_signal(signal.SIGCONT)
    _, told = holder.communicate(timeout=PATIENCE_S)
    assert f"its claim, {path}, is gone" in told
    assert not path.exists()


def test_one_that_lost_its_claim_leaves_the_others_alone(path):
    claim = Claim(path, QUICK)
    hold_elsewhere(path, silent_s=0)
    theirs = path.read_bytes()
    claim.release()
    assert path.read_bytes() == theirs


def test_of_many_that_take_over_one_gets_it(path):
    for _ in range(20):
        hold_elsewhere(path, silent_s=1000)
        claims, busy = [], []
        together = threading.Barrier(8)

        def take(claims=claims, busy=busy, together=together):
            together.wait()
            try:
                claims.append(Claim(path, WATCHFUL))
            except st.StoreBusyError as error:
                busy.append(error)

        threads = [threading.Thread(target=take) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(claims), len(busy)) == (1, 7)
        claims[0].check()
        claims[0].release()
        assert list(path.parent.iterdir()) == []


FORK = """
import os, sys, warnings
from pathlib import Path
from slidetile.runtime.claim import Claim
from slidetile.errors import StoreBusyError
warnings.simplefilter("ignore")  # a fork of a process with threads: that is what we are after
path = Path(sys.argv[1])
claim = Claim(path)
if os.fork() == 0:
    try:
        claim.check()
    except StoreBusyError as error:
        print(error, flush=True)
    claim.release()
    os._exit(0)
os.wait()
claim.check()
assert path.exists()
claim.release()
assert not path.exists()
"""


def test_a_fork_neither_writes_nor_releases(path):
    told = subprocess.run(
        [sys.executable, "-c", FORK, path], capture_output=True, text=True, check=True
    ).stdout
    assert "it is a fork of the process that holds the claim" in told


def test_times_make_sense():
    with pytest.raises(ValueError, match=r"at least twice heartbeat_s, but they are 5\.0 and 3"):
        ClaimTimes(heartbeat_s=3, dead_after_s=5.0)


def test_a_pipe_in_the_place_of_a_claim_is_not_waited_for(tmp_path):
    path = tmp_path / "a.owner"
    os.mkfifo(path)
    with pytest.raises(OSError, match="not a regular file"):
        Claim(path)
    assert path.exists()
