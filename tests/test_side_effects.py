"""A call of the library leaves the process as it found it: the process is its caller's."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
from paths import SAMPLE

# Loaded before the first look: what others do when they are imported is not ours.
LIBRARIES = (
    *("imagecodecs", "numcodecs", "numpy", "openslide", "PIL.Image", "psutil", "pyarrow"),
    *("pyarrow.parquet", "scipy.ndimage", "scipy.sparse", "skimage.filters", "tifffile", "zarr"),
    *(name for name in ("pandas",) if find_spec(name)),  # pyarrow loads it where it is installed
)

STATE = """
import gc, importlib, locale, logging, multiprocessing, os, random, resource, signal, socket, sys
import threading, time, warnings

for name in sys.argv[1].split(","):
    importlib.import_module(name)
import numpy as np, pyarrow as pa
from PIL import Image


def umask():
    before = os.umask(0)
    os.umask(before)
    return before


def wakeup_fd():
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    return before


def loggers():
    found = [logging.root, *map(logging.getLogger, logging.root.manager.loggerDict)]
    return {log.name: (log.level, log.handlers[:], log.filters[:], log.disabled) for log in found}


def state():
    return {
        "search path": sys.path[:],
        "importers": [sys.meta_path[:], sys.path_hooks[:]],
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "umask": umask(),
        "signals": {n: signal.getsignal(n) for n in signal.valid_signals()},
        "blocked signals": signal.pthread_sigmask(signal.SIG_BLOCK, []),
        "wakeup": wakeup_fd(),
        "loggers": loggers(),
        "warnings": warnings.filters[:],
        "hooks": [sys.excepthook, threading.excepthook, sys.unraisablehook, sys.displayhook],
        "streams": [sys.stdin, sys.stdout, sys.stderr],
        "threads": [thread.name for thread in threading.enumerate()],
        "stack": threading.stack_size(),
        "interpreter": [sys.getrecursionlimit(), sys.getswitchinterval(), sys.flags],
        "garbage": [gc.isenabled(), gc.get_threshold()],
        "affinity": os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None,
        "limits": [resource.getrlimit(n) for n in (resource.RLIMIT_AS, resource.RLIMIT_NOFILE)],
        "locale": locale.setlocale(locale.LC_ALL),
        "timeout": socket.getdefaulttimeout(),
        "processes": multiprocessing.get_start_method(allow_none=True),
        "random": [random.getstate(), np.random.get_state()[1].tolist()],
        "numpy": [np.geterr(), np.get_printoptions()],
        "arrow": [pa.cpu_count(), pa.io_thread_count(), pa.default_memory_pool().backend_name],
        "pictures": Image.MAX_IMAGE_PIXELS,
    }


def changed(before):
    # Threads that are about to end have a while to do so.
    end = time.monotonic() + 20
    while len(threading.enumerate()) > len(before["threads"]) and time.monotonic() < end:
        time.sleep(0.01)
    after = state()
    was = {name: before["loggers"].get(name, (0, [], [], False)) for name in after["loggers"]}
    before["loggers"] = was  # a new one that says nothing of its own is no change
    return sorted(name for name in before if before[name] != after[name])
"""

CALLS = {
    "tile_slide": "st.tile_slide(slide, 'x.zarr', recipe)",
    "write_tiles": """
with st.open_slide(slide) as opened:
    st.write_tiles(opened, st.plan_tiles(opened, st.find_tissue(opened)), 'x.zarr', codec='zstd')
""",
    "tile_slides": "assert not st.tile_slides([slide], 'out', recipe, processes=0).failed",
    "tile_slides in processes": "assert not st.tile_slides([slide], 'out', processes=1).failed",
    "a call that fails": """
try:
    st.tile_slide(slide, 'x.zarr', recipe, on_progress=lambda progress: 1 / 0)
except ZeroDivisionError:
    pass
""",
    "verify_store": """
import shutil
store = st.tile_slide(slide, 'x.zarr', recipe)
assert st.verify_store(store.path, deep=True) == ()
""",
    "reading a store": """
store = st.tile_slide(slide, 'x.zarr', recipe)
assert len(store.windows()) and store[0].any()
""",
    "load_detector": """
