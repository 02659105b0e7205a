"""The package as a whole: its face, what importing it does, and what crosses process borders."""

import ast
import dataclasses
import doctest
import importlib
import importlib.util
import inspect
import itertools
import pickle
import pkgutil
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import slidetile as st

FACES = {
    "annotations": [
        "Annotation",
        "Annotations",
        "AnnotationsSpec",
        "LabelsSpec",
        "PaintedMask",
        "cut_tissue",
        "draw_tissue",
        "export_plan",
        "read_annotations",
        "read_labels",
    ],
    "cloud": ["Address", "set_storage_options", "using_storage_options"],
    "cohort": [
        "BatchReport",
        "SlideResult",
        "read_slides",
        "scan_tiles",
        "tile_slides",
    ],
    "errors": [
        "AnnotationError",
        "CohortError",
        "ColourProfileError",
        "DamagedPixelsError",
        "IncompleteStoreError",
        "MissingResolutionError",
        "NotNativeError",
        "OutdatedStoreError",
        "SlideError",
        "SlideReadError",
        "SlidetileError",
        "StoreBusyError",
        "StoreError",
        "StoreExistsError",
        "StoreMismatchError",
        "UnsupportedSlideError",
    ],
    "export": [
        "ClamExport",
        "DicomExport",
        "Exported",
        "GeojsonExport",
        "Hs2pExport",
        "OmeTiffExport",
        "TridentExport",
        "WebdatasetExport",
        "ZarrExport",
        "export_store",
    ],
    "format": [
        "JpegCodec",
        "JxlCodec",
        "NativeCodec",
        "RawCodec",
        "StoreMetadata",
        "ZstdCodec",
    ],
    "planning": [
        "DrawnLabels",
        "Labels",
        "Tile",
        "TilePlan",
        "TileSpec",
        "balanced_sample",
        "plan_tiles",
    ],
    "raster": [
        "Channel",
        "ClassAreas",
        "Region",
    ],
    "recipe": [
        "Recipe",
        "tile_slide",
    ],
    "slides": [
        "ArraySlide",
        "DecodedPixels",
        "FetchedPixels",
        "FetchedTiles",
        "FileSlide",
        "Level",
        "NativeTiles",
        "Overview",
        "Reader",
        "Slide",
        "Source",
        "map_slide",
        "open_slide",
        "read_overview",
        "rescale_slide",
    ],
    "serving": [
        "PlainPyramid",
    ],
    "store": [
        "TileSelection",
        "TileStore",
        "Windows",
        "open_store",
    ],
    "tissue": [
        "Core",
        "CoreGrid",
        "DarkBackgroundDetector",
        "FoundTissue",
        "LeftOut",
        "OnnxDetector",
        "OpticalDensityDetector",
        "OtsuDetector",
        "TissueArea",
        "TissueMask",
        "TissuePiece",
        "find_cores",
        "find_tissue",
        "tissue_picture",
    ],
    "verify": [
        "Finding",
        "verify_store",
    ],
    "writing": [
        "Progress",
        "WriteOptions",
        "rename_codec",
        "write_tiles",
        "write_whole_store",
    ],
}
"""The public names, by the package or module they belong to."""

APART = {
    "torch": [
        "ClassFractions",
        "TileDataset",
        "TileItem",
        "TileStream",
        "UnreadableWindowWarning",
    ],
}
"""The public names of packages that need an extra, so that `slidetile` itself has none of them."""

FACE = sorted(itertools.chain(*FACES.values()))

HEAVY = {
    *("PIL", "click", "imagecodecs", "numpy", "openslide", "psutil", "pyarrow"),
    *("pydicom", "rich", "scipy", "skimage", "tifffile", "zarr"),
}

PACKAGE = Path(st.__file__).parent

PACKAGES = sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))

HAS_TORCH = importlib.util.find_spec("torch") is not None

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages([str(PACKAGE)], prefix="slidetile.")
    if HAS_TORCH or not module.name.startswith("slidetile.torch.")
)


def test_the_face_is_frozen():
    assert st.__all__ == FACE
    assert set(FACE) <= set(dir(st))
    assert all(getattr(st, name).__module__.startswith("slidetile.") for name in FACE)
    with pytest.raises(AttributeError, match="module 'slidetile' has no attribute 'Nonsense'"):
        _ = st.Nonsense


