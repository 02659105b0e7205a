"""Region files that are wrong in one way or several: made from valid ones, the same for a seed.

A seed chooses a valid file of each kind that slidetile reads, and what becomes of it: values
replaced, keys dropped or doubled, nesting, huge numbers, other encodings, an end too early, bytes
flipped. Knows formats. Does not know what reads them.
"""

import copy
import gzip
import io
import json
import random
import struct
import zlib
from xml.etree import ElementTree as ET

import numpy as np
import tifffile
from PIL import Image

WIDTH, HEIGHT = 3072, 2048
"""The slide that the valid files belong to, in level-0 pixels."""

RAW = "raw number "
"""What begins so in a tree is written into JSON without its quotes."""

STRANGE = [
    *(None, True, False, 0, -1, 1, 0.5, 2**31, 2**63, 10**19, 10**400, -1e300, 1e9, 1e-300),
    *("", " ", "NaN", "x" * 5000, "\ud800", "\0", "\u202e", "{", "[1,2]", '{"name": 1}', "Ignore*"),
    *([], {}, [[]], [[[]]], [None], [1, 2], [[1, 2]], {"": {}}, {"type": "Polygon"}),
    *(RAW + number for number in ("NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, "01", "-")),
]

TYPES = [
    *("FeatureCollection", "Feature", "Polygon", "MultiPolygon", "GeometryCollection", "Point"),
    *("MultiPoint", "LineString", "MultiLineString", "Circle", "", "polygon"),
]

KEYS = [
    *("type", "features", "geometry", "geometries", "coordinates", "properties", "unit", "crs"),
    *("classification", "names", "name", "objectType", "isMissing", "childObjects", "slidetile"),
]

NUMBERS = [
    "",
    "nan",
    "inf",
    "-inf",
    "1e308",
    "1e9",
    "-1",
    "0",
    "1,5",
    "9" * 400,
    "0x10",
    "٣",
    "1 2",
]


def mutants(seed: int) -> tuple[str, bytes]:
    """Return the name and the content of the file of a seed."""
    rng = random.Random(seed)  # noqa: S311  it is to be the same again
    make = rng.choice([_geojson, _geojson, _xml, _xml, _png, _tiff, _npy])
    name, content = make(rng)
    if rng.random() < 0.35:
        content = _bytes_mutated(rng, content)
    if rng.random() < 0.05:
        name, content = f"{name}.gz", gzip.compress(content, mtime=0)
        if rng.random() < 0.5:
            content = _bytes_mutated(rng, content)
    return f"{seed}-{name}", content


def _ring(rng, corners=None):
    x, y = rng.uniform(0, WIDTH - 800), rng.uniform(0, HEIGHT - 800)
    angles = np.linspace(0, 2 * np.pi, corners or rng.randint(3, 12), endpoint=False)
    radius = rng.uniform(20, 400)
    points = [
        [
            round(x + 400 + radius * float(np.cos(angle)), 2),
            round(y + 400 + radius * float(np.sin(angle)), 2),
        ]
        for angle in angles
    ]
    return [*points, points[0]]


def _geometry(rng, depth=0):
    kind = rng.choice(TYPES[2:5] if depth < 3 else TYPES[2:4])
    if kind == "Polygon":
        return {"type": kind, "coordinates": [_ring(rng) for _ in range(rng.randint(1, 3))]}
    if kind == "MultiPolygon":
        return {"type": kind, "coordinates": [[_ring(rng)] for _ in range(rng.randint(1, 3))]}
    parts = [_geometry(rng, depth + 1) for _ in range(rng.randint(1, 2))]
    return {"type": kind, "geometries": parts}


def _feature(rng, depth=0):
    kinds = ["annotation", "annotation", "cell", "tile", "tma_core", "detection"]
    name = rng.choice(["Tumor", "Stroma", "Ignore*", "Präparat"])
    classes = [{"name": name, "color": [1, 2, 3]}, {"names": [name, "b"]}, name, None]
    classes.append(json.dumps(classes[0]))
    feature = {
        "type": "Feature",
        "id": rng.choice(["a", "PathCellObject", 7]),
        "geometry": _geometry(rng),
        "properties": {
            "objectType": rng.choice(kinds),
            "classification": rng.choice(classes),
            "isMissing": rng.random() < 0.2,
            "measurements": {"area": rng.random()},
        },
    }
    if depth < 2 and rng.random() < 0.15:
        feature["childObjects"] = [_feature(rng, depth + 1) for _ in range(2)]
    return feature


def _geojson(rng):
    document = {
        "type": "FeatureCollection",
        "unit": rng.choice(["px", "um", "µm"]),
        "features": [_feature(rng) for _ in range(rng.randint(1, 4))],
    }
    if rng.random() < 0.3:
        document["slidetile"] = {"unit": "px", "origin": [0, 0], "slide_size": [WIDTH, HEIGHT]}
    shapes = [document, document["features"], document["features"][0], {"features": [document]}]
    shapes.append(document["features"][0]["geometry"])
    document = copy.deepcopy(rng.choice([document, document, *shapes]))
    for _ in range(rng.choice([0, 1, 1, 2, 5])):
        document = _tree_mutated(rng, document)
    text = json.dumps(document, indent=rng.choice([None, None, 2]), ensure_ascii=rng.random() < 0.8)
    text = _numbers_unquoted(text)
    if rng.random() < 0.15:
        text = _text_mutated(rng, text)
    return rng.choice(["a.geojson", "a.json"]), _encoded(rng, text)


def _places(tree, above=()):
    """Yield the path to every value below a tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from _places(value, (*above, key))


def _tree_mutated(rng, tree):
    """Change one place of a tree of JSON."""
    places = list(_places(tree)) if isinstance(tree, dict | list) else []
    if not places:
        return rng.choice(STRANGE)
    *path, key = rng.choice(places)
    holder = tree
    for step in path:
        holder = holder[step]
    change = rng.choice([_replaced, _replaced, _doubled, _nested, _nested, None])
    if change is None:
        del holder[key]
    else:
        change(rng, holder, key)
    return tree


def _replaced(rng, holder, key):
    values = TYPES if rng.random() < 0.3 else STRANGE
    holder[key] = copy.deepcopy(rng.choice(values))


def _doubled(rng, holder, key):
    """Repeat an element, or give a member another name."""
    if isinstance(holder, list):
        holder.extend([copy.deepcopy(holder[key])] * rng.choice([1, 3, 50]))
    else:
        holder[rng.choice(KEYS)] = copy.deepcopy(holder.pop(key))


def _nested(rng, holder, key):
    """Put a value into arrays or objects."""
    as_array = rng.random() < 0.5
    for _ in range(rng.choice([1, 2, 9, 90])):
        inner = {"type": "GeometryCollection", "geometries": [holder[key]]}
        objects = [inner, {rng.choice(KEYS): holder[key]}]
        holder[key] = [holder[key]] if as_array else rng.choice(objects)


def _numbers_unquoted(text):
    """Write what JSON has no value for, such as NaN, where a text stands for it."""
    first, *others = text.split(f'"{RAW}')
    return first + "".join(part.replace('"', "", 1) for part in others)


def _text_mutated(rng, text):
    """Change a text where it holds punctuation, or wrap it."""
    change = rng.randrange(5)
    at = rng.randrange(len(text) + 1)
    if change == 0:
        return text[:at] + rng.choice('[]{},:"\\ \t') + text[at:]
    if change == 1:
        return "[" * rng.choice([1, 100, 200_000]) + text
    if change == 2:
        key = rng.choice(KEYS)
        return text.replace(
            "{", f'{{"{key}": {rng.choice(["1", "[]", "{}", "null"])},', rng.randint(1, 4)
        )
    if change == 3:
        return text + rng.choice(["x", text, "\0", "]", "\n\n", "{}"])
    return text[:at]


def _encoded(rng, text):
    encodings = ["utf-8"] * 8 + ["utf-8-sig", "utf-16", "utf-32", "utf-16-be", "latin-1", "utf-7"]
    return text.encode(rng.choice(encodings), errors="replace")


def _xml(rng):
    is_halo = rng.random() < 0.4
    root = ET.Element("Annotations", MicronsPerPixel=rng.choice(["0.25", "0,25", "", "x", "nan"]))
    for layer in range(rng.randint(1, 3)):
        annotation = ET.SubElement(root, "Annotation", Name=rng.choice(["", "Tumor", f"L{layer}"]))
        regions = ET.SubElement(annotation, "Regions")
        for _ in range(rng.randint(0, 5)):
            _region(rng, regions, is_halo=is_halo)
    for _ in range(rng.choice([0, 1, 1, 2, 5])):
        _element_mutated(rng, root)
    text = ET.tostring(root, encoding="unicode").replace("\0", "?")
    head = ""
    if rng.random() < 0.3:
        named = rng.choice(["UTF-8", "utf-16", "utf-32", "latin-1", "nonsense", "ascii", "cp037"])
        head = f'<?xml version="1.0" encoding="{named}"?>'
    if rng.random() < 0.05:
        head += '<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]>'
    if rng.random() < 0.1:
        text = _text_mutated(rng, text)
    return rng.choice(["a.xml", "a.annotations"]), _encoded(rng, head + text)


def _region(rng, above, *, is_halo):
    kinds = (
        ["Polygon", "Rectangle", "Ellipse", "Ruler", "Pin", "Pen"] if is_halo else list("012345")
    )
    kind = rng.choice(kinds)
    region = ET.SubElement(above, "Region", Type=kind, NegativeROA=rng.choice("0001"))
    if is_halo:
        region.set("HasEndcaps", rng.choice("0001"))
    vertices = ET.SubElement(region, "Vertices")
    corners = _ring(rng) if kind in ("Polygon", "0") else _ring(rng)[: rng.randint(1, 4)]
    for x, y in corners:
        ET.SubElement(vertices, "V" if is_halo else "Vertex", X=str(x), Y=str(y))


def _element_mutated(rng, root):
    """Change one element, or its place."""
    element = rng.choice(list(root.iter()))
    change = rng.randrange(6)
    if change == 0 and element.attrib:
        element.set(rng.choice(list(element.attrib)), rng.choice(NUMBERS))
    elif change == 1 and element.attrib:
        del element.attrib[rng.choice(list(element.attrib))]
    elif change == 2:
        element.tag = rng.choice(["Region", "Vertex", "Annotation", "V", "a", "annotations", "scn"])
    elif change == 3 and len(element):
        element.append(copy.deepcopy(rng.choice(list(element))))
    elif change == 4 and len(element):
        element.remove(rng.choice(list(element)))
    else:
        inner = element
        for _ in range(rng.choice([1, 3, 100])):
            inner = ET.SubElement(inner, rng.choice([element.tag, "Region", "a"]), element.attrib)


def _labels(rng):
    kinds = ["u1", "u1", "?", "u2", "<i4", "<i8", "<f4", "<c8"]
    shape = (rng.randint(1, 96), rng.randint(1, 96), *rng.choice([(), (), (), (1,), (3,), (4,)]))
    labels = np.zeros(shape, rng.choice(kinds))
    labels[: rng.randint(0, shape[0]), : rng.randint(0, shape[1])] = rng.choice([1, 1, 7])
    return labels


def _png(rng):
    size, mode = (
        (rng.randint(1, 96), rng.randint(1, 96)),
        rng.choice(["1", "L", "P", "RGB", "RGBA", "I;16"]),
    )
    content = io.BytesIO()
    Image.new(mode, size, rng.choice([0, 1])).save(content, "PNG")
    chunks = _chunks(content.getvalue())
    for _ in range(rng.choice([0, 1, 2])):
        _chunks_mutated(rng, chunks)
    framed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return "a.png", b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def _chunks(png):
    chunks, at = [], 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        chunks.append((png[at + 4 : at + 8], png[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def _chunks_mutated(rng, chunks):
    change = rng.randrange(5)
    at = rng.randrange(len(chunks)) if chunks else 0
    if change == 0:
        kinds = [b"tEXt", b"PLTE", b"tRNS", b"acTL", b"IDAT", b"zTXt", b"iCCP"]
        data = rng.choice(
            [b"", b"a\0b", rng.randbytes(30), b"a\0\0" + zlib.compress(bytes(1 << 20))]
        )
        chunks.insert(at, (rng.choice(kinds), data))
    elif change == 1 and chunks:
        del chunks[at]
    elif change == 2 and chunks:
        rng.shuffle(chunks)
    elif chunks and chunks[0][0] == b"IHDR":
        side = rng.choice([0, 1, 7, 9000, 100_000, 2**31 - 1, 2**32 - 1])
        form = [
            rng.choice([1, 2, 4, 8, 16, 3]),
            rng.choice([0, 2, 3, 4, 6, 1]),
            0,
            0,
            rng.choice([0, 1]),
        ]
        chunks[0] = (b"IHDR", struct.pack(">II5B", side, rng.choice([1, 9, side]), *form))


def _tiff(rng):
    labels = _labels(rng)
    options = {"compression": rng.choice([None, "deflate", "lzw", "zstd", "packbits", "lzma"])}
    if rng.random() < 0.5:
        options["tile"] = (rng.choice([16, 32, 64]),) * 2
    content = io.BytesIO()
    try:
        tifffile.imwrite(
            content, labels, bigtiff=rng.random() < 0.3, metadata=None, photometric=None, **options
        )
    except Exception:  # noqa: BLE001  not every codec takes every type
        content = io.BytesIO()
        tifffile.imwrite(content, labels.real.astype("u1"), metadata=None)
    data = bytearray(content.getvalue())
    entries = _entries(data)
    for _ in range(rng.choice([0, 1, 1, 3])):
        _tag_mutated(rng, data, rng.choice(entries))
    return "a.tif", bytes(data)


def _entries(tiff):
    """Return where the entries of the first directory begin and end."""
    is_big = tiff[2] == 43
    (start,) = struct.unpack_from("<Q" if is_big else "<I", tiff, 8 if is_big else 4)
    (count,) = struct.unpack_from("<Q" if is_big else "<H", tiff, start)
    first, size = start + (8 if is_big else 2), 20 if is_big else 12
    return [(first + size * number, first + size * (number + 1)) for number in range(count)]


def _tag_mutated(rng, tiff, entry):
    """Change the tag, type, count or value of an entry."""
    start, end = entry
    numbers = [0, 1, 2, 3, 7, 8, 255, 259, 65535, 50000, 34712, 2**16, 2**20, 2**31, 2**32 - 1]
    place = rng.choice([start, start + 2, start + 4, end - 4, end - 4, end - 8])
    packed = struct.pack("<I", rng.choice(numbers))[: 2 if place < start + 4 else 4]
    tiff[place : place + len(packed)] = packed


def _npy(rng):
    content = io.BytesIO()
    np.save(content, _labels(rng), allow_pickle=False)
    data = content.getvalue()
    if rng.random() < 0.5:
        shapes = [b"(99999, 99999)", b"()", b"(0, 5)", b"(-1, 5)", b"(1, 2, 3, 4)", b"(1e9,)", b"x"]
        start, end = data.index(b"(", 10), data.index(b")", 10) + 1
        data = data[:start] + rng.choice(shapes).ljust(end - start)[: end - start] + data[end:]
    if rng.random() < 0.2:
        data = data.replace(b"'|u1'", rng.choice([b"'|O' ", b"'|V9'", b"'<M8'", b"'|S1'"]))
    return "a.npy", data


def _bytes_mutated(rng, content):
    """Cut, flip, remove, repeat or insert bytes."""
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8])):
        at = rng.randrange(len(data) + 1)
        size = rng.choice([1, 2, 4, 16, 256])
        change = rng.randrange(6)
        if change == 0:
            del data[at:]
        elif change == 1 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif change == 2:
            del data[at : at + size]
        elif change == 3:
            data[at:at] = data[at : at + size]
        elif change == 4:
            data[at:at] = rng.randbytes(size)
        else:
            data[at : at + size] = rng.choice([b"\0", b"\xff", b"9", b"["]) * size
    return bytes(data)
