"""The command `serve` in a process of its own, as programs meet it."""

import contextlib
import json
import subprocess
import sys


@contextlib.contextmanager
def begun(place, *options, **streams):
    """Give the process of `serve`, and what it reports about a store or a folder."""
    command = [sys.executable, "-m", "slidetile", "serve", str(place), "--json", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **streams)
    try:
        text = ""
        for line in process.stdout:
            text += line
            if line.rstrip() == "}":
                break
        yield process, json.loads(text)
    finally:
        process.terminate()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@contextlib.contextmanager
def served(place, *options):
    """Give what `serve` reports about a store or a folder, while it serves."""
    with begun(place, *options) as (process, told):
        yield told | {"pid": process.pid}