@pytest.mark.parametrize("name", [name for name in FACES if name != "errors"])
def test_the_faces_of_the_packages_are_frozen(name):
    face = importlib.import_module(f"slidetile.{name}")
    assert face.__all__ == FACES[name]
    assert set(FACES[name]) <= set(dir(face))
    assert all(getattr(face, thing) is getattr(st, thing) for thing in FACES[name])


@pytest.mark.parametrize("name", APART)
def test_the_faces_of_packages_that_need_an_extra_are_frozen(name):
    face = importlib.import_module(f"slidetile.{name}")
    assert face.__all__ == APART[name]
    assert not set(APART[name]) & set(st.__all__)


@pytest.mark.skipif(not HAS_TORCH, reason="PyTorch is not installed")
@pytest.mark.parametrize("thing", APART["torch"])
def test_what_needs_an_extra_is_documented_as_all_else(thing):
    kind = getattr(importlib.import_module("slidetile.torch"), thing)
    told = inspect.getdoc(kind)
    assert re.match(r"[A-Z“].*[.:]$", told.splitlines()[0]), told
    if _has_own_init(kind) and not hasattr(kind, "_is_protocol"):
        assert told_parameters(told) == own_parameters(kind)
    members = [
        member
        for member, value in vars(kind).items()
        if not member.startswith("_")
        and (inspect.isfunction(value) or isinstance(value, property))
        and not inspect.getdoc(getattr(kind, member))
    ]
    assert members == []


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: path.name)
def test_a_face_says_what_its_package_knows_and_what_not(path):
    told = ast.get_docstring(ast.parse((path / "__init__.py").read_text()))
    assert re.search(r"\. Knows .+\. Does not know [^.]+\.$", " ".join(told.split()))


def test_everything_can_be_imported_at_once():
    told = imported("from slidetile import *", "print(open_slide.__name__, Region.__name__)")
    assert told == "open_slide Region\n"


def test_the_version_is_the_packages():
    from importlib.metadata import version

    assert version("slidetile") == st.__version__


def imported(*statements):
    """Run statements in a fresh interpreter and return what they print."""
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(statements)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout


WITHOUT_PANDAS = """import importlib.abc
class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "pandas": raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden())"""


def loaded_by(*statements):
    """Return the modules there are after statements in a fresh interpreter.

    It has no pandas: where that is installed, pyarrow loads it at its first array, whatever is
    asked of it.
    """
    return set(imported("import sys", WITHOUT_PANDAS, *statements, "print(*sys.modules)").split())


@pytest.mark.parametrize("name", ["slidetile", *(f"slidetile.{path.name}" for path in PACKAGES)])
def test_importing_a_face_loads_nothing(name):
    ours = {module for module in loaded_by(f"import {name}") if module.startswith("slidetile")}
    assert ours == {"slidetile", "slidetile._face", name}


def test_importing_loads_nothing_heavy():
    new = loaded_by("import slidetile") - loaded_by("")
    assert {"slidetile"} <= new
    assert {module.partition(".")[0] for module in new} & HEAVY == set()
    assert len(new) < 20


READING = {"cloud", "format", "raster", "runtime", "slides", "store"}


def test_opening_a_store_loads_nothing_that_makes_one():
    loaded = loaded_by("from slidetile.store import open_store, Windows")
    packages = {name.split(".")[1] for name in loaded if name.startswith("slidetile.")}
    assert packages == {"_face", "_upward", "choices", "counts", "errors", *READING}


LOADED = """
new = [name.split(".") for name in set(sys.modules) - before]
print(*sorted({
    name[0] if name[0] != "slidetile" else ".".join(name[:3 if name[1:2] == ["slides"] else 2])
    for name in new
    if name[0] not in sys.stdlib_module_names and "cython" not in name[0]
}))
"""

STORE_LOADS = {
    *(
        "slidetile",
        "slidetile._face",
        "slidetile._upward",
        "slidetile.choices",
        "slidetile.counts",
        "slidetile.errors",
    ),
    *("slidetile.cloud", "slidetile.format", "slidetile.raster", "slidetile.runtime"),
    "slidetile.store",
    # What a level is, and how large an overview; no file's reader.
    *("slidetile.slides", "slidetile.slides.fetched", "slidetile.slides.native"),
    *("slidetile.slides.overview", "slidetile.slides.plane_choice"),
    *("slidetile.slides.slide", "numpy"),
    # The overview's module reads overviews, too.
    *("slidetile.slides.replaced", "slidetile.slides._filled", "slidetile.slides._averaged"),
    "slidetile.slides.level",
}


