"""Several stores in one command, each with an output of its own; and what was there before."""

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

import slidetile as st
from slidetile.choices import UnfitChoiceError
from slidetile.cloud.address import Address
from slidetile.export.kinds import KINDS
from slidetile.export.outputs import outputs_of

CODECS = {"zarr": ("--codec", "zstd")}
RECIPE = st.Recipe(tile=st.TileSpec(size=512))


@pytest.fixture
def cohort(stores, tmp_path):
    """A folder with two stores, which are the same but for their names."""
    for name in ("a.zarr", "b.svs.zarr"):
        shutil.copytree(stores("native").path, tmp_path / "cohort" / name)
    return tmp_path / "cohort"


@pytest.mark.parametrize("kind", KINDS)
def test_each_has_the_output_that_it_has_alone(cohort, tmp_path, kind, cli, tree):
    command = ("--to", kind, *CODECS.get(kind, ()), "-o")
    several = cli("export", cohort, *command, tmp_path / "out")
    assert several.exit_code == 0, several.output
    assert "2 stores: 2 exported, 0 already done, 0 failed" in several.stderr
    assert len(several.stdout.splitlines()) == 2
    outputs = outputs_of([cohort / "a.zarr", cohort / "b.svs.zarr"], tmp_path / "out", KINDS[kind])
    assert len(set(outputs.values())) == (1 if kind == "webdataset" else 2)
    for store, output in outputs.items():
        alone = tmp_path / "alone" / output.name
        assert cli("export", store, *command, alone).exit_code == 0
    assert tree(tmp_path / "out") == tree(
        tmp_path / "alone" / ("out" if kind == "webdataset" else "")
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_command_goes_on_where_it_stopped(cohort, tmp_path, kind, cli, tree):
    command = ("export", cohort, "--to", kind, *CODECS.get(kind, ()), "-o", tmp_path / "out")
    shutil.move(cohort / "b.svs.zarr", tmp_path / "later.zarr")
    assert cli(*command).exit_code == 0
    first = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.[todz]*")}
    shutil.move(tmp_path / "later.zarr", cohort / "b.svs.zarr")
    again = cli(*command)
    assert again.exit_code == 0, again.output
    is_quick = kind in ("geojson", "trident", "clam", "hs2p")  # and is simply written again
    told = "2 exported, 0 already done" if is_quick else "1 exported, 1 already done"
    assert f"2 stores: {told}, 0 failed" in again.stderr
    assert is_quick or all(path.stat().st_mtime_ns == time for path, time in first.items())
    made = tree(tmp_path / "out")
    assert cli(*command).exit_code == 0
    assert tree(tmp_path / "out") == made


def test_a_bad_store_ends_nothing_and_is_told(cohort, damaged_sample, tmp_path, cli):
    (cohort / "b.svs.zarr" / "0" / "zarr.json").write_text("{")
    (cohort / "c.zarr.partial").mkdir()
    st.tile_slide(damaged_sample, cohort / "d.zarr", RECIPE)
    line = ("export", cohort, "--to", "ome-tiff", "-o", tmp_path / "out")
    done = cli(*line)
    assert done.exit_code == 1
    assert "4 stores: 2 exported, 0 already done, 2 failed" in done.stderr
    assert f"error: {cohort / 'c.zarr'} is not finished" in done.stderr
    assert f"{cohort / 'b.svs.zarr'}" in done.stderr
    assert "warning: unreadable tiles: 1, which are not in what was written" in done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.ome.tif", "d.ome.tif"}
    shutil.rmtree(cohort / "b.svs.zarr")
    shutil.rmtree(cohort / "c.zarr.partial")
    assert cli(*line).exit_code == 3


def test_what_does_not_fit_one_store_is_its_own(cohort, tmp_path, cli):
    plain = st.ArraySlide(np.full((600, 600, 3), (200, 100, 180), np.uint8))
    plan = st.plan_tiles(plain, st.find_tissue(plain), RECIPE.tile)
    st.write_tiles(plain, plan, cohort / "z.zarr")
    done = cli("export", cohort, "--to", "trident", "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert "3 stores: 2 exported, 0 already done, 1 failed" in done.stderr
    assert f"error: {cohort / 'z.zarr'}" in done.stderr
    assert "how many µm" in done.stderr


def test_what_cannot_be_is_refused_before_anything_is_written(cohort, tmp_path, cli):
    twin = tmp_path / "twin" / "A.zarr"
    shutil.copytree(cohort / "a.zarr", twin)
    facts = tmp_path / "who.json"
    facts.write_text('{"PatientID": "1"}')
    lines = {
        (cohort, twin): "have one name, A, and so would their outputs",
        (cohort, "--slide", "x.svs"): "--slide is of one store, but 2 stores are meant",
        (cohort, "--to", "dicom", "--dicom-attributes", facts): "--dicom-attributes is of one",
        (cohort, "--to", "hs2p", "--image-path", "x.svs"): "--image-path is of one store",
        (cohort, "--to", "ome-tiff", "--size", 3): "--to ome-tiff does not take it",
    }
    for line, message in lines.items():
        refused = cli("export", *line, "-o", tmp_path / "out")
        assert refused.exit_code == 2
        assert message in " ".join(refused.stderr.split())
    refused = cli("export", cohort, "--to", "zarr", "--codec", "raw", "-o", cohort)
    assert refused.exit_code == 2
    assert "is one of the stores that are exported" in " ".join(refused.stderr.split())
    assert not (tmp_path / "out").exists()


def test_outputs_lie_in_the_folder_that_is_given(tmp_path):
    bucket = Address.parse("s3://lab/stores/a.zarr")
    kind = KINDS["trident"]
    found = outputs_of([bucket, tmp_path / "b"], tmp_path / "out", kind)
    assert list(found.values()) == [tmp_path / "out" / f"{name}_patches.h5" for name in "ab"]
    (found,) = outputs_of([tmp_path / "{}.zarr"], Address.parse("s3://lab/out"), kind).values()
    assert str(found) == "s3://lab/out/{}_patches.h5"
    with pytest.raises(UnfitChoiceError, match="have one name"):
        outputs_of([bucket, tmp_path / "a.zarr"], tmp_path, kind)
    assert outputs_of([bucket, bucket], tmp_path, kind) == {bucket: tmp_path / "a_patches.h5"}


MORE = {
    "ome-tiff": [
        st.OmeTiffExport(codec="deflate"),
        st.OmeTiffExport(codec="jpeg", jpeg_quality=80),
        st.OmeTiffExport(anonymous=True),
    ],
    "dicom": [
        st.DicomExport(codec="jpeg2000"),
        st.DicomExport(codec="jpeg", jpeg_quality=80),
        st.DicomExport(anonymous=True),
    ],
    "zarr": [
        st.ZarrExport(codec="zstd"),
        st.ZarrExport(codec="jpeg"),
        st.ZarrExport(codec="jpeg", codec_name="jpeg"),
        st.ZarrExport(codec="jpeg", jpeg_quality=80),
        st.ZarrExport(codec="zstd", anonymous=True),
    ],
    "webdataset": [
        st.WebdatasetExport(size=512),
        st.WebdatasetExport(shard_bytes=100_000),
        st.WebdatasetExport(image="png"),
    ],
}


@pytest.mark.parametrize("kind", MORE)
def test_a_finished_output_is_that_of_the_same_choices_and_store_alone(
    stores, damaged_sample, tmp_path, kind, tree
):
    store, place = stores("native"), tmp_path / "out"
    other = st.tile_slide(damaged_sample, tmp_path / store.path.name, RECIPE)
    for number, spec in enumerate(MORE[kind]):
        done = st.export_store(store, place, spec)
        assert not done.already_done
        made = tree(place) if place.is_dir() else place.read_bytes()
        again = st.export_store(store, place, spec)
        assert again == replace(done, already_done=True, counts=again.counts)
        assert again.counts.items() <= done.counts.items()
        for unlike in MORE[kind][:number] + MORE[kind][number + 1 :]:
            with pytest.raises(FileExistsError, match="--overwrite"):
                st.export_store(store, place, unlike)
        with pytest.raises(FileExistsError, match="--overwrite"):
            st.export_store(other, place, spec)
        assert not st.export_store(store, place, replace(spec, existing="overwrite")).already_done
        assert (tree(place) if place.is_dir() else place.read_bytes()) == made
        shutil.rmtree(place) if place.is_dir() else place.unlink()


@pytest.mark.parametrize("codec", ["auto", "native", "zstd"])
def test_a_whole_store_of_a_reference_store_is_known_again(sample, tmp_path, codec):
    recipe = replace(RECIPE, codec="reference")
    store = st.tile_slide(sample, tmp_path / "r.zarr", recipe)
    specs = {each: st.ZarrExport(codec=each) for each in ("auto", "native", "zstd")}
    assert not st.export_store(store, tmp_path / "a.zarr", specs[codec]).already_done
    for each, spec in specs.items():
        if each == codec or "zstd" not in (each, codec):  # what auto gives is native here
            assert st.export_store(store, tmp_path / "a.zarr", spec).already_done
        else:
            with pytest.raises(FileExistsError, match="--overwrite"):
                st.export_store(store, tmp_path / "a.zarr", spec)
    decoded = st.ZarrExport(codec=codec, check="decode")
    if codec != "zstd":
        with pytest.raises(FileExistsError, match="--overwrite"):
            st.export_store(store, tmp_path / "a.zarr", decoded)


@pytest.mark.parametrize("cut", [100, 200_000, -1])
@pytest.mark.parametrize("kind", ["ome-tiff", "dicom", "zarr"])
def test_a_finished_output_that_was_cut_is_not_done(stores, tmp_path, kind, cut):
    store, place, spec = stores("native"), tmp_path / "out", MORE[kind][0]
    st.export_store(store, place, spec)
    files = [path for path in place.rglob("*") if path.is_file()] or [place]
    largest = max(files, key=lambda path: path.stat().st_size)
    os.truncate(largest, cut if cut > 0 else largest.stat().st_size + cut)
    with pytest.raises(FileExistsError, match=r"or it is damaged|and not a DICOM series"):
        st.export_store(store, place, spec)


def test_a_note_of_the_system_beside_a_series_changes_nothing(stores, tmp_path):
    st.export_store(stores("native"), tmp_path / "out", "dicom")
    (tmp_path / "out" / ".DS_Store").write_bytes(b"\0")
    assert st.export_store(stores("native"), tmp_path / "out", "dicom").already_done


def test_a_whole_store_follows_the_labels_of_its_reference_store(sample, tmp_path):
    place, kept = tmp_path / "out.zarr", []
    box = '{"type": "Polygon", "coordinates": [[[%d, 400], [1600, 400], [1600, 1600], [%d, 400]]]}'
    for number, name in enumerate(["A", "B", None]):
        drawn = tmp_path / f"{number}.geojson"
        facts = f'{{"classification": {{"name": "{name}"}}}}'
        outline = box % (400 + number, 400 + number)
        drawn.write_text(f'{{"type": "Feature", "properties": {facts}, "geometry": {outline}}}')
        labels = None if name is None else st.LabelsSpec(path=drawn)
        recipe = replace(RECIPE, codec="reference", labels=labels)
        options = st.WriteOptions(existing="overwrite")
        store = st.tile_slide(sample, tmp_path / "r.zarr", recipe, options=options)
        if kept:
            with pytest.raises(FileExistsError, match="made of another store, with other"):
                st.export_store(store, place, "zarr")
        kept.append(st.export_store(store, place, st.ZarrExport(existing="overwrite")))
        assert st.export_store(store, place, "zarr").already_done
    assert not any(each.already_done for each in kept)


def test_no_store_is_replaced_by_what_is_made_of_it(cohort, tmp_path, cli, tree):
    (tmp_path / "link").symlink_to(cohort, target_is_directory=True)
    (tmp_path / "links").mkdir()
    for name in ("a.zarr", "b.svs.zarr"):
        (tmp_path / "links" / name).symlink_to(cohort / name, target_is_directory=True)
    before = tree(cohort)
    command = ("--to", "zarr", "--codec", "jpeg", "--jpeg-quality", 5, "--overwrite", "-o")
    for stores, output in [
        (cohort, tmp_path / "link"),
        (tmp_path / "links", cohort),
        (cohort / "a.zarr", cohort / "a.zarr"),
        (cohort / "a.zarr", tmp_path / "links" / "a.zarr"),
        (tmp_path / "links" / "a.zarr", cohort / "a.zarr"),
    ]:
        refused = cli("export", stores, *command, output)
        assert refused.exit_code == 2, refused.output
        assert "choose another" in " ".join(refused.stderr.split())
    assert tree(cohort) == before


def test_shards_that_would_have_one_name_are_refused(cohort, tmp_path, cli):
    shutil.move(cohort / "a.zarr", cohort / "b_svs.zarr")
    refused = cli("export", cohort, "--to", "webdataset", "-o", tmp_path / "out")
    assert refused.exit_code == 2
    assert "have one name, b_svs" in " ".join(refused.stderr.split())
    assert not (tmp_path / "out").exists()
    twice = cohort / "b_svs.zarr", cohort / ".." / "cohort" / "b_svs.zarr"
    done = cli("export", *twice, "--to", "webdataset", "-o", tmp_path / "out")
    assert "1 exported, 1 already done" in done.stderr


def test_an_output_that_can_hold_no_outputs_is_refused(cohort, tmp_path, cli):
    (tmp_path / "file").write_text("mine")
    for name, message in {
        "x.geojson": "give a folder that holds all outputs",
        "x.ome.tif": "give a folder that holds all outputs",
        "file": "is no folder",
    }.items():
        refused = cli("export", cohort, "-o", tmp_path / name)
        assert (refused.exit_code, message in " ".join(refused.stderr.split())) == (2, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cohort", "file"]


def test_a_link_to_what_is_gone_is_told(cohort, tmp_path, cli):
    (cohort / "gone.zarr").symlink_to(tmp_path / "share" / "gone.zarr")
    done = cli("export", cohort, "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert "2 exported, 0 already done, 1 failed" in done.stderr
    assert f"error: {cohort / 'gone.zarr'}" in done.stderr


@pytest.mark.parametrize("kind", ["geojson", "zarr", "trident", "ome-tiff"])
def test_a_prefix_of_stores_is_exported_as_a_folder_is(cohort, lab, tmp_path, kind, cli, tree):
    command = ("--to", kind, *CODECS.get(kind, ()), "-o")
    for name in ("a.zarr", "b.svs.zarr"):
        lab.put(cohort / name, f"cohort/{name}")
    assert cli("export", cohort, *command, tmp_path / "here").exit_code == 0
    into = tmp_path / "there" if kind == "ome-tiff" else lab.home / "there"
    for told in ("2 exported, 0 already", "0 exported, 2 already"):
        done = cli("export", lab.home / "cohort", *command, into)
        assert done.exit_code == 0, done.output
        assert told in done.stderr or kind in ("geojson", "trident")
    made = tree(into) if kind == "ome-tiff" else lab.tree(into)
    assert made == tree(tmp_path / "here")
