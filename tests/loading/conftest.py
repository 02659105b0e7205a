"""Stores whose windows are loaded, and a count of what is decoded."""

from typing import ClassVar

import pytest
from known_tissue import drawn

import slidetile as st
from slidetile.format.codecs.native import NativeCodec

pytest.importorskip(
    "torch", reason="PyTorch is not installed: pip install slidetile[torch], a CPU build is enough"
)


@pytest.fixture(scope="session")
def native(sample, tmp_path_factory):
    """The sample's store: 0.5 µm, tiles of 512 px, chunks of 256."""
    path = tmp_path_factory.mktemp("loading") / "native.zarr"
    return st.tile_slide(sample, path, st.Recipe(tile=st.TileSpec(size=512), detector=drawn))


@pytest.fixture(scope="session")
def cohort(sample, tmp_path_factory):
    """A folder of three stores: two of 0.5 µm, of other codecs and tiles, and one of 1 µm."""
    folder = tmp_path_factory.mktemp("cohort")
    recipes = {
        "a": st.Recipe(tile=st.TileSpec(size=512), detector=drawn),
        "b": st.Recipe(tile=st.TileSpec(size=768), codec="zstd", detector=drawn),
        "c": st.Recipe(tile=st.TileSpec(size=256), codec="zstd", mpp=1.0, detector=drawn),
    }
    for name, recipe in recipes.items():
        st.tile_slide(sample, folder / f"{name}.zarr", recipe)
    return folder


class CountingNative(NativeCodec):
    """Counts what is decoded."""

    __slots__ = ()
    decoded: ClassVar[list] = []

    def decode(self, payload, *how):
        self.decoded.append(len(payload))
        return super().decode(payload, *how)


@pytest.fixture
def counted(native, monkeypatch):
    """The native store, and a list that grows by each chunk that is decoded from it."""
    store = st.open_store(native.path)
    for array in store._arrays:
        monkeypatch.setattr(array, "_codec", CountingNative())
    CountingNative.decoded.clear()
    return store, CountingNative.decoded
