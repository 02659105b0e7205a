"""`slidetile view` as a process: its address, its end, and what it says where it cannot begin."""

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from urllib.parse import urlsplit

import pytest
from half_open import MANY, half_open
from jsonschema import Draft202012Validator
from paths import ROOT

COMMAND = [sys.executable, "-c", "from slidetile.cli.commands import main; main()", "view"]


@pytest.fixture
def begun(needs_page):  # noqa: ARG001  it skips
    """Begin the command; it is killed where it has not ended."""
    pytest.importorskip("uvicorn", reason="the extra view is not installed")
    processes = []

    def begin(*arguments):
        command = [*COMMAND, *map(str, arguments), "--no-browser"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        return process, process.stdout.readline().strip()

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_address_and_ends_well(begun, stores, number):
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("the tests were begun in the background of a shell, which ignores Ctrl-C")
    process, address = begun(stores / "native.zarr")
    with urllib.request.urlopen(f"{address}things") as answer:  # noqa: S310  it is http
        assert answer.status == 200
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "Ctrl-C ends it.\n")


def test_hundreds_of_half_sent_requests_keep_nobody_out(begun, stores):
    _, address = begun(stores / "native.zarr")
    with half_open(urlsplit(address).port, MANY):
        answer = urllib.request.urlopen(f"{address}things")  # noqa: S310
        assert answer.read().count(b'"store"') == 1
        answer.close()


def checked(text, name):
    """Return a document that its schema allows."""
    schema = json.loads((ROOT / "docs" / "reference" / "schemas" / f"{name}.json").read_text())
    document = json.loads(text)
    Draft202012Validator(schema).validate(document)
    return document


def test_its_address_as_json(begun, stores):
    process, first = begun(stores / "native.zarr", "--json")
    lines = [first, process.stdout.readline(), process.stdout.readline()]
    address = checked("".join(lines), "view")["address"]
    with urllib.request.urlopen(f"{address}things") as answer:  # noqa: S310  it is http
        assert answer.status == 200


def test_what_it_writes_as_json(needs_page, stores, store_copy, tmp_path, cli):  # noqa: ARG001
    page = tmp_path / "page.html"
    saved = cli("view", stores / "native.zarr", "--save", page, "--json")
    told = checked(saved.stdout, "view-save")
    assert told["page_bytes"] == page.stat().st_size
    assert saved.stderr == ""
    (store_copy / "1" / "zarr.json").write_text("{}")
    written = cli("view", store_copy.parent, "--static", "--json")
    told = checked(written.stdout, "view-static")
    assert told["stores"] == 0
    assert [each["store"] for each in told["refused"]] == [store_copy.name]
    assert written.stderr == ""


def test_a_folder_stands_for_what_is_in_it(begun, stores):
    _, address = begun(stores)
    with urllib.request.urlopen(f"{address}things") as answer:  # noqa: S310
        assert answer.read().count(b'"store"') == 4


def test_two_at_once(begun, stores, sample):
    addresses = [begun(stores / "native.zarr")[1], begun(sample)[1]]
    for address in addresses:
        with urllib.request.urlopen(f"{address}things/0/scene") as answer:  # noqa: S310
            assert answer.status == 200


def test_a_port_in_use_is_a_sentence(needs_page, stores, cli):  # noqa: ARG001
    pytest.importorskip("uvicorn", reason="the extra view is not installed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = cli("view", stores / "native.zarr", "--port", port, "--no-browser")
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error: The port {port} of 127.0.0.1 cannot be used")
    assert done.stderr.count("127.0.0.1") == 1


def test_a_missing_extra_is_a_sentence(monkeypatch, stores, cli):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    done = cli("view", stores / "native.zarr", "--no-browser")
    assert done.exit_code == 1
    assert "pip install 'slidetile[view]'" in done.stderr


def test_what_is_no_slide_is_a_sentence(tmp_path, cli):
    done = cli("view", tmp_path / "gone.svs", "--no-browser")
    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")
    assert "gone.svs" in done.stderr
