"""Annotation files as people have reported them, written anew, each with its slide."""

import gzip
import json
import zipfile

import numpy as np
from cases.made.pictures import stained
from cases.made.slides import small
from cases.made.tiff import write_svs
from PIL import Image


def square(x, y, side, *, depth=(), is_closed=True):
    """Return the corners of a square."""
    corners = [(x, y), (x + side, y), (x + side, y + side), (x, y + side)]
    corners += corners[:1] if is_closed else []
    return [[*corner, *depth] for corner in corners]


def polygon(*rings):
    return {"type": "Polygon", "coordinates": list(rings)}


def feature(geometry, **members):
    return {"type": "Feature", "geometry": geometry, **members}


def collection(*features):
    return {"type": "FeatureCollection", "features": list(features)}


def of_class(name, geometry):
    properties = {"objectType": "annotation", "classification": {"name": name}}
    return feature(geometry, properties=properties)


SQUARE = polygon(square(300, 300, 900))


def _save(path, content):
    path.write_text(json.dumps(content), encoding="utf-8")


def _slide(folder):
    write_svs(folder / "s.svs", small())


def geopandas(folder):
    _slide(folder)
    places = {"Tumor": (300, 300, 900), "Stroma": (1800, 800, 700)}
    features = []
    for name, place in places.items():
        text = json.dumps({"name": name, "color": [200, 0, 0]})
        properties = {"objectType": "annotation", "isLocked": False, "classification": text}
        features.append(feature(polygon(square(*place)), properties=properties))
    _save(folder / "gpd.geojson", collection(*features))


def odd_geojson(folder):
    _slide(folder)
    whole = feature(SQUARE, properties={})
    line = {"type": "LineString", "coordinates": [[0, 0], [9, 9]]}
    mixed = {"type": "GeometryCollection", "geometries": [SQUARE, line]}
    as_text = [[str(number) for number in corner] for corner in square(300, 300, 900)]
    with_gap = [[300, 300], [1200, None], *square(300, 300, 900)[2:]]
    odd = {
        "null-class": [feature(SQUARE, properties={"classification": None})],
        "no-properties": [feature(SQUARE)],
        "properties-null": [feature(SQUARE, properties=None)],
        "geometry-null": [whole, feature(None, properties={})],
        "z": [feature(polygon(square(300, 300, 900, depth=(0,))), properties={})],
        "open-ring": [feature(polygon(square(300, 300, 900, is_closed=False)), properties={})],
        "empty-polygon": [feature(polygon(), properties={}), whole],
        "empty-ring": [feature(polygon([]), properties={}), whole],
        "two-corners": [feature(polygon([[0, 0], [5, 5], [0, 0]]), properties={}), whole],
        "outside-part": [feature(polygon(square(-500, -500, 1700)), properties={})],
        "nested": [collection(whole)],
        "collection": [feature(mixed, properties={})],
        "strings": [feature(polygon(as_text), properties={})],
        "nan": [feature(polygon(with_gap), properties={})],
        "hierarchy": [
            {
                **of_class("Tumor", SQUARE),
                "childObjects": [of_class("Tumor", polygon(square(1800, 800, 700)))],
            }
        ],
    }
    for name, features in odd.items():
        _save(folder / f"{name}.geojson", collection(*features))
    _odd_encodings(folder, json.dumps(collection(whole)))


def _odd_encodings(folder, text):
    named = json.dumps(collection(of_class("Präparat µ", SQUARE)), ensure_ascii=False)
    (folder / "bom.geojson").write_text(text, encoding="utf-8-sig")
    (folder / "utf16.geojson").write_text(text, encoding="utf-16")
    (folder / "truncated.geojson").write_text(text[:-40], encoding="utf-8")
    (folder / "NaN.geojson").write_text(text.replace("1200", "NaN", 1), encoding="utf-8")
    (folder / "latin1.geojson").write_text(named, encoding="latin-1")
    (folder / "s.geojson.gz").write_bytes(gzip.compress(text.encode()))
    with zipfile.ZipFile(folder / "qupath.zip", "w") as file:
        file.writestr("s.geojson", text)


def holes(folder):
    """A frame and an island in it, its hole turning against the outline or with it."""
    _slide(folder)
    outline, hole, island = square(256, 256, 1536), square(512, 512, 1024), square(768, 768, 512)
    for name, inner in (("rev", hole[::-1]), ("same", hole)):
        shape = {"type": "MultiPolygon", "coordinates": [[outline, inner], [island]]}
        _save(folder / f"{name}.geojson", collection(of_class("T", shape)))


BOX = [(256, 256), (1280, 256), (1280, 1280), (256, 1280)]
INNER = [(512, 512), (1024, 512), (1024, 1024), (512, 1024)]


def region(corners, *, kind=0, text="", is_negative=False):
    """Return a region of ImageScope's XML."""
    vertices = "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in corners)
    return (
        f'<Region Id="1" Type="{kind}" Text="{text}" NegativeROA="{int(is_negative)}">'
        f"<Attributes/><Vertices>{vertices}</Vertices></Region>"
    )


def document(*layers):
    """Return ImageScope's XML of layers, each a name and its regions."""
    body = "".join(
        f'<Annotation Id="1" Name="{name}" Type="4"><Regions><RegionAttributeHeaders/>'
        f"{''.join(regions)}</Regions><Plots/></Annotation>"
        for name, *regions in layers
    )
    return f'<Annotations MicronsPerPixel="0.25">{body}</Annotations>'


