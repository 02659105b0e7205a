"""Stores of the sample in each codec."""

import pytest
from paths import SAMPLE
from served_stores import CODECS, write

import slidetile as st


@pytest.fixture(scope="session")
def folder(made_once):
    def make(folder):
        for codec in CODECS:
            with st.open_slide(SAMPLE) as slide:
                write(slide, folder / f"{codec}.zarr", codec)

    return made_once("served", make)
