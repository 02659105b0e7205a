import fcntl
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from hypothesis import settings
from object_storage import BUCKET, OPTIONS, Proxy, s3_server
from paths import SAMPLE, SAMPLES, SHARED
from real_slides import RealSlides

import slidetile as st
from slidetile.cli.commands import main
from slidetile.cloud.address import Address
from slidetile.cloud.objects import objects_below, read_object, write_object
from slidetile.cloud.options import set_storage_options, storage_options

# How long an example takes depends on what else the machine does. Every run tries the same
# examples, so that what it says of a change the next one says again; `make torture` tries new ones.
settings.register_profile("repeated", deadline=None, derandomize=True)
settings.register_profile("searching", deadline=None, derandomize=False)
settings.load_profile("repeated")


@pytest.fixture(scope="session")
def shared_slides() -> RealSlides:
    """The real slides; a user's clone has none until they are fetched."""
    return RealSlides()


@pytest.fixture(scope="session")
def shared_truth() -> Path:
    """The folder of hand-drawn tissue polygons and their ``score.py``."""
    folder = SHARED / "tissue_truth"
    if not folder.is_dir():
        pytest.skip(f"the hand-drawn tissue polygons are not public and not here ({folder})")
    return folder


@pytest.fixture(scope="session")
def sample() -> Path:
    """The slide that comes with the source: 3840×2560 px, 0.5 µm, native JPEG tiles of 256."""
    return SAMPLE


@pytest.fixture(scope="session")
def damaged_sample(sample, tmp_path_factory) -> Path:
    """The sample slide, one of whose native tiles, full of tissue, is zeros."""
    path = tmp_path_factory.mktemp("damaged") / "damaged.svs"
    data = bytearray(sample.read_bytes())
    with tifffile.TiffFile(sample) as tiff:
        page = tiff.pages.first
        place = max(range(len(page.databytecounts)), key=lambda n: page.databytecounts[n])
        start, size = page.dataoffsets[place], page.databytecounts[place]
    data[start : start + size] = bytes(size)
    path.write_bytes(data)
    return path


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Fill a folder of a name, once for all processes the tests run in, and return it.

    pytest-xdist gives each of its processes a session of its own; what is dear to make lies where
    all of them find it.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def filled(name, fill):
        folder, unfinished = shared / name, shared / f"{name}.unfinished"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir()
                fill(unfinished)
                unfinished.rename(folder)
        return folder

    return filled


@pytest.fixture(scope="session")
def long_slide(made_once) -> Path:
    """A drawn slide that takes a second or so to encode: 6144×6144 px, mostly tissue."""
    return made_once("long", lambda folder: drawn_slide(folder / "long.svs", 6144)) / "long.svs"


@pytest.fixture(scope="session")
def wide_slide(tmp_path_factory) -> Path:
    """A drawn slide of 24576×24576 px, mostly tissue: 36 shards to copy at its finest level."""
    return drawn_slide(tmp_path_factory.mktemp("wide") / "wide.svs", 24576)


def drawn_slide(path: Path, side: int) -> Path:
    script = SAMPLES / "make_slide.py"
    size = ["--width", str(side), "--height", str(side), "--tissue-fraction", "0.8"]
    subprocess.run([sys.executable, script, path, *size], check=True, capture_output=True)
    return path


@pytest.fixture(scope="session")
def long_trees(long_slide, made_once) -> dict[str, dict[str, bytes]]:
    """All files of the store of `long_slide` as undisturbed runs write them.

    By codec; "mpp" is a `jpeg` store at twice the slide's mpp.
    """
    recipes = {codec: st.Recipe(codec=codec) for codec in ("native", "zstd", "jpeg", "jxl")}
    recipes["mpp"] = st.Recipe(codec="jpeg", mpp=0.5)

    def write(folder):
        for name, recipe in recipes.items():
            st.tile_slide(long_slide, folder / name, recipe)

    folder = made_once("undisturbed", write)
    return {name: tree(folder / name) for name in recipes}


@pytest.fixture(scope="session")
def scanned_slide(tmp_path_factory) -> Path:
    """A slide of 1000×800 px at 1 µm as Leica writes it, of which two areas were scanned.

    The areas are noise, 256×192 px at (128, 96) and 192×128 px at (640, 512).
    """
    path = tmp_path_factory.mktemp("leica") / "two.scn"
    write_scn(path, (1000, 800), [(128, 96, 256, 192), (640, 512, 192, 128)])
    return path


@pytest.fixture(scope="session")
def one_area_slide(tmp_path_factory) -> Path:
    """The same with the first area alone: then that is the slide, and not the glass around it."""
    path = tmp_path_factory.mktemp("leica") / "one.scn"
    write_scn(path, (1000, 800), [(128, 96, 256, 192)])
    return path