def imagescope(folder):
    _slide(folder)
    hole, box = region(INNER, is_negative=True), region(BOX)
    elsewhere = [(1536, 512), (2048, 512), (2048, 1024), (1536, 1024)]
    smaller = [(256, 256), (768, 256), (768, 768), (256, 768)]
    as_written = [("2.56e+02", 256), (1280, 256), (1280, 1280), (256, "1280,0")]
    documents = {
        "ellipse": document(("", region([(400, 400), (1400, 1000)], kind=2, text="Mitosis"))),
        "negative-first": document(("Tumor", hole, box)),
        "negative-alone": document(("Tumor", hole)),
        "negative-other-layer": document(("Tumor", box), ("Exclude", hole)),
        "negative-outside": document(
            ("Tumor", region(smaller), region(elsewhere, is_negative=True))
        ),
        "exponent": document(("Tumor", region(as_written))),
    }
    for name, text in documents.items():
        (folder / f"{name}.xml").write_text(text, encoding="utf-8")
    declared = '<?xml version="1.0" encoding="UTF-16"?>' + document(("Tumor", box))
    (folder / "utf16.xml").write_text(declared, encoding="utf-16")
    _files_of_others(folder)


def _files_of_others(folder):
    corners = "".join(f'<Coordinate Order="{n}" X="{x}" Y="{y}"/>' for n, (x, y) in enumerate(BOX))
    (folder / "asap.xml").write_text(
        '<?xml version="1.0"?><ASAP_Annotations><Annotations><Annotation Name="a" Type="Polygon">'
        f"<Coordinates>{corners}</Coordinates></Annotation></Annotations></ASAP_Annotations>"
    )
    (folder / "s.ndpi.ndpa").write_text(
        '<?xml version="1.0" encoding="utf-8"?><annotations><ndpviewstate id="1">'
        '<annotation type="freehand"><pointlist><point><x>1</x><y>2</y></point></pointlist>'
        "</annotation></ndpviewstate></annotations>"
    )
    _save(folder / "coco.json", {"images": [], "annotations": [], "categories": []})
    line = {"type": "polyline", "points": [[0, 0, 0]]}
    _save(folder / "histomicstk.json", {"name": "t", "elements": [line]})
    (folder / "clam.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(200))
    (folder / "coords.csv").write_text("x,y\n0,0\n256,256\n")


def masks(folder):
    """One disk in masks that fit the slide, nearly fit it, are padded, and lie on their side."""
    _slide(folder)
    sizes = {"exact": (768, 512), "few": (768, 519), "padded": (768, 768), "rotated": (512, 768)}
    for name, (width, height) in sizes.items():
        y, x = np.ogrid[:height, :width]
        inside = np.hypot(x - 0.3 * width, y - 0.4 * height) < 0.22 * height
        Image.fromarray((inside * 255).astype(np.uint8)).save(folder / f"{name}.png")


def small_annotations(folder):
    """One large area, and twenty ellipses of 12 µm around mitoses."""
    image = stained(8192, 8192, [(4096, 4096, 3932)])
    write_svs(folder / "s.svs", image, (4, 16))
    regions = [region([(100, 100), (2100, 100), (2100, 2100), (100, 2100)], text="Area")]
    for number in range(20):
        x, y = 2500 + number % 5 * 1100, 2600 + number // 5 * 1300
        regions.append(region([(x, y), (x + 48, y + 48)], kind=2, text="Mitosis"))
    (folder / "m.xml").write_text(document(("", *regions)))


def cores_and_classes(folder):
    image = stained(3072, 2048, [(614, 819, 307), (1536, 819, 307)])
    write_svs(folder / "s.svs", image)
    places = {"A-1": 300, "A-2": 1220, "A-3": 2140}
    cores = []
    for name, x in places.items():
        properties = {"objectType": "tma_core", "name": name, "isMissing": name == "A-3"}
        cores.append(feature(polygon(square(x, 500, 650)), id=name, properties=properties))
    _save(folder / "tma.geojson", collection(*cores))
    corners = {"Tumor": (0, 0), "Stroma": (1024, 0), "Ignore*": (512, 512)}
    areas = [of_class(name, polygon(square(*at, 1024))) for name, at in corners.items()]
    _save(folder / "classes.geojson", collection(*areas))


def halo(folder):
    _slide(folder)
    curve = [(200, 200), (600, 1400), (1200, 1500), (2000, 300)]
    line = _halo_region("Polygon", curve, is_open=True)
    ruler, pin = _halo_region("Ruler", [(0, 0), (100, 0)]), _halo_region("Pin", [(50, 50)])
    files = {
        "line": (line, ruler, pin),
        "mixed": (_halo_region("Rectangle", [(256, 256), (1280, 1280)]), line),
        "left": (
            _halo_region("Rectangle", [(-1536, -1024), (0, 0)]),
            _halo_region("Ellipse", [(0, 0), (1000, 800)]),
        ),
    }
    for name, regions in files.items():
        layer = f'<Annotation Name="Layer 1" Visible="True"><Regions>{"".join(regions)}</Regions>'
        text = f"<Annotations>{layer}</Annotation></Annotations>"
        (folder / f"{name}.annotations").write_text(text)


def _halo_region(kind, corners, *, is_open=False):
    vertices = "".join(f'<V X="{x}" Y="{y}"/>' for x, y in corners)
    return (
        f'<Region Type="{kind}" HasEndcaps="{int(is_open)}" NegativeROA="0">'
        f"<Vertices>{vertices}</Vertices></Region>"
    )


MAKERS = {
    "05-geojson-geopandas": geopandas,
    "06-geojson-odd": odd_geojson,
    "07-geojson-holes": holes,
    "08-imagescope": imagescope,
    "15-mask-off-by-some": masks,
    "35-small-annotations": small_annotations,
    "41-tma-cores": cores_and_classes,
    "42-halo": halo,
}
