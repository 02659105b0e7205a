"""Slides on the workers of a real scheduler: what is lost, what is not, and the bytes."""

import os
import platform
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager

import pytest
from cluster_jobs import (
    CrashingZstd,
    GreedyZstd,
    HangingZstd,
    KillingZstd,
    MeansJob,
    StoppingZstd,
    TilingJob,
)
from cluster_processes import Cluster
from patience import PATIENCE_S, wait_until

import slidetile as st
from slidetile.cohort.engines import _slide_work, dask
from slidetile.cohort.engines._on_worker import USABLE_SHARE
from slidetile.cohort.engines.cluster_error import ClusterError
from slidetile.cohort.engines.clusters import scheduler_client
from slidetile.cohort.engines.dask import DaskEngine
from slidetile.cohort.engines.engine import JobQueue
from slidetile.format.names import owner_path, partial_path
from slidetile.writing.group import GroupClaim

pytest.importorskip("distributed", reason="the extra cluster is not installed")

SMALL = st.TileSpec(size=256)
ZSTD = st.Recipe(codec="zstd", tile=SMALL)


@pytest.fixture
def start(tmp_path):
    clusters = []

    def begin(workers, **choices):
        folder = tmp_path / f"cluster{len(clusters)}"
        folder.mkdir()
        clusters.append(Cluster(folder, workers, **choices))
        return clusters[-1]

    yield begin
    for cluster in clusters:
        cluster.close()


def carried_out(engine, jobs, on_progress=None):
    """What became of each slide, by its store's name."""
    results = {}
    with closing(engine.carry_out(JobQueue(jobs), on_progress)) as ended:
        for job, row in ended:
            assert job.store.name not in results
            results[job.store.name] = row
    return results


def jobs_of(slide, folder, count, recipe=ZSTD):
    folder.mkdir(exist_ok=True)
    return [TilingJob(slide=slide, store=folder / f"{n}.zarr", recipe=recipe) for n in range(count)]


def inodes(store):
    """The whole shard files of an unfinished store; one that is written again has another inode."""
    found = partial_path(store).glob("[0-9]*/c/**/*")
    return {path: path.stat().st_ino for path in found if path.is_file() and path.suffix != ".tmp"}


def kept(before, store):
    """How many of an unfinished store's files are those of the finished one."""
    partial = partial_path(store)
    now = {path: store / path.relative_to(partial) for path in before}
    return sum(now[path].stat().st_ino == inode for path, inode in before.items())


@pytest.fixture
def connected(start):
    """Start a cluster, and return it with a client."""
    with ExitStack() as stack:

        def begin(workers, **choices):
            cluster = start(workers, **choices)
            client = stack.enter_context(scheduler_client(cluster.address))
            client.wait_for_workers(workers, timeout=PATIENCE_S)
            return cluster, client

        yield begin


