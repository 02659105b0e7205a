"""Claims that others seem to hold."""

import os
from dataclasses import replace

from slidetile.runtime._holder import Holder
from slidetile.runtime.claim import ClaimTimes

QUICK = ClaimTimes(heartbeat_s=0.05, dead_after_s=0.2)


def seem_elsewhere(path, silent_s=0.0):
    """Have a claim be another host's, last heard of some seconds ago."""
    path.write_bytes(replace(Holder.from_json(path.read_bytes()), processes="else").to_json())
    then = path.stat().st_mtime - silent_s
    os.utime(path, (then, then))


def hold_elsewhere(path, silent_s):
    path.write_bytes(replace(Holder.me(), host="node7", pid=4711).to_json())
    seem_elsewhere(path, silent_s)
