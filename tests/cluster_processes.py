"""A scheduler of dask.distributed and its workers, as processes of this machine."""

import json
import os
import subprocess
import sys

from cluster_jobs import GO_ON, STOP_AT
from paths import ROOT
from patience import wait_until


class Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder, workers, *, threads=1, environment=()):
        self.folder = folder
        self.stop_at = folder / "stopped"
        self._environment = os.environ | {
            "PYTHONPATH": str(ROOT / "tests"),
            STOP_AT: str(self.stop_at),
            **dict(environment),
        }
        file = folder / "scheduler.json"
        address = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"]
        self.scheduler = self._start("dask_scheduler", *address, "--scheduler-file", file)
        wait_until(lambda: file.exists() and file.read_text().endswith("}"))
        self.address = json.loads(file.read_text())["address"]
        self.workers = self._start(
            "dask_worker",
            *(self.address, "--nworkers", workers, "--nthreads", threads, "--no-dashboard"),
            *("--memory-limit", "2GB", "--local-directory", folder / "scratch"),
        )

    def _start(self, name, *arguments):
        command = [sys.executable, "-m", f"distributed.cli.{name}", *map(str, arguments)]
        with (self.folder / f"{name}.log").open("w") as log:
            return subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)

    def stopped_pid(self):
        """Wait until a worker has stopped in the middle of a slide; return its process."""
        wait_until(lambda: self.stop_at.exists() and self.stop_at.read_text())
        return int(self.stop_at.read_text())

    def go_on(self):
        self.stop_at.write_text(GO_ON)

    def close(self):
        # The workers first: one that is told to end when its scheduler has is killed after 8 s, and
        # one that was just being started then waits for its scheduler for good.
        for process in (self.workers, self.scheduler):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