@pytest.mark.parametrize("codec", ["native", "zstd", "jxl", "jpeg", "raw"])
def test_what_reading_a_tile_may_load(sample, tmp_path, codec):
    """What every worker of a DataLoader loads, besides what trains."""
    path = st.tile_slide(sample, tmp_path / "x.zarr", st.Recipe(codec=codec)).path
    told = imported(
        "import sys",
        WITHOUT_PANDAS,
        "before = set(sys.modules)",
        "from slidetile.store import open_store",
        f"open_store({str(path)!r})[0]",
        LOADED,
    )
    loaded = set(told.split())
    assert "pyarrow" in loaded
    decoders = {"imagecodecs", "simplejpeg"} if codec in {"native", "jpeg"} else {"imagecodecs"}
    # pyarrow loads cloudpickle where that is installed.
    others = {"cloudpickle", "google_crc32c", "pyarrow"}
    assert loaded - {*STORE_LOADS, *decoders, *others} == set()


UNUSED = {
    *("PIL", "numpy.ma", "psutil", "pyarrow.compute", "pydicom", "scipy", "skimage", "zarr"),
    *("slidetile.annotations.reading", "slidetile.cohort.batch", "slidetile.verify.verify"),
}
"""What takes long to load, and tiles that are copied do not need."""


def test_copying_tiles_loads_nothing_it_does_not_use(sample, tmp_path):
    command = ["tile", str(sample), "-o", str(tmp_path / "x.zarr"), "--codec", "native", "--json"]
    loaded = loaded_by(
        "from slidetile.cli.commands import main", f"main({command}, standalone_mode=False)"
    )
    assert {"slidetile.writing.write", "pyarrow.parquet"} <= loaded
    assert loaded & UNUSED == set()


def test_importing_changes_nothing():
    state = """
def state():
    loggers = logging.root, logging.getLogger("slidetile"), logging.getLogger("tifffile")
    return (
        [(logger.level, list(logger.handlers)) for logger in loggers],
        list(warnings.filters),
        [signal.getsignal(number) for number in signal.valid_signals()],
        dict(os.environ),
        threading.enumerate(),
        os.getcwd(),
        sys.stdout, sys.stderr, sys.excepthook,
        random.getstate(), np.random.get_state()[1].tolist(), np.geterr(),
        multiprocessing.get_start_method(allow_none=True),
    )
"""
    told = imported(
        "import logging, multiprocessing, os, random, signal, sys, threading, warnings",
        "import numpy as np",
        state,
        "before = state()",
        "import slidetile",
        "print(state() == before)",
    )
    assert told == "True\n"  # and the library itself printed nothing


def test_only_the_command_line_prints_and_exits():
    for path in sorted(PACKAGE.rglob("*.py")):
        calls = (
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
        )
        names = {ast.unparse(call.func) for call in calls}
        forbidden = {"print", "exit", "sys.exit", "os.getenv", "logging.basicConfig", "input"}
        may_exit = path.parent.name == "cli"
        assert names & forbidden <= ({"sys.exit"} if may_exit else set()), path


def told_parameters(docstring):
    """Return the names that stand in a numpydoc docstring's section of parameters."""
    section = re.search(
        r"^Parameters\n-+\n(.*?)(?=^\w+\n-+$|\Z)", docstring, re.MULTILINE | re.DOTALL
    )
    lines = [] if section is None else re.findall(r"^(\w[\w, ]*)$", section[1], re.MULTILINE)
    return [name for line in lines for name in line.split(", ")]


def own_parameters(function):
    return [name for name in inspect.signature(function).parameters if name != "self"]


def documented_fields(kind):
    """Return the names in a class's body that have a docstring of their own beneath them.

    Those that it inherits from a dataclass have theirs there.
    """
    bodies = [
        ast.parse(textwrap.dedent(inspect.getsource(each))).body[0].body
        for each in kind.__mro__
        if dataclasses.is_dataclass(each)
    ]
    return {
        ast.unparse(field.target)
        for field, text in itertools.chain.from_iterable(map(itertools.pairwise, bodies))
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }


