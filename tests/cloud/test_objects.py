"""Objects in a bucket, behind a network that fails: bytes are right, or a sentence says why not."""

import errno

import pytest
from object_storage import OPTIONS, Fault

from slidetile.cloud.address import Address
from slidetile.cloud.errors import ObjectChangedError, StorageOptionError
from slidetile.cloud.objects import (
    PART_BYTES,
    copy_object,
    entries_in,
    object_state,
    objects_below,
    read_object,
    read_range,
    read_tail,
    remove_objects,
    write_object,
)
from slidetile.cloud.options import set_storage_options, storage_options

DATA = bytes(range(256)) * 4096


@pytest.fixture
def thing(lab):
    address = lab.home / "a b" / "the thing.bin"
    write_object(address, [DATA[:1000], DATA[1000:]])
    lab.proxy.clear()
    return address


def once(fault, method="GET"):
    """Let the first request of a kind fail, and no other."""
    left = [fault]
    return lambda request: left.pop() if request.method == method and left else None


def test_ranges_and_tails_take_one_request(lab, thing):
    assert read_range(thing, 5, 700)[0] == DATA[5:700]
    assert read_tail(thing, 9)[0] == DATA[-9:]
    assert read_object(thing, 1 << 30) == DATA
    assert read_range(thing, len(DATA) - 3, len(DATA) + 90)[0] == DATA[-3:]
    assert [each.method for each in lab.proxy.requests] == ["GET"] * 4
    assert read_range(thing, len(DATA), len(DATA) + 5)[0] == b""


def test_an_empty_object_is_read(lab):
    write_object(lab.home / "empty", [])
    assert read_object(lab.home / "empty", 100) == b""


def test_listing_copying_removing(lab, thing):
    copy_object(thing, thing.with_name("copy"))
    assert read_object(thing.with_name("copy"), 1 << 30) == DATA
    assert sorted(str(each) for each, _ in objects_below(lab.home)) == [
        str(thing.with_name("copy")),
        str(thing),
    ]
    assert entries_in(lab.home) == ([lab.home / "a b"], [])
    remove_objects([thing, thing.with_name("never was")])
    assert [each.name for each, _ in objects_below(lab.home)] == ["copy"]


def test_conditions_let_one_writer_win(thing):
    state = object_state(thing)
    with pytest.raises(ObjectChangedError):
        write_object(thing, [b"new"], is_new=True)
    write_object(thing, [b"second"], replaces=state)
    with pytest.raises(ObjectChangedError, match="replaced or changed meanwhile"):
        write_object(thing, [b"third"], replaces=state)
    assert read_object(thing, 100) == b"second"


def test_what_was_replaced_is_not_read_on(thing):
    state = object_state(thing)
    write_object(thing, [DATA[::-1]])
    with pytest.raises(ObjectChangedError):
        read_range(thing, 0, 10, state)


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=503, code="SlowDown"),
        Fault(status=500),
        Fault(lose_answer=True),
    ],
    ids=["throttled", "fails", "answer lost"],
)
def test_what_passes_is_tried_again(lab, thing, method, fault):
    lab.proxy.fault = once(fault, method)
    write_object(thing, [DATA[:5000]])
    assert read_object(thing, 1 << 30) == DATA[:5000]


@pytest.mark.parametrize("count", [0, 700_000])
def test_a_body_that_breaks_off_is_read_again(lab, thing, count):
    lab.proxy.fault = once(Fault(cut_after=count))
    assert read_object(thing, 1 << 30) == DATA


def test_a_claim_whose_answer_was_lost_is_ours(lab):
    lab.proxy.fault = once(Fault(lose_answer=True), "PUT")
    write_object(lab.home / "claim", [b"me"], is_new=True)
    assert [each.status for each in lab.proxy.of("PUT")] == [200, 412]


def told(lab, address, fault):
    lab.proxy.fault = lambda _: fault
    with pytest.raises(OSError, match=r".") as caught:
        read_object(address, 100)
    assert OPTIONS["secret_access_key"] not in repr(caught.value)
    return caught.value


def test_what_stays_is_told_in_a_sentence(lab, thing):
    slow = told(lab, thing, Fault(status=503, code="SlowDown"))
    assert slow.errno == errno.EIO
    assert slow.strerror == "its server asks to slow down after 4 attempts (503 SlowDown)"
    assert slow.filename == str(thing)
    denied = told(lab, thing, Fault(status=403, code="AccessDenied"))
    assert isinstance(denied, PermissionError)
    assert "access is denied (403 AccessDenied)" in str(denied)
    expired = told(lab, thing, Fault(status=400, code="ExpiredToken"))
    assert "have expired" in str(expired)
    broken = told(lab, thing, Fault(cut_after=10))
    assert "breaks off" in str(broken)
    other = told(lab, thing, Fault(shift=7))
    assert "other bytes than were asked for" in str(other)
    vanished = told(lab, thing, Fault(status=404, code="NoSuchKey"))
    assert isinstance(vanished, FileNotFoundError)


def test_a_server_that_is_too_slow_is_given_up(lab, thing):
    set_storage_options(
        {**OPTIONS, "endpoint": lab.proxy.endpoint, "max_retries": "1", "timeout": "1s"}
    )
    slow = told(lab, Address.parse(str(thing)), Fault(pause_s=1.5))
    assert slow.errno in (errno.ETIMEDOUT, errno.EIO)
    assert "too slow" in str(slow)


