"""Makers whose descriptions are not Aperio's: their µm, their objectives and all their levels."""

import pytest
import tifffile
from pictures import pattern

from slidetile.slides.opening import open_slide

HURON = (
    "Source = Brightfield\r\nScan Size = 8.07x7.86 mm\r\nImage Dimensions = 20170x19657 Pixels\r\n"
    "Resolution = 0.40 um\r\nScan Started = 2017:09:29 14:45:38"
)
MIKROSCAN = (
    "Mikroscan Image Structure\r\n421x300 [0, 0 421x300] (64x64) JPEG / RGB Q = 30|AppMag = 20|"
    "SL5 SERIAL # = 1053|MPP = 0.453023"
)
MOTIC = "Motic V1.0.0\n421x300 [0,0 421x300] [64x64] JPEG/RGB Q = 75|AppMag = 40|MPP = 0.260417"
GRUNDIUM = "Aperio Image, Grundium Ocus\r\n|MPP =0.496094|AppMag=20"
ARGOS = (
    "<Argos.Scan.Metadata><ObjectiveMagnification>20</ObjectiveMagnification><MinZ>0</MinZ>"
    "<MaxZ>0</MaxZ></Argos.Scan.Metadata>"
)


def write(path, description, *, first_tags=(), **options):
    """A pyramid that marks nothing, whose coarsest level is a fourth and a bit, and a thumbnail."""
    tiles = {"photometric": "rgb", "tile": (64, 64), "compression": "jpeg", "metadata": None}
    strips = {"photometric": "rgb", "rowsperstrip": 16, "metadata": None}
    with tifffile.TiffWriter(path) as writer:
        writer.write(
            pattern(600, 842), description=description, extratags=first_tags, **tiles, **options
        )
        writer.write(pattern(300, 421), **strips)
        writer.write(pattern(149, 210), **tiles)  # no whole number gives both sides
    return path


@pytest.mark.parametrize(
    ("vendor", "description", "tags", "mpp", "power"),
    [
        ("huron", HURON, [(271, 2, 6, "Huron", True)], 0.4, None),
        ("huron", HURON, [], 0.4, None),
        ("mikroscan", MIKROSCAN, [], 0.453023, 20),
        ("motic", MOTIC, [], 0.260417, 40),
        ("aperio", GRUNDIUM, [], 0.496094, 20),
        ("generic-tiff", "Somebody's scanner|MPP = 0,25|AppMag = 40", [], 0.25, 40),
    ],
)
def test_what_a_description_says_whatever_its_first_word(
    tmp_path, vendor, description, tags, mpp, power, caplog
):
    path = write(tmp_path / "slide.tif", description, first_tags=tags)
    with open_slide(path) as slide:
        assert (slide.vendor, slide.reader) == (vendor, "tiff")
        assert slide.mpp == pytest.approx((mpp, mpp))
        assert slide.objective_power == power
        assert [level.size for level in slide.levels] == [(842, 600), (210, 149)]
        assert slide.native_tiles(0) is not None
    assert not caplog.records


def test_argos_of_one_depth(tmp_path):
    scale = {"resolution": (20_000, 20_000), "resolutionunit": "CENTIMETER"}
    tag = (65000, 2, len(ARGOS) + 1, ARGOS, True)
    path = write(tmp_path / "slide.avs", "", first_tags=[tag], **scale)
    with open_slide(path) as slide, open_slide(path, reader="openslide") as oracle:
        assert slide.vendor == oracle.vendor == "argos"
        assert slide.mpp == oracle.mpp == (0.5, 0.5)
        assert slide.objective_power == oracle.objective_power == 20
        assert [level.size for level in slide.levels] == [level.size for level in oracle.levels]


def test_a_line_that_only_looks_like_a_field_says_nothing(tmp_path):
    text = "Notes of the lab\r\nResolution = 0.40 um\r\nMPP = 0.1"
    with open_slide(write(tmp_path / "slide.tif", text)) as slide:
        assert (slide.vendor, slide.mpp) == ("generic-tiff", None)
