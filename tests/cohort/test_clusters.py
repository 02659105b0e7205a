"""The file that describes a cluster, and the address of a scheduler."""

import os
from contextlib import closing

import pytest
from cluster_jobs import TilingJob
from paths import ROOT
from patience import wait_until

import slidetile as st
from slidetile.cohort.engines.cluster_error import ClusterError
from slidetile.cohort.engines.clusters import (
    LARGEST_FILE_BYTES,
    ClusterFile,
    cluster_client,
    scheduler_client,
)
from slidetile.cohort.engines.dask import DaskEngine
from slidetile.cohort.engines.engine import JobQueue

pytest.importorskip("dask_jobqueue", reason="the extra cluster is not installed")

GOOD = "kind: slurm\njobs: 3\ncores: 4\nmemory: 8GB\nqueue: short\n"


@pytest.fixture
def file(tmp_path):
    def written(text):
        path = tmp_path / "cluster.yaml"
        path.write_text(text)
        return path

    return written


def class_of(kind):
    import dask_jobqueue

    return getattr(dask_jobqueue, kind)


def test_a_file_holds_the_kind_the_number_of_jobs_and_keywords(file):
    found = ClusterFile.read(file(GOOD))
    assert (found.kind, found.jobs, found.adapt) == ("slurm", 3, None)
    keywords = found.checked_keywords(class_of("SLURMCluster"))
    assert keywords == {"cores": 4, "memory": "8GB", "queue": "short", "processes": 4}


def test_the_class_may_be_named_and_jobs_may_follow_the_work(file):
    text = "class: PBSCluster\nadapt: {minimum: 0, maximum: 9}\ncores: 8\nprocesses: 2\n"
    found = ClusterFile.read(file(text))
    assert (found.kind, found.jobs, found.adapt) == ("pbs", None, (0, 9))
    assert found.checked_keywords(class_of("PBSCluster"))["processes"] == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kind: slrum\njobs: 1", r"but not 'slrum' \(did you mean slurm\?\)"),
        ("class: SlurmCluster\njobs: 1", "but not 'SlurmCluster'"),
        ("jobs: 1", "kind is missing"),
        ("kind: slurm", "but neither is there"),
        ("kind: slurm\njobs: 1\nadapt: {minimum: 0, maximum: 2}", "but both is there"),
        ("kind: slurm\njobs: 0", "jobs is a number from 1 on, but not 0"),
        ("kind: slurm\njobs: many", "jobs is a number from 1 on, but not 'many'"),
        ("kind: slurm\njobs: true", "jobs is a number from 1 on, but not True"),
        ("kind: slurm\nadapt: 7", "adapt has a minimum and a maximum, but it is 7"),
        ("kind: slurm\nadapt: {minimum: 5, maximum: 2}", "but they are 5 and 2"),
        ("- slurm", "holds no keys"),
        ("", "holds no keys"),
        ("1: 2", "holds no keys"),
        ("kind: [", "is not YAML"),
        ("kind: !!python/object/apply:os.system [true]", "is not YAML"),
        ("[" * 5000, "is not YAML"),
        ("#" * (LARGEST_FILE_BYTES + 1), f"more than {LARGEST_FILE_BYTES} bytes"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_its_name(file, text, told):
    path = file(text)
    with pytest.raises(ClusterError, match=told) as raised:
        ClusterFile.read(path)
    assert str(raised.value).startswith(f"{path}: ")


@pytest.mark.parametrize("kind", ["nothing", "a pipe", "a folder"])
def test_what_is_no_file_is_told(tmp_path, kind):
    path = tmp_path / "cluster.yaml"
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    with pytest.raises(ClusterError, match="it cannot be read"):
        ClusterFile.read(path)


def test_a_keyword_that_the_class_does_not_have_is_told_with_the_nearest(file):
    found = ClusterFile.read(file(GOOD + "wall_time: '1:00'\n"))
    told = r"SLURMCluster of dask-jobqueue has no keyword 'wall_time' \(did you mean walltime\?\)"
    with pytest.raises(ClusterError, match=told):
        found.checked_keywords(class_of("SLURMCluster"))


@pytest.mark.parametrize("name", ["asynchronous", "scheduler", "job_cls", "self"])
def test_what_is_not_the_files_to_say_is_refused(file, name):
    found = ClusterFile.read(file(f"{GOOD}{name}: 1\n"))
    with pytest.raises(ClusterError, match=f"no keyword '{name}'"):
        found.checked_keywords(class_of("SLURMCluster"))


@pytest.mark.parametrize("address", ["nowhere", "tcp://127.0.0.1:1", "gopher://127.0.0.1:8786"])
def test_where_no_scheduler_answers_that_is_told(address, monkeypatch):
    monkeypatch.setattr("slidetile.cohort.engines.clusters.CONNECT_S", 0.5)
    told = f"No scheduler of dask.distributed answers at {address} "
    with pytest.raises(ClusterError, match=told), scheduler_client(address):
        pass


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # dask-jobqueue's own
@pytest.mark.filterwarnings("ignore:subprocess:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("number", ["jobs: 1", "adapt: {minimum: 0, maximum: 2}"])
def test_a_cluster_of_jobs_tiles_slides(sample, tmp_path, tree, file, monkeypatch, number):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))
    recipe = st.Recipe(tile=st.TileSpec(size=256))
    whole = tree(st.tile_slide(sample, tmp_path / "whole.zarr", recipe).path)
    options = "scheduler_options: {dashboard: false, dashboard_address: ':0'}"
    text = f"kind: local\n{number}\ncores: 1\nmemory: 2GB\n{options}\n"
    jobs = [TilingJob(slide=sample, store=tmp_path / f"{n}.zarr", recipe=recipe) for n in range(4)]
    with cluster_client(file(text)) as client:
        for some in (jobs[:3], jobs[3:]):
            with closing(DaskEngine(client).carry_out(JobQueue(some))) as ended:
                assert [row.status for _, row in ended] == ["ok"] * len(some)
            if number.startswith("adapt"):
                wait_until(lambda: not client.nthreads())  # its workers have gone with the work
    assert all(tree(job.store) == whole for job in jobs)
