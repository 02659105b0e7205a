import logging
import subprocess
import sys

import numpy as np
import pytest
from paths import SAMPLE

import slidetile as st
from slidetile.format.codecs.jpeg import JpegCodec, NativeCodec
from slidetile.format.codecs.planar import RawCodec, ZstdCodec
from slidetile.runtime.governor import Governor
from slidetile.runtime.heap import free_what_can_be_freed
from slidetile.runtime.memory import OVERHEAD, Budget, SystemGauge, make_budget
from slidetile.runtime.places import Places
from slidetile.writing.write import make_work

MB = 1_000_000


class Memory:
    """A gauge held in memory: says what it is told."""

    def __init__(self, resident, available):
        self.resident, self.available = resident, available
        self.peak = resident

    def resident_bytes(self):
        self.peak = max(self.peak, self.resident)
        return self.resident

    def available_bytes(self):
        return self.available

    def peak_bytes(self):
        return self.peak


@pytest.mark.parametrize(
    ("available", "memory", "units"),
    [
        (900 * MB, None, 70),  # 900 × 0.7 ÷ (3 × 3)
        (10_000 * MB, None, 100),  # no more than keep the cores busy
        (10_000 * MB, 1000 * MB, 70),  # 1000 less the 100 held already
        (1 * MB, None, 1),
        (0, None, 1),
        (900 * MB, 50 * MB, 1),  # less than is held already: one at a time
    ],
)
def test_the_budget_is_what_is_free(available, memory, units):
    gauge = Memory(100 * MB, available)
    budget = make_budget(gauge, unit_bytes=3 * MB, most=100, memory_bytes=memory)
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


def governor(units=8, limit=1000 * MB, resident=100 * MB):
    gauge = Memory(resident, limit - resident)
    budget = Budget(
        limit_bytes=limit,
        in_flight_bytes=10 * units * MB * OVERHEAD,
        unit_bytes=10 * MB,
        most=units,
    )
    return Governor(budget, gauge, interval_s=0), gauge


def test_above_80_percent_less_is_in_flight_down_to_one_and_back(caplog):
    subject, gauge = governor()
    sizes = []
    for resident in (100, 799, 801, 900, 950, 999, 700, 599, 599, 599, 300):
        gauge.resident = resident * MB
        gauge.available = (1000 - resident) * MB
        with caplog.at_level(logging.WARNING):
            subject.look()
        sizes.append(subject.places.size)
    assert sizes == [8, 8, 4, 2, 1, 1, 1, 2, 3, 4, 5]
    assert subject.use.throttled == 3
    assert subject.use.peak_bytes == 999 * MB
    assert "4 instead of 8 shards in flight" in caplog.text


def test_what_others_take_counts_too():
    subject, gauge = governor(limit=100_000 * MB)
    gauge.available = 10 * MB
    subject.look()
    assert subject.places.size == 4


def test_it_never_grows_beyond_the_budget():
    subject, _ = governor(units=2)
    for _ in range(5):
        subject.look()
    assert subject.places.size == 2


def test_a_run_with_hardly_any_memory_writes_the_same_bytes(tmp_path, tree):
    stores, uses = [], []
    for name, options in (("a", None), ("b", st.WriteOptions(memory_bytes=1))):
        with st.open_slide(SAMPLE) as slide:
            plan = st.plan_tiles(slide, st.find_tissue(slide), st.TileSpec(size=512))
            path = tmp_path / f"{name}.zarr"
            seen = []
            st.write_tiles(
                slide, plan, path, codec="zstd", options=options, on_progress=seen.append
            )
        stores.append(tree(path))
        uses.append(seen[-1].memory)
    assert stores[0] == stores[1]
    assert uses[1].budget_bytes < uses[0].budget_bytes
    assert all(use.peak_bytes > 10 * MB for use in uses)


def test_freeing_is_always_possible():
    free_what_can_be_freed()


def test_places_are_never_lost():
    places = Places(2)
    assert places.acquire()
    assert places.acquire()
    places.resize(3)
    assert places.acquire()
    for _ in range(3):
        places.release()
    assert places.size == 3


def first_task(slide, codec):
    """The work of a slide and its first task, done once before: what is loaded does not count."""
    plan = st.plan_tiles(slide, st.find_tissue(slide), st.TileSpec(size=1024))
    before, work = make_work(slide, plan, codec), make_work(slide, plan, codec)
    first = work.tasks(lambda _level, _shard: False)[0]
    list(before.encode(before.read(first)))
    return work, first


@pytest.mark.parametrize("codec", [ZstdCodec(), RawCodec(), JpegCodec()], ids=lambda c: c.name)
def test_a_unit_of_work_takes_at_most_three_times_its_pixels(codec):
    """The factor of the budget, measured: what numpy and Python hold for one shard at the most."""
    import tracemalloc

    with st.open_slide(SAMPLE) as slide:
        work, first = first_task(slide, codec)
        tracemalloc.start()
        try:
            encoded = list(work.encode(work.read(first)))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert encoded
    pixels = 1024 * 1024 * 3
    coarser = pixels * 3 // 4  # the shard above grows with four units: a quarter is this one's
    assert pixels // 2 < peak <= OVERHEAD * pixels + coarser


def test_the_hot_path_stays_at_8_bits_and_copies_little():
    """Halving has 16-bit lanes, a slab of rows at a time; all else is bytes."""
    import tracemalloc

    slide = st.ArraySlide(np.zeros((4096, 4096, 3), np.uint8))
    plan = st.plan_tiles(
        slide, st.find_tissue(slide), st.TileSpec(size=1024, min_tissue_fraction=0)
    )
    work = make_work(slide, plan, RawCodec())
    tasks = work.tasks(lambda _level, _shard: False)
    fetched = work.read(tasks[0])
    assert fetched.region.pixels().dtype == np.uint8
    tracemalloc.start()
    try:
        (shard,) = work.encode(fetched)
        arrays = [t.size for t in tracemalloc.take_snapshot().traces]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    pixels = 1024 * 1024 * 3
    assert len(shard.payloads[0]) == pixels
    assert max(arrays) <= pixels + 1000, "nothing wider than 8 bits, for a whole shard, is kept"
    # the planes, the payload, and the coarser shard that grows: nothing else of that size
    assert peak < 3.4 * pixels


@pytest.mark.parametrize("codec", [NativeCodec(), ZstdCodec()], ids=lambda c: c.name)
def test_a_real_slides_pixels_stay_bytes_and_are_copied_once_at_most(codec):
    """What numpy holds for a task: no pixels at all for `native`, a shard of bytes for `zstd`."""
    import tracemalloc

    domain = tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)
    with st.open_slide(SAMPLE) as slide:
        work, first = first_task(slide, codec)
        tracemalloc.start()
        try:
            shards = []
            for shard in work.encode(work.read(first)):
                arrays = tracemalloc.take_snapshot().filter_traces([domain]).traces
                shards.append((shard, [trace.size for trace in arrays]))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    stored = sum(len(payload) for shard, _ in shards for payload in shard.payloads.values())
    largest = max((size for _, sizes in shards for size in sizes), default=0)
    if codec.name == "native":
        assert largest < 100_000, "nothing is decoded"
        assert peak < 2.5 * stored, "as read, and as a stream of its own: no third copy"
    else:
        assert 0 < largest <= 1024 * 1024 * 3, "no array of a shard is wider than 8 bits"
