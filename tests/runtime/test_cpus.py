"""How many cores a process may keep busy: affinity, the quotas of control groups, and SLURM."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from batches import tile_here
from paths import SAMPLE

import slidetile as st
from slidetile.runtime.cpus import CpuLimits, worker_count
from slidetile.writing.estimate import estimate

NO_GROUPS = Path("/nowhere")


@pytest.mark.parametrize(
    ("limits", "cores"),
    [
        ({"allowed": 8}, 8),
        ({"allowed": 8, "quota": 3.0}, 3),
        ({"allowed": 8, "quota": 1.5}, 2),
        ({"allowed": 8, "quota": 0.1}, 1),
        ({"allowed": 2, "quota": 16.0}, 2),
        ({"allowed": 8, "per_task": 4}, 4),
        ({"allowed": 2, "per_task": 4}, 2),
        ({"allowed": 8, "quota": 2.0, "per_task": 4}, 2),
        ({"allowed": 8, "quota": 6.0, "per_task": 4}, 4),
    ],
)
def test_the_least_limit_counts(limits, cores):
    assert CpuLimits(**limits).cores == cores


@pytest.mark.parametrize("limits", [{"allowed": 0}, {"allowed": 2, "per_task": 0}])
def test_a_process_has_a_core(limits):
    with pytest.raises(ValueError, match="at least 1 core"):
        CpuLimits(**limits)


@pytest.mark.parametrize("quota", [0.0, -1.0, float("nan")])
def test_a_quota_is_more_than_nothing(quota):
    with pytest.raises(ValueError, match="more than 0 cores"):
        CpuLimits(allowed=1, quota=quota)


def quota_of(tmp_path, files, membership):
    """The quota of a process for which the kernel shows these control groups."""
    for name, text in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "cgroup").write_text(membership)
    limits = CpuLimits.of_this_process(proc=tmp_path, cgroups=tmp_path / "cgroup", environment={})
    return limits.quota


@pytest.mark.parametrize(
    ("files", "membership", "quota"),
    [
        ({"cpu.max": "150000 100000\n"}, "0::/\n", 1.5),
        ({"cpu.max": "max 100000\n"}, "0::/\n", None),
        (
            {
                "a/b/cpu.max": "400000 100000\n",
                "a/cpu.max": "100000 50000\n",
                "cpu.max": "max 100000\n",
            },
            "0::/a/b\n",
            2.0,
        ),
        (
            {"cpu/job/cpu.cfs_quota_us": "300000\n", "cpu/job/cpu.cfs_period_us": "100000\n"},
            "5:memory:/job\n3:cpu,cpuacct:/job\n",
            3.0,
        ),
        (
            {"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"},
            "3:cpu,cpuacct:/docker/0a1b2c\n0::/\n",
            0.5,
        ),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, "3:cpu:/\n", None),
        ({"cpuset/cpu.max": "100000 100000\n"}, "3:cpuset:/\n", None),
        ({"cpu.max": "nonsense\n"}, "0::/\n", None),
        ({"cpu.max": "100000 0\n"}, "0::/\n", None),
    ],
    ids=[
        "v2",
        "v2, no quota",
        "v2, a group above",
        "v1",
        "v1, a container that sees its group as the root",
        "v1, no quota",
        "another controller",
        "damaged",
        "no period",
    ],
)
def test_the_containers_quota_counts(tmp_path, files, membership, quota):
    assert quota_of(tmp_path, files, membership) == quota


@pytest.mark.parametrize(
    ("told", "per_task"), [("4", 4), ("1", 1), ("0", None), ("", None), ("all", None), ("-2", None)]
)
def test_slurm_tells_what_it_has_given(told, per_task):
    environment = {"SLURM_CPUS_PER_TASK": told}
    limits = CpuLimits.of_this_process(proc=NO_GROUPS, environment=environment)
    assert limits.per_task == per_task


def test_without_limits_the_cores_count():
    limits = CpuLimits.of_this_process(proc=NO_GROUPS, environment={})
    assert (limits.quota, limits.per_task) == (None, None)
    assert 1 <= limits.cores == limits.allowed <= os.cpu_count()


def test_cores_are_shared_by_processes():
    cores = CpuLimits.of_this_process().cores
    assert worker_count(None) == cores
    assert worker_count(None, processes=cores) == 1
    assert worker_count(None, processes=10 * cores) == 1
    assert worker_count(5, processes=3) == 5


ENCODERS = """
import os, sys, threading
import slidetile as st

if sys.argv[3] == "one core":
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
seen = set()
def look(_):
    names = [thread.name for thread in threading.enumerate()]
    seen.add(names.count("slidetile_encode_loop"))
recipe = st.Recipe(codec="zstd", tile=st.TileSpec(size=512))
st.tile_slide(sys.argv[1], sys.argv[2], recipe, on_progress=look)
print(max(seen))
"""


def encoders(tmp_path, affinity="as it is", **environment):
    """The threads that encode in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", ENCODERS, SAMPLE, tmp_path / "x.zarr", affinity],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    return int(done.stdout)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_a_job_on_one_core_of_a_node_has_one_thread_that_encodes(tmp_path):
    assert encoders(tmp_path, "one core") == 1


def test_a_job_that_slurm_gave_one_core_has_one_thread_that_encodes(tmp_path):
    assert encoders(tmp_path, SLURM_CPUS_PER_TASK="1") == 1


@pytest.mark.parametrize("workers", [0, -3])
def test_no_worker_at_all_is_refused_before_anything_is_done(tmp_path, workers):
    slide = st.ArraySlide(np.zeros((64, 64, 3), np.uint8))
    plan = st.plan_tiles(slide, st.find_tissue(slide), st.TileSpec(size=64))
    out, nowhere = tmp_path / "x.zarr", tmp_path / "no slide"
    calls = [
        lambda: worker_count(workers),
        lambda: st.write_tiles(slide, plan, out, workers=workers),
        lambda: st.tile_slide(nowhere, out, workers=workers),
        lambda: tile_here([nowhere], tmp_path / "out", workers=workers),
        lambda: st.verify_store(out, workers=workers),
        lambda: estimate(slide, plan, out, workers=workers),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=f"workers must be at least 1, but it is {workers}"):
            call()
    assert list(tmp_path.iterdir()) == []
