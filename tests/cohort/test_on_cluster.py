"""Whole cohorts on the workers of a real scheduler, by the library and by the command."""

import json
import os
import subprocess
import sys

import pytest
from cluster_jobs import CrashingZstd, HangingZstd, StuckDetector
from cluster_processes import Cluster
from paths import ROOT
from patience import PATIENCE_S, wait_until

import slidetile as st
from slidetile.cohort.engines.clusters import scheduler_client
from slidetile.format.names import partial_path
from slidetile.writing.group import GroupClaim

pytest.importorskip("distributed", reason="the extra cluster is not installed")
pytestmark = pytest.mark.slow

ZSTD = st.Recipe(codec="zstd", tile=st.TileSpec(size=256))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), 2)
    with scheduler_client(cluster.address) as client:
        client.wait_for_workers(2, timeout=PATIENCE_S)
    yield cluster
    cluster.close()


@pytest.fixture
def client(cluster):
    with scheduler_client(cluster.address) as client:
        yield client


@pytest.fixture
def slides(sample, damaged_sample, tmp_path):
    """A folder of a good slide, one with a damaged tile, and one that is none."""
    folder = tmp_path / "slides"
    folder.mkdir()
    (folder / "good.svs").symlink_to(sample)
    (folder / "damaged.svs").symlink_to(damaged_sample)
    (folder / "none.svs").write_bytes(b"no slide")
    return folder


def told(report):
    """What a report says of each slide, but for what depends on the time and the machine."""
    left_out = {"seconds", "peak_memory_bytes", "log", "store"}
    return [
        {name: getattr(row, name) for name in row.__slots__ if name not in left_out}
        for row in report.results
    ]


@pytest.mark.parametrize("split_tiles", [None, 10])
def test_a_cohort_has_the_rows_and_the_stores_of_one_machine(
    slides, tmp_path, tree, client, split_tiles
):
    here = st.tile_slides([slides], tmp_path / "here", ZSTD, processes=0)
    there = st.tile_slides(
        [slides], tmp_path / "there", ZSTD, client=client, split_tiles=split_tiles
    )
    assert told(there) == told(here)
    assert [row.status for row in there.results] == ["unreadable tiles", "ok", "failed"]
    for key in ("good", "damaged"):
        assert tree(tmp_path / "there" / f"{key}.zarr") == tree(tmp_path / "here" / f"{key}.zarr")
    again = st.tile_slides(
        [slides], tmp_path / "there", ZSTD, client=client, split_tiles=split_tiles
    )
    assert [row.status for row in again.results] == ["already done", "already done", "failed"]


@pytest.mark.parametrize(
    ("codec", "reason", "calls"),
    [
        (CrashingZstd(), "died of signal 11", "Fatal Python error: Segmentation fault"),
        (HangingZstd(), "it took longer than 6 s, so it was ended", "in encode"),
    ],
)
def test_a_slide_whose_process_is_ended_has_the_reason_and_the_log_of_one_machine(
    sample, tmp_path, client, codec, reason, calls
):
    recipe = st.Recipe(codec=codec, tile=st.TileSpec(size=256))
    choices = {"timeout_s": 6}
    here = st.tile_slides([sample], tmp_path / "here", recipe, processes=1, **choices)
    there = st.tile_slides([sample], tmp_path / "there", recipe, client=client, **choices)
    assert told(there) == told(here)
    assert reason in there.results[0].reason
    for name, report in (("here", here), ("there", there)):
        log = (tmp_path / name / report.results[0].log).read_text()
        assert calls in log
        assert log.splitlines()[-1].startswith("failed: it")


@pytest.mark.parametrize("what", ["finished", "unfinished"])
def test_a_giant_of_other_settings_is_made_anew_as_on_one_machine(
    sample, tmp_path, tree, client, what
):
    other = st.Recipe(codec="raw", tile=st.TileSpec(size=256))
    reports = {}
    for name in ("here", "there"):
        out = tmp_path / name
        if what == "finished":
            st.tile_slides([sample], out, other, processes=0)
        else:
            out.mkdir()
            with st.open_slide(sample) as slide, GroupClaim(out / "sample.zarr") as claim:
                from slidetile.writing.group import begin_store

                begin_store(slide, other.plan(slide), claim.permit, parts=2, codec="raw")
            assert partial_path(out / "sample.zarr").is_dir()
        choices = {"processes": 0} if name == "here" else {"client": client, "split_tiles": 10}
        reports[name] = st.tile_slides([sample], out, ZSTD, **choices)
    assert told(reports["there"]) == told(reports["here"])
    assert "anew, since" in reports["there"].results[0].note
    assert tree(tmp_path / "there/sample.zarr") == tree(tmp_path / "here/sample.zarr")


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"split_tiles": 5}, "give one"),
        ({"split_tiles": 0, "client": True}, "above 1 tile"),
        ({"client": True, "processes": 2}, "of this machine"),
    ],
)
def test_choices_that_do_not_go_together_are_refused(sample, tmp_path, client, choices, said):
    choices = choices | ({"client": client} if "client" in choices else {})
    with pytest.raises(ValueError, match=said):
        st.tile_slides([sample], tmp_path / "out", ZSTD, **choices)


