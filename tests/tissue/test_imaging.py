"""What detectors share: how images are looked at."""

from stained import draw, glowing

from slidetile.tissue.imaging import is_dark


def test_only_dark_overviews_are_dark():
    assert is_dark(glowing())
    assert not any(is_dark(draw(name)) for name in ("only tissue", "black padding", "blank"))
