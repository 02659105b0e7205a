"""A picture of tissue that every clone has."""

import pytest

import slidetile as st


@pytest.fixture(scope="session")
def picture(sample):
    """700×530 px of the sample slide, uint8 [row, column, channel]."""
    with st.open_slide(sample) as slide:
        return slide.read_region(st.Region(x=1300, y=900, width=700, height=530))