def _has_own_init(kind):
    own = vars(kind).get("__init__")
    return own is not None and own.__module__ in MODULES  # a protocol's is typing's


def test_the_library_reads_the_environment_in_one_place():
    readers = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv")
    }
    # What SLURM gave; the command line; whether object storage may go without TLS; the rank, which
    # nothing else tells a DataLoader's workers.
    assert readers == {
        *("runtime/cpus.py", "cli/limits.py", "cloud/_connect.py"),
        "torch/_ranks.py",
    }


@pytest.mark.parametrize("name", FACE)
def test_every_public_thing_has_a_numpydoc_docstring(name):
    thing = getattr(st, name)
    told = inspect.getdoc(thing)
    assert re.match(r"[A-Z“].*[.:]$", told.splitlines()[0]), told
    if dataclasses.is_dataclass(thing):
        fields = {field.name for field in dataclasses.fields(thing)}
        assert fields - documented_fields(thing) == set()
    elif inspect.isfunction(thing) or _has_own_init(thing):
        assert told_parameters(told) == own_parameters(thing)


@pytest.mark.parametrize("name", [name for name in FACE if inspect.isclass(getattr(st, name))])
def test_every_public_member_is_documented(name):
    undocumented = [
        member
        for kind in getattr(st, name).__mro__
        if kind.__module__.startswith("slidetile.")
        for member, value in vars(kind).items()
        if not member.startswith("_")
        and (inspect.isfunction(value) or isinstance(value, property))
        and not inspect.getdoc(getattr(getattr(st, name), member))
    ]
    assert undocumented == []


@pytest.mark.parametrize("name", ["slidetile", *MODULES])
def test_modules_are_documented(name):
    assert importlib.import_module(name).__doc__


def test_every_example_runs(sample, tmp_path, monkeypatch):
    (tmp_path / "data_samples").symlink_to(sample.parent)
    monkeypatch.chdir(tmp_path)
    results = [doctest.testmod(importlib.import_module(name)) for name in ("slidetile", *MODULES)]
    assert sum(result.failed for result in results) == 0
    assert sum(result.attempted for result in results) >= 7


def _errors(kind):
    return [kind, *(error for child in kind.__subclasses__() for error in _errors(child))]


@pytest.mark.parametrize("kind", sorted(set(_errors(st.SlidetileError)), key=lambda e: e.__name__))
def test_errors_cross_process_borders(kind):
    error = kind("bad.svs is bad: copy it again.")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  our own bytes
    assert type(again) is kind
    assert str(again) == "bad.svs is bad: copy it again."
    assert again.args == error.args


def test_errors_are_also_what_python_calls_them():
    assert issubclass(st.SlideReadError, OSError)
    assert issubclass(st.StoreExistsError, FileExistsError)
    assert not issubclass(st.SlidetileError, ValueError)


@pytest.fixture(scope="module")
def made(sample, tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "x.zarr"
    with st.open_slide(sample) as slide:
        tissue = st.find_tissue(slide)
        plan = st.plan_tiles(slide, tissue)
        yield {
            "slide": slide,
            "array slide": st.ArraySlide(np.full((30, 40, 3), 7, np.uint8), mpp=0.5),
            "tissue": tissue,
            "plan": plan,
            "store": st.write_tiles(slide, plan, path),
            "recipe": st.Recipe(codec=st.JpegCodec(quality=80), detector=st.OtsuDetector()),
        }


def again(thing):
    return pickle.loads(pickle.dumps(thing))  # noqa: S301  our own bytes


@pytest.mark.parametrize("name", ["tissue", "plan", "recipe"])
def test_values_pickle(made, name):
    assert again(made[name]) == made[name]


@pytest.mark.parametrize("name", ["slide", "array slide"])
def test_slides_pickle(made, name):
    slide, region = made[name], st.Region(x=10, y=5, width=25, height=20)
    with again(slide) as other:
        assert (other.levels, other.mpp, other.source) == (slide.levels, slide.mpp, slide.source)
        np.testing.assert_array_equal(other.read_region(region), slide.read_region(region))


def test_stores_pickle(made):
    store, other = made["store"], again(made["store"])
    assert other.tiles == store.tiles
    assert other.windows().coordinates.tolist() == store.windows().coordinates.tolist()
    np.testing.assert_array_equal(other[5], store[5])