class TestCommand:
    def test_it_tiles_on_a_scheduler(self, slides, tmp_path, command, cluster, tree):
        options = ["--codec", "zstd", "--tile-size", "256", "--json"]
        where = ["--scheduler", cluster.address, "--split-tiles", "10"]
        there = command("batch", slides, "-o", tmp_path / "there", *options, *where)
        here = command("batch", slides, "-o", tmp_path / "here", *options, "--processes", "0")
        assert there.exit_code == here.exit_code == 1
        statuses = [
            [row["status"] for row in json.loads(each.stdout)["slides"]] for each in (here, there)
        ]
        assert statuses[0] == statuses[1]
        assert tree(tmp_path / "there/good.zarr") == tree(tmp_path / "here/good.zarr")

    def test_a_slide_that_takes_too_long_is_told_and_the_others_go_on(
        self, slides, tmp_path, command, cluster, monkeypatch
    ):
        monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))  # as the workers have it
        limits = ["--timeout", "6", "--memory", "800MB"]
        where = ["--scheduler", cluster.address, "--detector", "cluster_jobs:StuckDetector"]
        good, stuck = slides / "good.svs", tmp_path / "slides" / StuckDetector.NAME
        stuck.symlink_to(good.resolve())
        ended = command("batch", good, stuck, "-o", tmp_path / "out", *where, *limits, "--json")
        assert ended.exit_code == 1
        rows = json.loads(ended.stdout)["slides"]
        assert [row["status"] for row in rows] == ["ok", "failed"]
        assert "it took longer than 6 s" in rows[1]["error"]["message"]

    def test_a_scheduler_that_is_not_there_is_one_line(self, sample, tmp_path, command):
        ended = command("batch", sample, "-o", tmp_path / "out", "--scheduler", "nowhere")
        assert ended.exit_code == 1
        (line,) = ended.stderr.strip().splitlines()
        assert "No scheduler of dask.distributed answers at nowhere" in line

    @pytest.mark.parametrize(
        "options",
        [
            ["--split-tiles", "5"],
            ["--scheduler", "tcp://a:1", "--cluster", "a.yaml"],
            ["--scheduler", "tcp://a:1", "--processes", "2"],
            ["--cluster", "a.yaml", "--isolate"],
        ],
    )
    def test_options_that_do_not_go_together_are_wrong_usage(self, sample, tmp_path, cli, options):
        ended = cli("batch", sample, "-o", tmp_path / "out", *options)
        assert ended.exit_code == 2
        assert not (tmp_path / "out").exists()

    def test_a_scheduler_that_vanishes_is_one_line_and_exit_code_1(
        self, sample, tmp_path, tmp_path_factory
    ):
        cluster = Cluster(tmp_path_factory.mktemp("vanishing"), 1)
        try:
            out = tmp_path / "out"
            command = [sys.executable, "-c", "from slidetile.cli.commands import main; main()"]
            options = ["--scheduler", cluster.address, "--codec", "jxl", "--tile-size", "256"]
            many = [tmp_path / f"{n}.svs" for n in range(40)]
            for path in many:
                path.symlink_to(sample)
            with subprocess.Popen(
                [*command, "batch", *map(str, many), "-o", str(out), *options],
                stderr=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                text=True,
                env=os.environ,
            ) as run:
                wait_until(lambda: any(p.stat().st_size for p in out.glob("logs/*/rows.jsonl")))
                cluster.scheduler.kill()
                _, errors = run.communicate(timeout=PATIENCE_S)
            assert run.returncode == 1
            assert "Traceback" not in errors
            last = errors.strip().splitlines()[-1]
            assert f"The scheduler {cluster.address} does not answer any more" in last
            assert list(out.glob("*.zarr"))
            assert all(st.verify_store(store) == () for store in out.glob("*.zarr"))
            rows = st.read_slides(out).to_pylist()  # also of a run that has ended early
            assert rows
            assert {row["status"] for row in rows} == {"ok"}
        finally:
            cluster.close()
