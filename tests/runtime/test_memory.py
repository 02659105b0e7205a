"""How many bytes a run may hold."""

import subprocess
import sys

import pytest
from gauges import MB, Memory

from slidetile.runtime.memory import SystemGauge, make_budget


@pytest.mark.parametrize(
    ("available", "memory", "beside", "units"),
    [
        (900 * MB, None, 0, 70),  # 900 × 0.7 ÷ (3 × 3)
        (10_000 * MB, None, 0, 100),  # no more than keep the cores busy
        (10_000 * MB, 1000 * MB, 0, 70),  # 1000 less the 100 held already
        (10_000 * MB, 1000 * MB, 190 * MB, 55),  # and less what is fetched ahead
        (1 * MB, None, 0, 1),
        (0, None, 0, 1),
        (900 * MB, 50 * MB, 0, 1),  # less than is held already: one at a time
    ],
)
def test_the_budget_is_what_is_free(available, memory, beside, units):
    gauge = Memory(100 * MB, available)
    budget = make_budget(
        gauge, unit_bytes=3 * MB, most=100, memory_bytes=memory, beside_bytes=beside
    )
    assert budget.units == units


def small_groups(tmp_path, files, membership):
    """Lay out /proc and the control groups as the kernel shows them."""
    for name, text in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "cgroup").write_text(membership)
    return SystemGauge(proc=tmp_path, cgroups=tmp_path / "cgroup")


@pytest.mark.parametrize(
    ("files", "membership"),
    [
        ({"memory.max": "7000\n", "memory.current": "3000\n"}, "0::/\n"),
        (
            {
                "a/b/memory.max": "max\n",
                "a/b/memory.current": "1\n",
                "a/memory.max": "7000\n",
                "a/memory.current": "5000\n",
                "a/memory.stat": "anon 9\ninactive_file 2000\n",
            },
            "0::/a/b\n",
        ),
        (
            {
                "memory/job/memory.limit_in_bytes": "7000\n",
                "memory/job/memory.usage_in_bytes": "3500\n",
                "memory/job/memory.stat": "total_inactive_file 500\n",
            },
            "3:cpu:/job\n5:memory,hugetlb:/job\n",
        ),
    ],
    ids=["v2", "v2, a group above, page cache", "v1"],
)
def test_the_containers_limit_counts(tmp_path, files, membership):
    assert small_groups(tmp_path, files, membership).available_bytes() == 4000


def test_without_limits_the_machine_counts(tmp_path):
    gauge = small_groups(tmp_path, {"memory.max": "max\n", "memory.current": "5\n"}, "0::/\n")
    assert gauge.available_bytes() > 10 * MB
    assert SystemGauge(proc=tmp_path / "none").available_bytes() > 10 * MB
    assert gauge.peak_bytes() > 10 * MB
    assert gauge.resident_bytes() > 10 * MB


def test_the_limit_of_the_address_space_counts():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (4 << 30,) * 2);"
        "from slidetile.runtime.memory import SystemGauge; print(SystemGauge().available_bytes())"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert 0 < int(done.stdout) < 4 << 30


def test_the_kernel_tells_what_psutil_tells():
    psutil, used = pytest.importorskip("psutil"), SystemGauge()._used()
    told = psutil.Process().memory_info()
    assert used.address_bytes == pytest.approx(told.vms, rel=0.05)
    assert used.resident_bytes == pytest.approx(told.rss, rel=0.05)
    assert used.data_bytes == pytest.approx(getattr(told, "data", 0), rel=0.05)
    assert SystemGauge()._free_bytes() == pytest.approx(psutil.virtual_memory().available, rel=0.2)
