"""The tables of a cohort: many writers, no row lost, cells that no program runs."""

import csv
import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from batches import tile_here
from claims import hold_elsewhere

import slidetile as st
from slidetile.cohort.cohort import Cohort
from slidetile.cohort.layout import CohortFolder, new_run_name
from slidetile.cohort.result import SlideResult
from slidetile.cohort.table import run_log
from slidetile.cohort.table.earlier import take_over
from slidetile.cohort.table.reading import parsed
from slidetile.cohort.table.row_sinks import _in_parts
from slidetile.cohort.table.rows import row_of
from slidetile.cohort.table.run_files import FolderOfRun
from slidetile.cohort.table.run_log import RunLog
from slidetile.cohort.table.summary import cell, write_summary
from slidetile.runtime.claim import Claim

PATIENCE_S = 120


SMALL = st.Recipe(tile=st.TileSpec(size=512))


@pytest.fixture
def slides(sample, tmp_path):
    """A folder of four slides."""
    folder = tmp_path / "slides"
    folder.mkdir()
    for name in "abcd":
        (folder / f"{name}.svs").symlink_to(sample)
    return folder


def row(key, run="run", **facts):
    result = SlideResult(key=key, slide=f"/{key}.svs", status=facts.pop("status", "ok"), **facts)
    return row_of(result, slide=f"/{key}.svs", store=None, run=run)


def entered(folder, *rows, finish=True):
    """Enter rows as a run does; without its end, as one that was killed."""
    run = CohortFolder(folder).run(new_run_name())
    log = RunLog(run)
    for each in rows:
        log.enter(each)
    if finish:
        log.finish()
    log.close()
    return run


def told(folder):
    return {each["key"]: each["status"] for each in st.read_slides(folder).to_pylist()}


