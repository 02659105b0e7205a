"""The command `serve` in a process of its own, as programs meet it."""

import contextlib
import json
import subprocess
import sys


@contextlib.contextmanager
def served(place, *options):
    """Give what `serve` reports about a store or a folder, while it serves."""
    command = [sys.executable, "-m", "slidetile", "serve", str(place), "--json", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        text = ""
        for line in process.stdout:
            text += line
            if line.rstrip() == "}":
                break
        yield json.loads(text) | {"pid": process.pid}
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