@pytest.mark.usefixtures("lab")
def test_a_bucket_that_is_not_there_is_named():
    with pytest.raises(FileNotFoundError, match="the bucket nowhere does not exist"):
        read_object(Address("s3", "nowhere", "a"), 10)


@pytest.mark.usefixtures("lab")
def test_nothing_listens():
    set_storage_options({**OPTIONS, "endpoint": "http://127.0.0.1:9", "max_retries": "1"})
    with pytest.raises(OSError, match="cannot be reached after 2 attempts"):
        read_object(Address.parse("s3://lab/a"), 10)


@pytest.mark.usefixtures("lab")
def test_an_unknown_option_is_told_without_its_value():
    set_storage_options({"acess_key": "hush-hush"})
    with pytest.raises(ValueError, match="acess_key") as caught:
        read_object(Address.parse("s3://lab/a"), 10)
    assert "hush-hush" not in str(caught.value)


def test_a_web_server_is_read_by_ranges(lab, thing, s3_process):
    s3_process.publish(f"{thing.bucket}/{thing.key}")
    web = Address.parse(f"{lab.proxy.endpoint}/{thing.bucket}/{thing.key.replace(' ', '%20')}")
    assert read_range(web, 3, 9)[0] == DATA[3:9]
    assert read_tail(web, 9)[0] == DATA[-9:]
    with pytest.raises(OSError, match="does not list"):
        list(objects_below(web.parent))


NOT_REMOVED = """<?xml version="1.0" encoding="UTF-8"?>
<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<Error><Key>KEY</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>
</DeleteResult>"""
"""What Amazon answers where the request is allowed, and the removal is not: with the status 200."""


def test_a_right_that_is_missing_is_named(lab, thing):
    denied = Fault(status=403, code="AccessDenied")
    kept = Fault(status=200, text=NOT_REMOVED.replace("KEY", thing.key))
    wanted = (
        (lambda: read_object(thing, 9), denied, "s3:GetObject"),
        (lambda: write_object(thing, [b"x"]), denied, "s3:PutObject"),
        (lambda: remove_objects([thing]), denied, "s3:DeleteObject"),
        (lambda: remove_objects([thing]), kept, "s3:DeleteObject"),
        (lambda: entries_in(thing), denied, "s3:ListBucket"),
    )
    for ask, fault, right in wanted:
        lab.proxy.fault = lambda _, fault=fault: fault
        with pytest.raises(PermissionError, match=f"access is denied .* the right {right}"):
            ask()


LONG = DATA * 20


def test_a_long_object_goes_up_in_parts(lab):
    write_object(lab.home / "long", [LONG[:77], LONG[77:]])
    assert len(lab.proxy.of("PUT")) == -(-len(LONG) // PART_BYTES)
    assert read_object(lab.home / "long", 1 << 30) == LONG


def test_an_upload_that_takes_too_long_is_given_up(lab):
    with pytest.raises(OSError, match="0 of 20,971,520 bytes were sent within 0 s") as told:
        write_object(lab.home / "long", [LONG], longest_s=0.0)
    assert told.value.errno == errno.ETIMEDOUT
    assert list(objects_below(lab.home)) == []


def test_a_part_is_sent_only_while_it_may_be(lab):
    """Of a process that wakes up after another has taken over."""
    left = [None, RuntimeError("no more")]

    def check():
        if (error := left.pop(0)) is not None:
            raise error

    with pytest.raises(RuntimeError, match="no more"):
        write_object(lab.home / "long", [LONG], check=check)
    assert list(objects_below(lab.home)) == []


def test_a_part_that_fails_for_good_ends_the_upload_in_a_sentence(lab):
    lab.proxy.fault = lambda request: (
        Fault(status=503, code="SlowDown") if "partNumber=2" in request.query else None
    )
    with pytest.raises(OSError, match=r"asks to slow down after 4 attempts \(503 SlowDown\)"):
        write_object(lab.home / "long", [LONG])
    lab.proxy.fault = lambda _: None
    assert list(objects_below(lab.home)) == []


@pytest.mark.parametrize("given", ["3", "3s", "0m 3s", "3 seconds", "3000ms"])
def test_durations_are_given_as_obstore_takes_them(thing, given):
    set_storage_options({**storage_options(), "retry_timeout": given, "timeout": given})
    assert read_object(Address.parse(str(thing)), 9) == DATA[:9]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"retry_timeout": "5m"},
            r"timeout \(60 s\) and retry_timeout \(300 s\) are 300 s together",
        ),
        ({"timeout": "1h"}, r"timeout \(3600 s\) and retry_timeout \(120 s\)"),
        ({"retry_timeout": "soon"}, "retry_timeout is a duration, such as 90, 90s, 2m"),
        ({"timeout": "-3s"}, "timeout is a duration"),
        ({"max_retries": "-1"}, "max_retries is a whole number"),
        ({"endpoint": "127.0.0.1:9000"}, "endpoint is a web address, which begins with http://"),
        ({"proxy_url": "a proxy"}, "proxy_url is a web address"),
    ],
)
@pytest.mark.usefixtures("lab")
def test_options_that_are_refused(options, told):
    set_storage_options({**storage_options(), **options})
    with pytest.raises(StorageOptionError, match=told) as caught:
        read_object(Address.parse("s3://lab/a"), 9)
    assert not any(f"'{value}'" in str(caught.value) for value in options.values())