@pytest.mark.slow
def test_two_hundred_slides_over_four_workers(sample, tmp_path, tree, connected):
    recipe = st.Recipe(tile=SMALL)
    whole = tree(st.tile_slide(sample, tmp_path / "whole.zarr", recipe).path)
    jobs = []
    for number in range(200):
        slide = tmp_path / "slides" / str(number) / sample.name
        slide.parent.mkdir(parents=True)
        slide.symlink_to(sample)
        jobs.append(TilingJob(slide=slide, store=tmp_path / f"out/{number}.zarr", recipe=recipe))
    (tmp_path / "out").mkdir()
    _, client = connected(4)
    in_flight = []

    def look(_label, _progress):
        in_flight.append(sum(map(len, client.processing().values())))

    results = carried_out(DaskEngine(client), jobs, look)
    assert {row.status for row in results.values()} == {"ok"}
    assert len(results) == 200
    assert len({row.pid for row in results.values()}) == 4
    assert max(in_flight, default=0) <= 8
    assert all(tree(job.store) == whole for job in jobs)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(results)


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["native", "zstd", "jpeg"])
def test_a_giant_is_split_in_eight(long_slide, long_trees, tmp_path, tree, connected, codec):
    _, client = connected(4)
    recipe = st.Recipe(codec=codec)
    tiles = len(st.tile_slide(long_slide, tmp_path / "whole.zarr", recipe))
    job = TilingJob(slide=long_slide, store=tmp_path / "x.zarr", recipe=recipe)
    seen = []
    engine = DaskEngine(client, most_tiles=-(-tiles // 8))
    results = carried_out(engine, [job], lambda *told: seen.append(told))
    assert results["x.zarr"].status == "ok"
    assert results["x.zarr"].tiles == tiles
    assert tree(job.store) == long_trees[codec] == tree(tmp_path / "whole.zarr")
    assert {label for label, _ in seen} == {str(long_slide)}
    assert len({progress.shards_total for _, progress in seen}) == 1, "those of the whole slide"
    assert not owner_path(job.store).exists()


@pytest.mark.slow
def test_a_slide_whose_worker_is_killed_goes_on_where_it_was(
    long_slide, long_trees, tmp_path, tree, connected
):
    cluster, client = connected(2)
    recipe = st.Recipe(codec=StoppingZstd(after=12))
    job = TilingJob(slide=long_slide, store=tmp_path / "x.zarr", recipe=recipe)
    before = {}

    def kill():
        pid = cluster.stopped_pid()
        wait_until(lambda: len(inodes(job.store)) >= 1)
        before.update(inodes(job.store))
        os.kill(pid, signal.SIGKILL)

    with beside(kill):
        results = carried_out(DaskEngine(client), [job])
    assert results["x.zarr"].status == "ok"
    assert kept(before, job.store) == len(before) > 0
    assert tree(job.store) == long_trees["zstd"]


@pytest.mark.slow
def test_a_part_whose_worker_is_killed_costs_only_its_shards(
    long_slide, long_trees, tmp_path, tree, connected
):
    cluster, client = connected(3)
    recipe = st.Recipe(codec=StoppingZstd(after=8))
    job = TilingJob(slide=long_slide, store=tmp_path / "x.zarr", recipe=recipe)
    before = {}

    def kill():
        pid = cluster.stopped_pid()
        before.update(inodes(job.store))
        os.kill(pid, signal.SIGKILL)

    with beside(kill):
        results = carried_out(DaskEngine(client, most_tiles=4), [job])
    assert results["x.zarr"].status == "ok"
    assert kept(before, job.store) == len(before) > 0
    assert tree(job.store) == long_trees["zstd"]


class TestIsolation:
    """What one slide does to its process costs no other slide, and no worker."""

    @pytest.mark.slow
    @pytest.mark.parametrize("most_tiles", [None, 20], ids=["slides", "giants"])
    def test_crash_hang_and_memory(self, sample, tmp_path, tree, connected, most_tiles):
        _, client = connected(2)
        workers = set(client.run(os.getpid).values())
        whole = tree(st.tile_slide(sample, tmp_path / "whole.zarr", ZSTD).path)
        codecs = {"crash": CrashingZstd(), "hang": HangingZstd(), "memory": GreedyZstd()}
        bad = [
            TilingJob(
                slide=sample,
                store=tmp_path / f"{name}.zarr",
                recipe=st.Recipe(codec=codec, tile=SMALL),
            )
            for name, codec in codecs.items()
        ]
        good = jobs_of(sample, tmp_path / "out", 4)
        engine = DaskEngine(client, timeout_s=20, memory_bytes=700 << 20, most_tiles=most_tiles)
        results = carried_out(engine, [*bad, *good])
        assert {name.removesuffix(".zarr"): results[name].error_type for name in results} == {
            "crash": "ProcessDiedError",
            "hang": "TimeoutError",
            "memory": "MemoryError",
        } | {str(n): None for n in range(4)}
        crash, hang, memory = (results[job.store.name].reason for job in bad)
        assert crash.startswith("its process died of signal 11 (Segmentation fault): a decoder")
        assert hang.startswith("it took longer than 20 s, so it was ended")
        assert re.match(r"its process held [\d,]+ MB of memory, more than the [\d,]+ MB of", memory)
        assert all(tree(job.store) == whole for job in good)
        assert set(client.run(os.getpid).values()) == workers, "none was lost"


@pytest.mark.slow
def test_a_slide_that_costs_its_workers_costs_no_other(sample, tmp_path, connected):
    _, client = connected(2, environment={"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"})
    (tmp_path / "out").mkdir()
    good = jobs_of(sample, tmp_path / "out", 4)
    bad = TilingJob(
        slide=sample, store=tmp_path / "bad.zarr", recipe=st.Recipe(codec=KillingZstd())
    )
    results = carried_out(DaskEngine(client), [bad, *good])
    assert results["bad.zarr"].error_type == "ProcessDiedError"
    assert "its worker died or was lost (KilledWorker)" in results["bad.zarr"].reason
    others = {name: row for name, row in results.items() if name != "bad.zarr"}
    assert len(others) == 4
    # One that waited at the worker that was killed may count as killed as often as that one.
    assert {row.status for row in others.values()} <= {"ok", "failed"}
    assert {row.error_type for row in others.values()} <= {None, "ProcessDiedError"}


@pytest.mark.slow
@pytest.mark.parametrize("most_tiles", [None, 4], ids=["a slide", "a giant"])
def test_a_scheduler_that_vanishes_ends_the_run_and_loses_nothing(
    sample, long_slide, long_trees, tmp_path, tree, connected, most_tiles
):
    cluster, client = connected(2)
    done = TilingJob(slide=sample, store=tmp_path / "done.zarr", recipe=ZSTD)
    recipe = st.Recipe(codec=StoppingZstd(after=12))
    job = TilingJob(slide=long_slide, store=tmp_path / "x.zarr", recipe=recipe)
    engine = DaskEngine(client, most_tiles=most_tiles and 99)
    with closing(engine.carry_out(JobQueue([done]))) as ended:
        assert [row.status for _, row in ended] == ["ok"]

    def kill():
        cluster.stopped_pid()
        cluster.scheduler.kill()

    engine = DaskEngine(client, most_tiles=most_tiles)
    with beside(kill), pytest.raises(ClusterError, match=r"scheduler tcp://127.* does not answer"):
        carried_out(engine, [job])
    assert st.verify_store(done.store) == ()
    assert partial_path(job.store).is_dir()
    cluster.go_on()  # the worker goes on, and ends with its scheduler
    cluster.workers.wait(PATIENCE_S)
    again = st.Recipe(codec="zstd")
    assert len(st.tile_slide(long_slide, job.store, again)) > 0
    assert tree(job.store) == long_trees["zstd"]


@pytest.mark.slow
def test_a_scheduler_that_says_nothing_any_more_is_told(long_slide, tmp_path, start, monkeypatch):
    """Its connection looks open, as that of a host without power does."""
    monkeypatch.setattr(dask, "ANSWER_S", 0.5)
    monkeypatch.setattr(dask, "LOOK_S", 0.1)
    cluster = start(1)
    recipe = st.Recipe(codec=StoppingZstd(after=4))
    job = TilingJob(slide=long_slide, store=tmp_path / "x.zarr", recipe=recipe)

    def halt():
        cluster.stopped_pid()
        cluster.scheduler.send_signal(signal.SIGSTOP)

    with scheduler_client(cluster.address) as client:
        client.wait_for_workers(1, timeout=PATIENCE_S)
        told = pytest.raises(ClusterError, match=r"scheduler tcp://127.* does not answer")
        with beside(halt), told:
            carried_out(DaskEngine(client), [job])
        cluster.scheduler.send_signal(signal.SIGCONT)
    cluster.go_on()


@pytest.mark.slow
def test_a_run_that_is_interrupted_has_its_tasks_stop(long_slide, tmp_path, connected):
    cluster, client = connected(2)
    recipe = st.Recipe(codec=StoppingZstd(after=8))
    job = TilingJob(slide=long_slide, store=tmp_path / "x.zarr", recipe=recipe)

    def interrupt(_label, progress):
        if cluster.stop_at.exists() and progress.shards_done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carried_out(DaskEngine(client, most_tiles=4), [job], interrupt)
    assert not owner_path(job.store).exists()
    cluster.go_on()
    wait_until(lambda: not any(client.processing().values()))
    wait_until(lambda: not any(client.run(busy).values()))
    assert partial_path(job.store).is_dir()
    assert not job.store.exists()


def busy():
    from slidetile.cohort.engines._on_worker import _PROCESS

    return _PROCESS.is_busy


@contextmanager
def beside(act):
    """Do something in another thread; what it raises is raised here."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(act)
        yield
        future.result()


@pytest.mark.slow
class TestWorkers:
    def test_a_worker_that_does_not_see_the_slide_is_named(self, tmp_path, connected):
        _, client = connected(1)
        job = TilingJob(slide=tmp_path / "elsewhere.svs", store=tmp_path / "x.zarr")
        row = carried_out(DaskEngine(client), [job])["x.zarr"]
        assert row.error_type == "PathMissingError"
        told = f"{job.slide} is not there on the host {platform.node()} (worker tcp://"
        assert row.reason.startswith(told)

    def test_another_version_ends_the_run(self, sample, tmp_path, connected, monkeypatch):
        _, client = connected(1)
        here = st.__version__
        monkeypatch.setattr(st, "__version__", "0.0.1")
        told = rf"has slidetile {re.escape(here)}, and this is slidetile 0\.0\.1: install the same"
        with pytest.raises(ClusterError, match=told):
            carried_out(DaskEngine(client), jobs_of(sample, tmp_path / "out", 1))
        assert list((tmp_path / "out").iterdir()) == []

    def test_a_worker_of_several_threads_gives_them_to_one_task(self, sample, tmp_path, connected):
        _, client = connected(1, threads=3)
        jobs = [MeansJob(slide=sample, store=tmp_path / f"{n}.zarr") for n in range(3)]
        rows = carried_out(DaskEngine(client), jobs).values()
        limit = int(2e9 * USABLE_SHARE)
        assert {row.reason for row in rows} == {f"3 threads, {limit} bytes, 1 at a time"}
        rows = carried_out(DaskEngine(client, threads=2), jobs).values()
        assert {row.reason for row in rows} == {f"2 threads, {limit} bytes, 1 at a time"}

    def test_a_job_that_cannot_be_packed_costs_no_other(self, sample, tmp_path, connected):
        _, client = connected(1)
        good = TilingJob(slide=sample, store=tmp_path / "good.zarr", recipe=ZSTD)
        bad = TilingJob(slide=sample, store=tmp_path / "bad.zarr", recipe=Unpickled())
        rows = carried_out(DaskEngine(client), [bad, good])
        assert "could not be handed to a worker" in rows["bad.zarr"].reason
        assert rows["good.zarr"].status == "ok"


class Unpickled:
    """What no worker can be given."""

    def __reduce__(self):
        raise TypeError("it cannot be packed")


@pytest.mark.slow
class TestGiants:
    def test_a_second_coordinator_is_refused(self, sample, tmp_path, connected, monkeypatch):
        monkeypatch.setattr(_slide_work, "BUSY_S", (0.0,))
        _, client = connected(1)
        job = TilingJob(slide=sample, store=tmp_path / "x.zarr", recipe=ZSTD)
        with GroupClaim(job.store):
            row = carried_out(DaskEngine(client, most_tiles=4), [job])["x.zarr"]
        assert row.error_type == "StoreBusyError"
        assert not job.store.exists()
        assert carried_out(DaskEngine(client, most_tiles=4), [job])["x.zarr"].status == "ok"

    def test_one_that_is_done_is_not_split_again(self, sample, tmp_path, tree, connected):
        _, client = connected(1)
        job = TilingJob(slide=sample, store=tmp_path / "x.zarr", recipe=ZSTD)
        first = carried_out(DaskEngine(client, most_tiles=4), [job])
        made = tree(job.store)
        stamp = (job.store / "zarr.json").stat().st_mtime_ns
        assert carried_out(DaskEngine(client, most_tiles=4), [job]).keys() == first.keys()
        assert tree(job.store) == made
        assert (job.store / "zarr.json").stat().st_mtime_ns == stamp

    def test_one_with_damage_is_as_by_one_run(self, damaged_sample, tmp_path, tree, connected):
        _, client = connected(2)
        whole = st.tile_slide(damaged_sample, tmp_path / "whole.zarr", ZSTD)
        job = TilingJob(slide=damaged_sample, store=tmp_path / "x.zarr", recipe=ZSTD)
        row = carried_out(DaskEngine(client, most_tiles=4), [job])["x.zarr"]
        assert row.status == "unreadable tiles"
        assert tree(job.store) == tree(whole.path)

    @pytest.mark.parametrize("existing", ["restart", "overwrite"])
    def test_what_is_there_is_begun_anew_where_that_is_asked_for(
        self, sample, tmp_path, tree, connected, existing
    ):
        _, client = connected(2)
        whole = tree(st.tile_slide(sample, tmp_path / "whole.zarr", ZSTD).path)
        other = st.Recipe(codec="raw", tile=SMALL)
        path, options = tmp_path / "x.zarr", st.WriteOptions(existing=existing)
        if existing == "overwrite":
            st.tile_slide(sample, path, other)
        else:
            with pytest.raises(KeyboardInterrupt):
                st.tile_slide(sample, path, other, on_progress=interrupt)
        job = TilingJob(slide=sample, store=path, recipe=ZSTD, options=options)
        assert carried_out(DaskEngine(client, most_tiles=4), [job])["x.zarr"].status == "ok"
        assert tree(path) == whole


def interrupt(_progress):
    raise KeyboardInterrupt
