"""A process as others recognise it."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from slidetile.runtime._holder import Holder, uptime_s


@pytest.fixture
def child():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as running:
        yield running
        running.kill()


def test_this_process_is_visible_and_running():
    me = Holder.me()
    assert me.pid == os.getpid()
    assert me.is_visible
    assert me.is_running
    assert str(me).startswith(f"process {os.getpid()} on {me.host} since ")


def test_two_claims_of_one_process_are_told_apart_by_their_token_alone():
    one, other = Holder.me(), Holder.me()
    assert one.token != other.token
    assert replace(one, token="", since="") == replace(other, token="", since="")


def test_it_comes_back_from_its_text():
    me = Holder.me()
    assert Holder.from_json(me.to_json()) == me


@pytest.mark.parametrize("cut", [0, 1, 20, -1])
def test_a_text_cut_short_names_nobody(cut):
    assert Holder.from_json(Holder.me().to_json()[:cut]) is None


@pytest.mark.parametrize("change", [{"pid": 0}, {"pid": "1"}, {"user": "x"}])
def test_a_text_that_says_something_else_names_nobody(change):
    import json

    told = json.loads(Holder.me().to_json()) | change
    assert Holder.from_json(json.dumps(told).encode()) is None


def test_a_process_that_has_ended_is_not_running(child):
    holder = replace(Holder.me(), pid=child.pid, process_start="")
    assert holder.is_running
    child.kill()
    child.wait()
    assert not holder.is_running


@pytest.mark.skipif(sys.platform != "linux", reason="only here are starts known in ticks")
def test_a_pid_used_again_is_another_process(child):
    theirs = replace(Holder.me(), pid=child.pid)  # that began when this process did: it did not
    assert not theirs.is_running


def test_another_hosts_processes_are_not_visible():
    assert not replace(Holder.me(), processes="another boot").is_visible
    assert not replace(Holder.me(), processes="").is_visible


def test_the_clock_only_goes_on():
    before = uptime_s()
    assert 0 < before <= uptime_s()
