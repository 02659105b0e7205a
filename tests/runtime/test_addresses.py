"""What is an address, and what a path that looks like one."""

from pathlib import Path

import pytest

from slidetile.runtime.addresses import address_in


@pytest.mark.parametrize("scheme", ["s3", "https", "file", "gs", "git+ssh"])
@pytest.mark.parametrize("kind", [str, Path])
def test_addresses_are_known_with_one_slash_and_with_two(scheme, kind):
    address = f"{scheme}://bucket/a.zarr"
    assert address_in(str(kind(address))) == address


@pytest.mark.parametrize("path", ["C:/slides/a.svs", "run:1/a.zarr", "a.svs", "./s3://x", "", ":/"])
def test_paths_are_none(path):
    assert address_in(path) is None


def test_what_is_there_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:").mkdir()
    assert address_in("s3://bucket/new.zarr") is None
    assert address_in("gs://bucket/new.zarr") == "gs://bucket/new.zarr"