from slidetile.cli.search_path import current_folder_searched
from slidetile.tissue.named import load_detector
with current_folder_searched():
    assert load_detector('mine:dark')(np.zeros((2, 2, 3), np.uint8)).all()
assert load_detector('otsu')
""",
    "load_detector that fails": """
from slidetile.cli.search_path import current_folder_searched
from slidetile.tissue.named import load_detector
for name in ('mine:nothing', 'nowhere:here', 'broken:here'):
    try:
        with current_folder_searched():
            load_detector(name)
    except ValueError:
        pass
""",
}


def ran(folder, *statements, arguments=(), **environment):
    """What a fresh interpreter prints; run from a file, so that processes it begins can be."""
    script = folder / "script.py"
    script.write_text("\n".join(statements))
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_"))}
    done = subprocess.run(
        [sys.executable, "-P", script, *map(str, arguments)],
        cwd=folder,
        check=False,
        capture_output=True,
        text=True,
        env={**clean, **environment},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("call", CALLS)
def test_a_call_changes_nothing_in_its_process(tmp_path, call):
    (tmp_path / "mine.py").write_text("def dark(image):\n    return image[..., 0] < 200\n")
    (tmp_path / "broken.py").write_text("import nowhere\n")
    lines = f"""
import slidetile as st
slide = sys.argv[2]
recipe = st.Recipe(codec="zstd", tile=st.TileSpec(size=512))
before = state()
{CALLS[call].strip()}
print(changed(before))
"""
    guarded = "if __name__ == '__main__':\n" + "\n".join(
        f"    {line}" for line in lines.splitlines()
    )
    arguments = [",".join(LIBRARIES), SAMPLE]
    assert ran(tmp_path, STATE, guarded, arguments=arguments) == "[]\n"


HEAP = """
import ctypes, re, sys, threading

libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]


def told():
    file = ctypes.c_void_p(libc.fopen(b"heap.xml", b"w"))
    libc.malloc_info(0, file)
    libc.fclose(file)
    return open("heap.xml").read()


def mapped():
    return int(re.search('<total type="mmap" count="([0-9]+)"', told())[1])


def is_mapped(size):
    # whether so much memory is taken from the system, and given back to it when freed
    before = mapped()
    piece = libc.malloc(size)
    count = mapped() - before
    libc.free(piece)
    return count == 1


def heaps():
    # how many there are when six threads want one each
    all_there = threading.Barrier(7)

    def take():
        piece = libc.malloc(100)
        all_there.wait()
        all_there.wait()
        libc.free(piece)

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    all_there.wait()
    count = told().count("<heap nr=")
    all_there.wait()
    for thread in threads:
        thread.join()
    return count


def look():
    # By itself glibc maps what is larger than anything freed so far, up to 32 MiB, and after that
    # takes as much from a heap; a threshold that somebody has set stays where it is.
    is_adaptive = is_mapped(30 << 20) and not is_mapped(25 << 20)
    print("few heaps" if heaps() < 6 else "a heap each", "adaptive" if is_adaptive else "set")
"""

has_glibc = pytest.mark.skipif(sys.platform != "linux", reason="only glibc has these settings")


@has_glibc
def test_a_call_leaves_the_heap_as_the_c_library_has_it(tmp_path):
    tiled = """
import slidetile as st
st.tile_slide(sys.argv[1], "x.zarr", st.Recipe(codec="zstd", tile=st.TileSpec(size=512)))
look()
"""
    assert ran(tmp_path, HEAP, tiled, arguments=[SAMPLE]) == "a heap each adaptive\n"


@has_glibc
def test_the_command_line_tunes_the_heap_of_its_process(tmp_path):
    command = """
from slidetile.cli.commands import main
main(["plan", sys.argv[1], "--json"], standalone_mode=False)
look()
"""
    told = ran(tmp_path, HEAP, command, arguments=[SAMPLE])
    assert told.endswith("}\nfew heaps set\n")


@has_glibc
def test_the_processes_of_a_batch_are_tuned_and_their_parent_is_not(tmp_path):
    batch = """
from slidetile.runtime.processes import in_processes

if __name__ == "__main__":
    for _, future, _ in in_processes([look], 1):
        future.result()
    look()
"""
    assert ran(tmp_path, HEAP, batch) == "few heaps set\na heap each adaptive\n"
