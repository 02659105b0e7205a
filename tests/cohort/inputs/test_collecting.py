"""What the inputs of a batch stand for."""

import shutil

import pytest

import slidetile as st
from slidetile.cohort.inputs.collecting import collect


@pytest.fixture
def slides(sample, tmp_path):
    """A folder of three slides, one of them in a folder of its own."""
    folder = tmp_path / "slides"
    for name in ("a.svs", "b.svs", "sub/c.svs"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sample, folder / name)
    return folder


def found(*inputs):
    return [entry.slide for entry in collect(inputs)]


def test_files_folders_and_globs(slides):
    everything = [slides / name for name in ("a.svs", "b.svs", "sub/c.svs")]
    assert found(slides) == everything
    assert found(slides / "*.svs") == everything[:2]
    assert found(slides / "**" / "*.svs") == everything
    assert found(slides / "b.svs", slides) == [everything[1], everything[0], everything[2]]


def test_a_file_with_the_name_of_a_glob_is_that_file(slides):
    odd = slides / "[a].svs"
    (slides / "a.svs").rename(odd)
    assert found(odd) == [odd]


def test_a_glob_that_matches_nothing_is_told(tmp_path):
    with pytest.raises(st.CohortError, match=r"nothing matches .*\*\.svs"):
        collect([tmp_path / "*.svs"])


def test_what_a_manifest_lists_is_as_it_says(slides):
    manifest = slides / "cohort.csv"
    manifest.write_text("path,id,mpp\nb.svs,second,0.3\nmissing.svs,,\n")
    entries = collect([slides / "a.svs", manifest, slides])
    assert [(entry.slide.name, entry.id, entry.mpp) for entry in entries] == [
        ("b.svs", "second", 0.3),
        ("missing.svs", None, None),
        ("a.svs", None, None),
        ("c.svs", None, None),
    ]


def test_two_manifests_may_not_say_two_things_of_one(slides):
    for name in ("one.csv", "two.csv"):
        (slides / name).write_text("path,id\na.svs,first\n")
    with pytest.raises(st.CohortError, match="lists the id first, which another manifest lists"):
        collect([slides / "one.csv", slides / "two.csv"])


def test_the_tables_and_logs_of_a_cohort_are_not_searched(slides, caplog):
    for name in (
        "slides.parquet/run-0001.parquet",
        "logs/run/x.svs",
        "summary.csv",
        "logs/keys.jsonl",
    ):
        (slides / name).parent.mkdir(parents=True, exist_ok=True)
        (slides / name).write_bytes(b"PAR1")
    assert len(found(slides)) == 3
    assert "left out" not in caplog.text