def write_scn(path, size, areas):
    """Write the least that OpenSlide takes for a Leica slide: a macro image, and the areas."""
    random = np.random.default_rng(0)
    pages = [np.full((64, 64, 3), 200, np.uint8)]
    views = [(0, 0, *size, [(64, 64, 0)])]
    for x, y, width, height in areas:
        levels = [(width // factor, height // factor) for factor in (1, 4)]
        views.append((x, y, width, height, [(*at, len(pages) + n) for n, at in enumerate(levels)]))
        pages += [random.integers(0, 200, (*at[::-1], 3), np.uint8) for at in levels]
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for number, page in enumerate(pages):
            writer.write(
                page,
                tile=(64, 64),
                photometric="rgb",
                compression="deflate",
                metadata=None,
                description=None if number else _scn_xml(size, views),
                resolution=(10_000, 10_000),
                resolutionunit="CENTIMETER",
            )


def _scn_xml(size, views):
    root = ET.Element("scn", xmlns="http://www.leica-microsystems.com/scn/2010/10/01")
    whole = {"sizeX": f"{size[0] * 1000}", "sizeY": f"{size[1] * 1000}"}  # nm
    collection = ET.SubElement(root, "collection", whole)
    for x, y, width, height, levels in views:
        image = ET.SubElement(collection, "image")
        pixels = ET.SubElement(image, "pixels")
        for across, down, ifd in levels:
            sizes = {"sizeX": f"{across}", "sizeY": f"{down}", "ifd": f"{ifd}"}
            ET.SubElement(pixels, "dimension", sizes)
        corner = {"offsetX": f"{x * 1000}", "offsetY": f"{y * 1000}"}
        extent = {"sizeX": f"{width * 1000}", "sizeY": f"{height * 1000}"}
        ET.SubElement(image, "view", extent | corner)
        settings = ET.SubElement(image, "scanSettings")
        objective = ET.SubElement(settings, "objectiveSettings")
        ET.SubElement(objective, "objective").text = "10"
        light = ET.SubElement(settings, "illuminationSettings")
        ET.SubElement(light, "illuminationSource").text = "brightfield"
    return ET.tostring(root, encoding="unicode")


@pytest.fixture(autouse=True)
def _fresh_loggers():
    """Without what a command line in this process, of a module's fixture too, set before."""
    for name in ("slidetile", "tifffile"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.setLevel(logging.NOTSET)


@pytest.fixture
def cli():
    """Call the command line in this process: arguments in, click's result out."""
    return lambda *arguments: CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture
def command(tmp_path):
    """Run the real command in a process of its own: its exit code, output and peak memory."""
    folder = tmp_path / "command"

    def run(*arguments, before=()):
        folder.mkdir(exist_ok=True)
        peak = folder / "peak"
        program = [sys.executable, "-c", "from slidetile.cli.commands import main; main()"]
        done = subprocess.run(
            [sys.executable, "-S", "-c", WATCH, peak, *before, *program, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
        )
        unit = 1 if sys.platform == "darwin" else 1024
        return Ended(done.returncode, done.stdout, done.stderr, int(peak.read_text()) * unit)

    return run


class Ended(NamedTuple):
    """What became of a command."""

    exit_code: int
    stdout: str
    stderr: str
    peak_bytes: int


# Linux counts what the parent held when it forked as the child's: a small parent stands between.
WATCH = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path there."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(name="tree", scope="session")
def _tree():
    return tree


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of a few kB; calling it changes its size."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(size_kb, *, again=True):
        options = f"size={size_kb}k,remount" if again else f"size={size_kb}k"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    if not (sys.platform == "linux" and os.geteuid() == 0 and mount(600, again=False)):
        pytest.skip("only root may mount a small disk, and only on Linux")
    try:
        yield place, mount
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.fixture(scope="session")
def s3_process():
    """A real S3 server in a process of its own."""
    pytest.importorskip("obstore", reason="the extra cloud is not installed")
    pytest.importorskip("moto", reason="moto, the S3 server of the tests, is not installed")
    with s3_server() as server:
        yield server


@pytest.fixture
def lab(s3_process, tmp_path_factory):
    """An empty place in a bucket, behind a proxy; addresses named meanwhile lead there."""
    proxy = Proxy(s3_process)
    before = storage_options()
    scratch = str(tmp_path_factory.mktemp("scratch"))
    set_storage_options(
        {**OPTIONS, "endpoint": proxy.endpoint, "max_retries": "3", "scratch": scratch}
    )
    yield Lab(proxy, Address.parse(f"s3://{BUCKET}/{os.urandom(6).hex()}"))
    set_storage_options(before)
    proxy.close()


class Lab(NamedTuple):
    """A place in a bucket, and the proxy through which it is reached."""

    proxy: Proxy
    home: Address

    def put(self, path: Path, name: str = "") -> Address:
        """Upload a file, or a folder with all in it; what was asked for so far is forgotten."""
        target = self.home / (name or path.name)
        files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
        for file in files:
            below = target if path.is_file() else target / file.relative_to(path).as_posix()
            write_object(below, [file.read_bytes()])
        self.proxy.clear()
        return target

    def tree(self, address: Address) -> dict[str, bytes]:
        """Return all objects below an address, by their names below it."""
        found = [each for each, _ in objects_below(address)]
        tree = {each.key[len(address.key) + 1 :]: read_object(each, 1 << 30) for each in found}
        self.proxy.clear()
        return tree


@pytest.fixture(scope="session")
def chromium():
    """A real Chromium, without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("needs chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-quic", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()
