"""Slides with labels whose truth is known."""

import json
from pathlib import Path

import numpy as np

import slidetile as st


def slide_of(width=640, height=512, glass=()):
    """A slide all of tissue but for rectangles (left, top, right, bottom)."""
    rng = np.random.default_rng(1)
    pixels = rng.integers(90, 200, (height, width, 3), np.uint8)
    for left, top, right, bottom in glass:
        pixels[top:bottom, left:right] = 255
    return st.ArraySlide(pixels, mpp=0.5, name="s.svs")


def box(left, top, right, bottom):
    return [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]


def feature(class_name, kind, coordinates):
    properties = {"objectType": "annotation"}
    if class_name is not None:
        properties["classification"] = {"name": class_name}
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def write_labels(path: Path, *features):
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def polygon(class_name, *rings):
    return feature(class_name, "Polygon", rings)
