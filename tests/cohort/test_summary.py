"""The table of a batch: many writers, cells that no program runs."""

import csv
import os
import subprocess
import sys
import time

import pytest

from slidetile.cohort.summary import Summary, cell
from slidetile.runtime.claim import Claim

PATIENCE_S = 120
COLUMNS = ("slide", "status", "reason")


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


WRITER = """
import sys
from pathlib import Path
from slidetile.cohort.summary import Summary

folder, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
summary = Summary(folder, ("slide", "status", "reason"))
for number in range(count):
    summary.enter({"slide": f"/{name}/{number:02}.svs", "status": "ok", "reason": None})
summary.finish()
"""


def test_writers_at_a_time_lose_no_row(tmp_path):
    begun = [
        subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, name, "20"]) for name in "wxyz"
    ]
    assert [process.wait(PATIENCE_S) for process in begun] == [0] * 4
    slides = [row["slide"] for row in table(tmp_path / "summary.csv")]
    assert slides == [f"/{name}/{number:02}.svs" for name in "wxyz" for number in range(20)]
    assert [path.name for path in tmp_path.iterdir()] == ["summary.csv"]


def test_a_run_that_died_with_the_table_in_hand_is_taken_over(tmp_path):
    dead = "import sys; from slidetile.runtime.claim import Claim; from pathlib import Path;"
    dead += "Claim(Path(sys.argv[1])); import os; os._exit(0)"
    owner = tmp_path / "summary.csv.owner"
    subprocess.run([sys.executable, "-c", dead, owner], check=True)
    assert owner.exists()
    Summary(tmp_path, COLUMNS).enter({"slide": "/a.svs"})
    assert [row["slide"] for row in table(tmp_path / "summary.csv")] == ["/a.svs"]
    assert not owner.exists()


def test_a_row_that_cannot_be_written_now_is_written_later(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("slidetile.cohort.summary.PATIENCE_S", 0.1)
    summary = Summary(tmp_path, COLUMNS)
    other = Claim(tmp_path / "summary.csv.owner")
    summary.enter({"slide": "/a.svs", "status": "ok"})
    assert "will be written later" in caplog.text
    assert not (tmp_path / "summary.csv").exists()
    other.release()
    summary.finish()
    assert table(tmp_path / "summary.csv") == [{"slide": "/a.svs", "status": "ok", "reason": ""}]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx"])
def test_a_cell_is_no_formula(tmp_path, text):
    summary = Summary(tmp_path, COLUMNS)
    for _ in range(2):  # what was written once is not escaped twice
        summary.enter({"slide": "/a.svs", "reason": text})
        Summary(tmp_path, COLUMNS).enter({"slide": "/b.svs"})
    first, _ = table(tmp_path / "summary.csv")
    assert first["reason"] == f"'{text}"


def test_other_cells_stay_as_they_are():
    assert cell('a=b, "c"\nd') == 'a=b, "c"\nd'
    assert (cell(None), cell(0), cell(-1.5)) == ("", "0", "-1.5")
    assert cell(os.fsdecode(b"caf\xe9")) == "caf\\udce9"


def test_a_table_of_an_earlier_version_is_kept_up(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "summary.csv").write_text("slide,status\nx.svs,ok\ny.svs,failed\n,ok\n/z.svs\n")
    Summary(tmp_path, COLUMNS).enter({"slide": str(tmp_path / "x.svs"), "status": "failed"})
    told = {os.path.relpath(row["slide"]): row["status"] for row in table(tmp_path / "summary.csv")}
    assert told["x.svs"] == "failed"
    assert told["y.svs"] == "failed"


def test_reading_is_waited_for_no_longer_than_said(tmp_path):
    other = Claim(tmp_path / "summary.csv.owner")
    summary = Summary(tmp_path, COLUMNS)
    begun = time.monotonic()
    with pytest.raises(Exception, match="being written by"):
        summary._write(0.2)
    assert time.monotonic() - begun > 0.2
    other.release()


@pytest.mark.parametrize("kind", ["a pipe", "a folder"])
def test_what_is_no_file_is_not_waited_for(tmp_path, kind):
    path = tmp_path / "summary.csv"
    os.mkfifo(path) if kind == "a pipe" else path.mkdir()
    with pytest.raises(FileExistsError, match=r"summary\.csv is not a table.*not a regular file"):
        Summary(tmp_path, COLUMNS)
