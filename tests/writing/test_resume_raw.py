"""A raw chunk has no checksum of its own: an interrupted run keeps it only as it was written."""

import os

import pytest
from tampering import plan_of, shards, small_slide

import slidetile as st
from slidetile.format.names import PARTIAL_SUMS, partial_path


class Interrupted(BaseException):
    pass


def stop(progress):
    if progress.shards_done >= 2:
        raise Interrupted


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tree):
    slide = small_slide()
    path = tmp_path_factory.mktemp("whole") / "s.zarr"
    return tree(st.write_tiles(slide, plan_of(slide), path, codec="raw").path)


@pytest.fixture
def path(tmp_path):
    """The path of an interrupted run's store, of which some raw chunks are finished."""
    slide = small_slide()
    with pytest.raises(Interrupted):
        st.write_tiles(
            slide, plan_of(slide), tmp_path / "s.zarr", codec="raw", on_progress=stop, workers=1
        )
    assert len(shards(partial_path(tmp_path / "s.zarr"))) >= 2
    return tmp_path / "s.zarr"


def continued(path):
    """Continue a run; return its store, and the shards that it began with."""
    seen, slide = [], small_slide()
    store = st.write_tiles(slide, plan_of(slide), path, codec="raw", on_progress=seen.append)
    return store, seen[0].shards_done


def test_what_was_written_is_kept(path, whole, tree):
    store, kept = continued(path)
    assert kept >= 2
    assert tree(store.path) == whole
    assert st.verify_store(store.path) == ()


@pytest.mark.parametrize("spoil", ["zeros", "pipe", "nothing", "a bit"])
def test_what_is_not_what_was_written_is_made_again(path, whole, tree, spoil):
    name = shards(partial_path(path))[0]
    shard = partial_path(path) / name
    data = bytearray(shard.read_bytes())
    if spoil == "zeros":
        shard.write_bytes(bytes(len(data)))
    elif spoil == "a bit":
        data[5] ^= 1
        shard.write_bytes(data)
    else:
        shard.unlink()
        if spoil == "pipe":
            os.mkfifo(shard)
    store, _ = continued(path)
    assert tree(store.path) == whole


@pytest.mark.parametrize("change", ["absent", "cut short", "garbage"])
def test_without_its_checksum_a_chunk_is_made_again(path, whole, tree, change):
    sums = partial_path(path) / PARTIAL_SUMS
    lines = sums.read_bytes()
    if change == "absent":
        sums.unlink()
    else:
        sums.write_bytes(lines[:20] if change == "cut short" else b"\xff\n" * 9 + lines)
    store, kept = continued(path)
    assert (kept >= 2) == (change == "garbage")
    assert tree(store.path) == whole


def test_zeros_in_a_finished_store_are_found(path):
    store, _ = continued(path)
    shard = store.path / shards(store.path)[0]
    shard.write_bytes(bytes(shard.stat().st_size))
    told = "\n".join(map(str, st.verify_store(store.path)))
    assert f"{shards(store.path)[0]}: its bytes are not those written" in told
    assert "its crc32c is" in told
