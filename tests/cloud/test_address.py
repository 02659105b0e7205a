"""Addresses: what is one, what it is made of, and that it never shows a secret."""

import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from slidetile.cloud.address import Address, address_of, locate
from slidetile.cloud.options import StorageOptions, storage_options, using_storage_options


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("s3://lab/a/b.svs", ("s3", "lab", "a/b.svs")),
        ("S3://lab/a//b.svs/", ("s3", "lab", "a/b.svs")),
        ("gs://lab", ("gs", "lab", "")),
        ("az://container/a#b%20c", ("az", "container", "a#b%20c")),
        ("https://host:8080/a%20b.svs", ("https", "host:8080", "a b.svs")),
    ],
)
def test_what_an_address_is_made_of(text, parts):
    address = Address.parse(text)
    assert (address.scheme, address.bucket, address.key) == parts
    assert locate(text) == address
    assert address_of(text) == address


@pytest.mark.parametrize("text", ["a.svs", "/data/a.svs", "C:\\a.svs", "./s3", "~/a", "."])
def test_paths_are_paths(text):
    assert locate(text) == Path(text)
    assert locate(Path(text)) == Path(text)
    assert address_of(text) is None


def test_a_path_that_lost_a_slash_is_an_address():
    assert locate(Path("s3://lab/a.svs")) == Address("s3", "lab", "a.svs")


def test_a_file_that_is_there_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("s3:").mkdir()
    assert locate("s3://lab/a") == Path("s3://lab/a")


@pytest.mark.parametrize(
    "text", ["file:///data/a b.svs", "file://localhost/data/a%20b.svs", "file:/data/a b.svs"]
)
def test_file_addresses_are_paths(text):
    assert locate(text) == Path("/data/a b.svs")


@pytest.mark.parametrize(
    "text",
    [
        "ftp://host/a",
        "s3://",
        "s3://lab/../other",
        "https://me:hush@host/a",
        "s3://me:hush@lab/a",
        "s3://la hush/a",
        "http://host:hush/a",
        "https://host/a?signature=hush",
    ],
)
def test_what_is_no_address_is_refused_without_showing_secrets(text):
    with pytest.raises(ValueError, match=r".") as caught:
        locate(text)
    assert "hush" not in str(caught.value)


def test_steps():
    address = Address.parse("s3://lab/slides/a.b.svs")
    assert (address.name, address.stem, address.suffix) == ("a.b.svs", "a.b", ".svs")
    assert str(address.parent / "c" / "d") == "s3://lab/slides/c/d"
    assert str(address.with_suffix(".zarr")) == "s3://lab/slides/a.b.zarr"
    assert str(Address.parse("s3://lab/a").parent) == "s3://lab"
    assert str(Address.parse("s3://lab") / "a") == "s3://lab/a"


@given(key=some.text(some.characters(blacklist_categories=["Cs", "Cc"]), max_size=20))
def test_text_and_address_are_the_same(key):
    steps = [step for step in key.split("/") if step not in ("", ".", "..")]
    address = Address("s3", "lab", "/".join(steps))
    assert Address.parse(str(address)) == address


def test_secrets_are_not_shown_but_travel():
    with using_storage_options({"secret_access_key": "hush-hush"}):
        address = Address.parse("s3://lab/a")
    assert not storage_options()
    for shown in (repr(address), str(address), repr(address.options), f"{address.options}"):
        assert "hush" not in shown
    again = pickle.loads(pickle.dumps(address / "b"))  # noqa: S301  our own
    assert again.options["secret_access_key"] == "hush-hush"  # noqa: S105
    assert hash(again) == hash(Address.parse("s3://lab/a/b"))


def test_options_from_the_command_line():
    options = StorageOptions.parse(("Region=eu", "token=a=b"))
    assert dict(options) == {"region": "eu", "token": "a=b"}
    with pytest.raises(ValueError, match="option 2") as caught:
        StorageOptions.parse(("a=b", "hush"))
    assert "hush" not in str(caught.value)


def test_an_address_is_no_path_of_the_system():
    with pytest.raises(TypeError):
        os.fspath(Address.parse("s3://lab/a"))
