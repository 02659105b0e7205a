"""The package as a whole: its face, what importing it does, and what crosses process borders."""

import ast
import doctest
import importlib
import inspect
import pickle
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import slidetile as st

FACE = [
    "ArraySlide",
    "BatchReport",
    "DarkBackgroundDetector",
    "Annotation",
    "Annotations",
    "Finding",
    "IncompleteStoreError",
    "JpegCodec",
    "Level",
    "MissingResolutionError",
    "NativeCodec",
    "NotNativeError",
    "OnnxDetector",
    "OpticalDensityDetector",
    "OtsuDetector",
    "Overview",
    "PaintedMask",
    "Progress",
    "RawCodec",
    "Recipe",
    "Region",
    "AnnotationError",
    "AnnotationsSpec",
    "Slide",
    "SlideError",
    "SlideReadError",
    "SlideResult",
    "SlidetileError",
    "Source",
    "StoreBusyError",
    "StoreError",
    "StoreExistsError",
    "StoreMismatchError",
    "Tile",
    "TilePlan",
    "TileSelection",
    "TileSpec",
    "TileStore",
    "TissueMask",
    "TissuePiece",
    "UnsupportedSlideError",
    "Windows",
    "WriteOptions",
    "ZstdCodec",
    "cut_tissue",
    "draw_tissue",
    "export_plan",
    "export_store",
    "find_tissue",
    "open_slide",
    "open_store",
    "plan_tiles",
    "read_overview",
    "read_annotations",
    "rescale_slide",
    "tile_slide",
    "tile_slides",
    "verify_store",
    "write_tiles",
]

HEAVY = {
    *("PIL", "click", "imagecodecs", "openslide", "psutil", "pyarrow"),
    *("rich", "scipy", "skimage", "tifffile", "zarr"),
}

PACKAGE = Path(st.__file__).parent

MODULES = sorted(
    module.name for module in pkgutil.walk_packages([str(PACKAGE)], prefix="slidetile.")
)


def test_the_face_is_frozen():
    assert st.__all__ == FACE
    assert all(getattr(st, name).__module__.startswith("slidetile.") for name in FACE)


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


def test_importing_loads_nothing_heavy():
    loaded = imported("import sys, slidetile", "print(*{m.split('.')[0] for m in sys.modules})")
    assert "slidetile" in loaded.split()
    assert HEAVY & set(loaded.split()) == set()


LOADED = """
new = [name.split(".") for name in set(sys.modules) - before]
print(*sorted({
    name[0] if name[0] != "slidetile" else ".".join(name[:3 if name[1:2] == ["slides"] else 2])
    for name in new
    if name[0] not in sys.stdlib_module_names and "cython" not in name[0]
}))
"""

STORE_LOADS = {
    *("slidetile", "slidetile.errors", "slidetile.format", "slidetile.raster", "slidetile.store"),
    # What a level is, and how large an overview; with them their neighbours, but no file's reader.
    *("slidetile.slides", "slidetile.slides.array", "slidetile.slides.averaged"),
    *("slidetile.slides.opening", "slidetile.slides.overview", "slidetile.slides.rescaled"),
    *("slidetile.slides.slide", "slidetile.slides.view", "numpy"),
}


@pytest.mark.parametrize(
    ("module", "may"), [("slidetile", {"slidetile"}), ("slidetile.store", STORE_LOADS)]
)
def test_what_importing_may_load(module, may):
    told = imported("import sys", "before = set(sys.modules)", f"import {module}", LOADED)
    loaded = set(told.split())
    assert module in loaded
    assert loaded - may == set()


@pytest.mark.parametrize("codec", ["native", "zstd", "jpeg", "raw"])
def test_what_reading_a_tile_may_load(sample, tmp_path, codec):
    """What every worker of a DataLoader loads, besides what trains."""
    path = st.tile_slide(sample, tmp_path / "x.zarr", st.Recipe(codec=codec)).path
    told = imported(
        "import sys",
        "before = set(sys.modules)",
        "from slidetile.store import open_store",
        f"open_store({str(path)!r})[0]",
        LOADED,
    )
    loaded = set(told.split())
    assert "pyarrow" in loaded
    assert loaded - {*STORE_LOADS, "google_crc32c", "imagecodecs", "pyarrow"} == set()


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


def test_the_library_reads_the_environment_in_one_place():
    readers = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv")
    }
    assert readers == {"runtime/cpus.py", "cli/limits.py"}  # what SLURM gave; the command line


@pytest.mark.parametrize("name", FACE)
def test_every_public_thing_is_documented(name):
    thing = getattr(st, name)
    undocumented = [
        f"{name}.{member}"
        for member, value in vars(thing).items()
        if inspect.isclass(thing)
        and not member.startswith("_")
        and (inspect.isfunction(value) or isinstance(value, property))
        and not inspect.getdoc(getattr(thing, member))
    ]
    assert thing.__doc__
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
