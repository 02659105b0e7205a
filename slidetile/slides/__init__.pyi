from .array import ArraySlide as ArraySlide
from .opening import open_slide as open_slide
from .overview import Overview as Overview
from .overview import read_overview as read_overview
from .rescaled import rescale_slide as rescale_slide
from .slide import Level as Level
from .slide import Slide as Slide
from .slide import Source as Source
