"""A process that writes one part of a store, or finishes it; it may be made to stop in the middle.

Run as ``python store_parts.py JOB NUMBER [SHARDS [EXISTING]]``: NUMBER is a part, or "finish".
After SHARDS new shards it says "stopped" and waits to be killed.
"""

import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import slidetile as st
from slidetile.planning.plan import TilePlan
from slidetile.writing.group import Group, begin_store, finish_store, write_part


class Job(NamedTuple):
    """What every process of a group is given."""

    slide: Path
    recipe: st.Recipe
    plan: TilePlan
    group: Group

    def save(self, path):
        path.write_bytes(pickle.dumps(tuple(self)))
        return path

    def part(self, number, **choices):
        with self.recipe.open(self.slide) as slide:
            return write_part(slide, self.plan, self.group, number, **choices)

    def finish(self, permit, **choices):
        with self.recipe.open(self.slide) as slide:
            group = self.group.permitted(permit)
            return finish_store(slide, self.plan, group, **choices)


def begun(slide, recipe, permit, parts, options=None):
    """Begin a store."""
    with recipe.open(slide) as opened:
        plan = recipe.plan(opened)
        group = begin_store(
            opened,
            plan,
            permit,
            parts=parts,
            codec=recipe.codec,
            check=recipe.check,
            options=options,
        )
    return Job(Path(slide), recipe, plan, group)


def started(job_file, number, *stop_after):
    """Start a process for a part."""
    command = [sys.executable, __file__, job_file, number, *stop_after]
    return subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True)


def main(job_file, number, stop_after=None, existing="continue"):
    job = Job(*pickle.loads(Path(job_file).read_bytes()))  # noqa: S301  of the test itself
    first = []

    def stop(progress):
        first.append(progress.shards_done)
        if stop_after is not None and progress.shards_done - first[0] >= int(stop_after):
            sys.stdout.write("stopped\n")
            sys.stdout.flush()
            signal.pause()

    if number == "finish":
        options = st.WriteOptions(existing=existing)
        job.finish(job.group.permit, options=options, on_progress=stop)
    else:
        job.part(int(number), workers=1, on_progress=stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