def summary(folder):
    with (folder / "summary.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from slidetile.cohort.cohort import Cohort
from slidetile.cohort.layout import CohortFolder, new_run_name
from slidetile.cohort.result import SlideResult
from slidetile.cohort.table.rows import row_of
from slidetile.cohort.table.run_log import RunLog
from slidetile.cohort.table.summary import write_summary

folder, name = CohortFolder(Path(sys.argv[1])), sys.argv[2]
log = RunLog(folder.run(new_run_name()))
for number in range(20):
    key = f"{name}-{number:02}"
    result = SlideResult(key=key, slide=key, status="ok")
    log.enter(row_of(result, slide=f"/{key}", store=None, run=log.run.name))
log.finish()
write_summary(folder)
log.close()
"""


def test_runs_side_by_side_lose_no_row(tmp_path):
    begun = [
        subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, name, ""]) for name in "wxyz"
    ]
    assert [process.wait(PATIENCE_S) for process in begun] == [0] * 4
    keys = [f"{name}-{number:02}" for name in "wxyz" for number in range(20)]
    assert list(told(tmp_path)) == keys
    assert [each["key"] for each in summary(tmp_path)] == keys
    assert len(list((tmp_path / "slides.parquet").iterdir())) == 4
    assert not list(tmp_path.rglob("*.owner"))


def test_rows_of_a_run_that_was_killed_are_read_and_moved_into_the_table_by_the_next(tmp_path):
    dead = "import os; log.run; os._exit(9)"
    code = WRITER.partition("log.finish()")[0] + dead
    assert subprocess.run([sys.executable, "-c", code, tmp_path, "w", ""], check=False).returncode
    (rows,) = tmp_path.glob("logs/*/rows.jsonl")
    rows.write_bytes(rows.read_bytes() + b'{"key": "cut')  # it died in the middle of a line
    assert list(told(tmp_path)) == [f"w-{number:02}" for number in range(20)]
    assert not list((tmp_path / "slides.parquet").iterdir())
    entered(tmp_path, row("x"))
    assert len(told(tmp_path)) == 21
    assert not list(tmp_path.glob("logs/*/rows.jsonl"))
    assert len(list((tmp_path / "slides.parquet").iterdir())) == 2


def test_rows_of_a_run_that_is_alive_are_read_and_left_to_it(tmp_path):
    alive = RunLog(CohortFolder(tmp_path).run(new_run_name()))
    alive.enter(row("a"))
    entered(tmp_path, row("b"))
    assert told(tmp_path) == {"a": "ok", "b": "ok"}
    assert alive.run.rows.exists()
    alive.finish()
    alive.close()
    assert told(tmp_path) == {"a": "ok", "b": "ok"}
    assert not alive.run.rows.exists()


def test_the_latest_row_counts(tmp_path):
    entered(tmp_path, row("a", status="failed", reason="no"), row("b"))
    entered(tmp_path, row("a"), row("c", status="failed"))
    assert told(tmp_path) == {"a": "ok", "b": "ok", "c": "failed"}
    whole = pa.concat_tables(
        pq.read_table(path) for path in (tmp_path / "slides.parquet").iterdir()
    )
    assert whole.num_rows == 4  # nothing is ever rewritten


def test_many_rows_become_parts_while_the_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(run_log, "ROWS_A_PART", 10)
    run = entered(tmp_path, *(row(f"{number:02}") for number in range(25)))
    parts = sorted((tmp_path / "slides.parquet").iterdir())
    assert all(path.name.startswith(run.name) for path in parts)
    assert sorted(pq.read_table(path).num_rows for path in parts) == [5, 10, 10]
    assert len(told(tmp_path)) == 25


def test_columns_of_manifests_that_differ_are_all_there(tmp_path):
    entered(tmp_path, row("a", columns={"patient": "1", "site": "x"}))
    entered(tmp_path, row("b", columns={"site": "y", "grade": "2"}))
    table = st.read_slides(tmp_path)
    assert table.column_names[-3:] == ["patient", "site", "grade"]
    assert table.select(["key", "patient", "site", "grade"]).to_pylist() == [
        {"key": "a", "patient": "1", "site": "x", "grade": None},
        {"key": "b", "patient": None, "site": "y", "grade": "2"},
    ]
    assert st.read_slides(tmp_path, columns=["status"]).column_names == ["key", "status", "ended"]


def test_a_folder_without_a_run_is_no_cohort(tmp_path):
    with pytest.raises(st.CohortError, match=f"{tmp_path} holds no table of slides: give the out"):
        st.read_slides(tmp_path)
    with pytest.raises(st.CohortError, match="none does not exist: give the output folder"):
        st.read_slides(tmp_path / "none", columns=["status"])


def test_a_cohort_of_which_no_slide_has_ended_has_no_rows(tmp_path):
    entered(tmp_path)
    assert st.read_slides(tmp_path).num_rows == 0
    table = st.read_slides(tmp_path, columns=["status"])
    assert table.column_names == ["key", "status", "ended"]


def test_a_part_that_cannot_be_read_is_named(tmp_path):
    entered(tmp_path, row("a"))
    (part,) = (tmp_path / "slides.parquet").iterdir()
    part.write_bytes(b"PAR1 but no more")
    with pytest.raises(st.CohortError, match=rf"{part.name} cannot be read: .*move it away"):
        st.read_slides(tmp_path)


@pytest.mark.parametrize("is_sealed", [True, False])
def test_a_newer_version_is_refused(sample, tmp_path, is_sealed):
    run = entered(tmp_path, row("a"), finish=is_sealed)
    if is_sealed:
        (part,) = (tmp_path / "slides.parquet").iterdir()
        table = pq.read_table(part).replace_schema_metadata({"slidetile_table": "2"})
        pq.write_table(table, part)
    else:
        text = run.rows.read_text().replace('{"slidetile_table": 1}', '{"slidetile_table": 2}')
        run.rows.write_text(text)
    with pytest.raises(st.CohortError, match="a table of version 2, but this slidetile knows ver"):
        tile_here([sample], tmp_path)
    assert not list(tmp_path.glob("*.zarr*"))


def test_a_line_that_is_no_row_is_left_out_with_a_word(tmp_path, caplog):
    run = entered(tmp_path, row("a"), finish=False)
    run.rows.write_bytes(run.rows.read_bytes() + b"\xff\n[1]\n")
    assert told(tmp_path) == {"a": "ok"}
    assert caplog.text.count("a line is no row, and is left out") == 2


def test_a_row_that_cannot_be_written_now_is_written_later(tmp_path, caplog):
    log = RunLog(CohortFolder(tmp_path).run(new_run_name()))
    log.run.rows.mkdir()  # in the way
    log.enter(row("a"))
    assert "rows will be written later" in caplog.text
    log.run.rows.rmdir()
    log.enter(row("b"))
    assert told(tmp_path) == {"a": "ok", "b": "ok"}
    log.finish()
    log.close()
    assert told(tmp_path) == {"a": "ok", "b": "ok"}


def test_a_summary_that_another_writes_is_waited_for_no_longer_than_said(tmp_path):
    other = Claim(tmp_path / "summary.csv.owner")
    with pytest.raises(st.StoreBusyError, match="being written by"):
        write_summary(CohortFolder(tmp_path), patience_s=0.1)
    other.release()
    write_summary(CohortFolder(tmp_path))
    assert summary(tmp_path) == []


def test_a_run_that_was_taken_for_dead_and_wakes_up_loses_no_row(tmp_path):
    asleep = RunLog(CohortFolder(tmp_path).run(new_run_name()))
    for key in "abc":
        asleep.enter(row(key))
    asleep._claim.release()  # as if another host had counted it as dead
    run_log.seal_dead(FolderOfRun(asleep.run))
    assert not asleep.run.rows.exists()
    for key in "def":
        asleep.enter(row(key))
    asleep.finish()
    asleep.close()
    assert list(told(tmp_path)) == list("abcdef")


def test_what_a_run_was_moving_when_it_was_killed_is_read_and_moved(tmp_path):
    run = entered(tmp_path, row("a"), row("b"), finish=False)
    run.rows.rename(run.other_rows("0123"))
    assert list(told(tmp_path)) == ["a", "b"]
    entered(tmp_path, row("c"))
    assert list(told(tmp_path)) == ["a", "b", "c"]
    assert FolderOfRun(run).rows() == []


def test_a_row_is_later_than_the_one_before_whatever_the_hosts_clock(tmp_path):
    ahead = {**row("a", status="failed"), "ended": "2099-01-01T00:00:00.000000Z"}
    entered(tmp_path, ahead)
    result = SlideResult(key="a", slide="/a.svs", status="ok")
    later = row_of(result, slide="/a.svs", store=None, run="r", after=ahead["ended"])
    assert later["ended"] == "2099-01-01T00:00:00.000001Z"
    entered(tmp_path, later)
    assert told(tmp_path) == {"a": "ok"}


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_cell_is_no_formula(tmp_path, text):
    entered(tmp_path, row("a", status="failed", reason=text, columns={text: text}))
    for _ in range(2):
        write_summary(CohortFolder(tmp_path))
        (found,) = summary(tmp_path)
        assert found["reason"] == found[f"'{text}"] == f"'{text}"
    assert st.read_slides(tmp_path)["reason"].to_pylist() == [text]


def test_other_cells_stay_as_they_are():
    assert cell('a=b, "c"\nd') == 'a=b, "c"\nd'
    assert (cell(None), cell(0), cell(-1.5)) == ("", "0", "-1.5")
    assert cell(os.fsdecode(b"caf\xe9")) == "caf\\udce9"
    assert cell(["one", "two"]) == "one | two"
    assert cell([]) == ""


EARLIER = "slide,status,store,tiles,seconds,tissue_area_um2\n"


def test_a_table_of_an_earlier_version_is_taken_over(tmp_path, sample):
    store = tmp_path / "called-so.zarr"
    lines = f"{sample},ok,{store},7,1.5,10\n/y.svs,failed,,0,0.1,\n,ok,,,,\n"
    (tmp_path / "summary.csv").write_text(EARLIER + lines)
    (result,) = tile_here([sample], tmp_path, st.Recipe(tile=st.TileSpec(size=512))).results
    assert (result.key, result.status) == ("called-so", "ok")
    found = {each["key"]: each for each in summary(tmp_path)}
    assert sorted(found) == ["called-so", "y"]
    assert found["y"]["slide"] == "/y.svs"
    take_over(CohortFolder(tmp_path))
    assert len(list((tmp_path / "slides.parquet").iterdir())) == 2


@pytest.mark.parametrize("kind", ["a pipe", "a folder"])
def test_what_is_no_file_is_not_waited_for(sample, tmp_path, kind):
    path = tmp_path / "summary.csv"
    os.mkfifo(path) if kind == "a pipe" else path.mkdir()
    with pytest.raises(FileExistsError, match=r"summary\.csv is not a table.*not a regular file"):
        tile_here([sample], tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_says_what_it_was_asked_for(sample, tmp_path):
    tile_here([sample], tmp_path, st.Recipe(tile=st.TileSpec(size=512), codec="zstd"))
    (note,) = tmp_path.glob("logs/*/run.json")
    facts = json.loads(note.read_text())
    assert facts["slidetile"] == st.__version__
    assert facts["recipe"]["codec"] == "zstd"
    assert facts["batch"]["processes"] == "0"


def test_the_part_that_ends_last_writes_the_summary(slides, tmp_path):
    out = tmp_path / "out"
    keys = {entry.key for entry in Cohort.of([slides], out).entries}
    other = RunLog(CohortFolder(out).run(new_run_name()))
    tile_here([slides], out, SMALL, part="1/2")
    assert not (out / "summary.csv").exists()  # another is under way, which has yet to end
    other.close()
    tile_here([slides], out, SMALL, part="2/2")
    assert {each["key"] for each in summary(out)} == keys


def test_a_run_of_all_slides_writes_the_summary_beside_others(slides, tmp_path):
    out = tmp_path / "out"
    with closing(RunLog(CohortFolder(out).run(new_run_name()))):
        tile_here([slides], out, SMALL)
        assert (out / "summary.csv").exists()


def test_a_run_that_was_killed_keeps_no_part_from_writing_the_summary(slides, tmp_path):
    out = tmp_path / "out"
    run = CohortFolder(out).run(new_run_name())
    run.path.mkdir(parents=True)
    hold_elsewhere(run.owner, silent_s=3600)
    tile_here([slides], out, SMALL, part="1/1")
    assert (out / "summary.csv").exists()


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
@pytest.mark.parametrize("cut", [b"", b'{"key": "half'])
def test_many_rows_are_moved_a_few_at_a_time_and_none_is_lost(count, cut):
    head = b'{"slidetile_table": 1}\n'
    data = head + b"".join(b'{"key": "%d"}\n' % number for number in range(count)) + cut
    parts = list(_in_parts(data))
    assert all(part.startswith(head) for part in parts)
    assert head + b"".join(part.removeprefix(head) for part in parts) == data
    rows = [row["key"] for part in parts for row in parsed(Path("rows"), part)]
    assert rows == list(map(str, range(count)))
    assert list(_in_parts(b"")) == [b""]
