"""Runs commands with a fault: forked from one process that has loaded everything, so in no time.

Reads a JSON object a line: the arguments of a command, the folder whose calls count, the group of
calls, the number of the one that fails and its errno, and where the output goes. Answers with the
exit code and the number of calls.
"""

import ctypes
import importlib
import json
import os
import sys
import traceback
import warnings
from pathlib import Path

LOADED = [
    "google_crc32c",
    "imagecodecs",
    "imagecodecs._jpeg8",
    "imagecodecs._zstd",
    "numcodecs",
    "numpy",
    "psutil",
    "pyarrow.compute",
    "pyarrow.parquet",
    "rich.table",
    "scipy.ndimage",
    "slidetile.cli.commands",
    "slidetile.cli.facts",
    "slidetile.cli.interrupt",
    "slidetile.cli.progress",
    "slidetile.cli.sentences",
    "slidetile.cohort.batch",
    "slidetile.recipe.tiling",
    "slidetile.slides.tiff.slide",
    "slidetile.verify.verify",
    "tifffile",
    "xml.etree.ElementTree",
]


def run(arguments):
    from slidetile.cli.commands import main

    try:
        main(arguments)
    except SystemExit as ended:
        return ended.code or 0
    return 0


def begin(case, shim):
    """Carry a case out, in the forked process."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(f"{case['told']}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    folder, group = case["folder"].encode(), case["group"].encode()
    shim.fault_arm(folder, group, case["number"], case["errno"], case["stays"])
    code = 1
    try:
        code = run(case["arguments"])
    except BaseException:  # noqa: BLE001  as Python itself does
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    Path(f"{case['told']}.seen").write_text(str(shim.fault_seen()), encoding="ascii")
    os._exit(code)


def main():
    warnings.simplefilter("ignore")  # a fork of a process with threads, which are all idle
    for name in LOADED:
        importlib.import_module(name)
    shim = ctypes.CDLL(None)
    shim.fault_seen.restype = ctypes.c_long
    integers = (ctypes.c_long, ctypes.c_int, ctypes.c_int)
    shim.fault_arm.argtypes = [ctypes.c_char_p, ctypes.c_char_p, *integers]
    for line in sys.stdin:
        case = json.loads(line)
        child = os.fork()
        if child == 0:
            begin(case, shim)
        _, status = os.waitpid(child, 0)
        answer = json.dumps({"code": os.waitstatus_to_exitcode(status)})
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


main()
