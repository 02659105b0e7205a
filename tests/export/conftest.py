import pytest

import slidetile as st

SIZE = st.TileSpec(size=512)


@pytest.fixture(scope="session")
def stores(sample, made_once):
    """Stores of the sample by their codec, to be read only."""

    def write(folder):
        for codec in ("native", "zstd", "jpeg", "raw", "jxl"):
            st.tile_slide(sample, folder / f"{codec}.zarr", st.Recipe(codec=codec, tile=SIZE))

    folder = made_once("to export", write)
    return lambda codec: st.open_store(folder / f"{codec}.zarr")


class Stopped(Exception):  # noqa: N818  it is what a test does
    """Ends a run in its middle."""


@pytest.fixture
def stop():
    """Make a callback that ends a run after so many reports."""

    def after(count):
        def report(progress):
            nonlocal count
            count -= 1
            if not count:
                raise Stopped(progress)

        return report

    return after


@pytest.fixture
def stopped():
    return Stopped
