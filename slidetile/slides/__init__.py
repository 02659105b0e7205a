"""What a slide is, and how one is opened."""

from slidetile.slides.array import ArraySlide
from slidetile.slides.fetched import DecodedPixels, FetchedPixels
from slidetile.slides.file_slide import FileSlide
from slidetile.slides.native import FetchedTiles, NativeTiles
from slidetile.slides.opening import open_slide
from slidetile.slides.overview import Overview, read_overview
from slidetile.slides.rescaled import rescale_slide
from slidetile.slides.slide import Level, Slide, Source

__all__ = [
    "ArraySlide",
    "DecodedPixels",
    "FetchedPixels",
    "FetchedTiles",
    "FileSlide",
    "Level",
    "NativeTiles",
    "Overview",
    "Slide",
    "Source",
    "open_slide",
    "read_overview",
    "rescale_slide",
]
