import pytest

from slidetile.format.metadata.store import fill_value


@pytest.mark.parametrize(
    ("background", "fill"),
    [
        ((255, 255, 255), 255),
        ((0, 0, 0), 0),
        ((128, 128, 128), 255),
        ((127, 128, 128), 0),
        ((243, 240, 241), 255),
        ((255, 0, 0), 0),
    ],
)
def test_what_is_absent_reads_as_white_or_black_whichever_is_nearer(background, fill):
    assert fill_value(background) == fill
