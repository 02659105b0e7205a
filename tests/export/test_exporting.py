"""Kinds of export: how they are named, chosen and refused, for Python and on the command line."""

import json
import shutil
from dataclasses import fields, is_dataclass

import numpy as np
import pytest

import slidetile as st
from slidetile.cli.export_command import _OPTIONS, export
from slidetile.cloud.objects import objects_below, read_object, remove_objects, write_object
from slidetile.export.kinds import KINDS


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_has_a_frozen_spec_with_an_option_for_each_choice(name):
    spec = KINDS[name].load_spec()
    assert is_dataclass(spec)
    made = spec()
    for field in fields(spec):
        assert field.name in {*_OPTIONS, "existing"}
        with pytest.raises(AttributeError):
            setattr(made, field.name, None)
    assert callable(KINDS[name].load_writer())
    assert getattr(st, spec.__name__) is spec


def test_every_option_is_of_a_kind():
    taken = {field.name for kind in KINDS.values() for field in fields(kind.load_spec())}
    assert set(_OPTIONS) <= taken


def test_help_lists_options_by_the_kinds_that_take_them(cli):
    told = "".join(cli("export", "--help").output.split())
    assert "Optionsof--todicom:--dicom-attributes" in told
    for name, kind in KINDS.items():
        assert "".join(f"{name}, {kind.says}".split()) in told
    assert {param.name for param in export.params} >= set(_OPTIONS)


def test_what_is_no_kind_is_refused(stores, tmp_path):
    store = stores("native")
    with pytest.raises(ValueError, match=r"must be one of geojson, .*zarr.*, not 'tiff'"):
        st.export_store(store, tmp_path / "a", "tiff")
    with pytest.raises(TypeError, match="the name of one or its spec, not Recipe"):
        st.export_store(store, tmp_path / "a", st.Recipe())
    with pytest.raises(TypeError, match=r"DicomExport is a class: call it, DicomExport\(\)"):
        st.export_store(store, tmp_path / "a", st.DicomExport)
    with pytest.raises(ValueError, match="workers must be at least 1, but it is 0"):
        st.export_store(store, tmp_path / "a", workers=0)


@pytest.mark.parametrize(
    ("kind", "name", "asked"),
    [
        ("geojson", "a.ome.tif", "named as ome-tiff is, but geojson was .* give --to ome-tiff"),
        ("geojson", "a.TIFF", "such as a.geojson"),
        ("geojson", "a.zarr", "give --to zarr"),
        ("geojson", "a.h5", r"give --to trident \(export_store\(…, 'trident'\)\) or --to clam"),
        ("ome-tiff", "a.geojson", "named as geojson is"),
        ("dicom", "a.tif", "named as ome-tiff is"),
        ("zarr", "a.json", "named as geojson is"),
        ("trident", "a.npz", "give --to hs2p"),
        ("clam", "a.zarr", "named as zarr is"),
        ("hs2p", "a.h5", "named as trident or clam is"),
        ("webdataset", "a.zarr", "named as zarr is"),
    ],
)
def test_an_output_that_is_named_as_another_kinds_is_refused(stores, tmp_path, kind, name, asked):
    with pytest.raises(ValueError, match=asked):
        st.export_store(stores("native"), tmp_path / name, kind)
    assert not list(tmp_path.iterdir())


def test_a_forgotten_kind_is_proposed(stores, tmp_path, cli):
    store, output = stores("native").path, tmp_path / "foo.ome.tif"
    failed = cli("export", store, "-o", output)
    assert failed.exit_code == 2
    assert "give --to ome-tiff" in " ".join(failed.stderr.split())
    assert not output.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_open_store_is_refused_with_what_to_give(stores, sample, tmp_path, kind):
    store = stores("native")
    with st.open_slide(sample) as slide:
        wrong = {
            str(
                store.path
            ): r"not a path: open .* export_store\(open_store\('.*native\.zarr'\), …\)",
            store.path: r"not a path: open .* export_store\(open_store\('.*native\.zarr'\), …\)",
            store[0:2]: "not a selection of tiles: .* give the store",
            store.windows(): "not windows: give their store",
            slide: "not a slide, .* tile_slide",
            (store, store): "not tuple: call it for each store",
            None: "not NoneType",
        }
        for given, message in wrong.items():
            with pytest.raises(TypeError, match=f"^export_store takes an open store, {message}"):
                st.export_store(given, tmp_path / "out", kind)
    assert not list(tmp_path.iterdir())


def test_json_has_the_facts(stores, tmp_path, cli):
    store = stores("native")
    command = ("export", store.path, "--to", "dicom", "-o", tmp_path / "a", "--json")
    told = json.loads(cli(*command).stdout)
    assert (told["kind"], told["output_path"]) == ("dicom", str(tmp_path / "a"))
    assert {"what": "tiles", "count": len(store)} in told["counts"]
    assert len(told["notes"]) == 1


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"dicom"}))
def test_an_export_of_no_tiles_is_told(tmp_path, cli, kind):
    slide = st.ArraySlide(np.full((512, 512, 3), 255, np.uint8), mpp=0.5)
    plan = st.plan_tiles(slide, st.find_tissue(slide))
    store = st.write_tiles(slide, plan, tmp_path / "a.zarr")
    codec = ("--codec", "raw") if kind == "zarr" else ()
    done = cli("export", store.path, "--to", kind, *codec, "-o", tmp_path / NAMES.get(kind, "out"))
    assert done.exit_code == 0, done.output
    assert f"note: {store.path} has no tiles, so there is nothing in what" in done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_that_is_replaced_or_deleted_is_noticed(stores, tmp_path, kind):
    spec, place = SPECS.get(kind, kind), tmp_path / "a.zarr"
    for number in range(2):
        shutil.copytree(stores("native").path, place)
        store = st.open_store(place)
        place.rename(tmp_path / f"{number}.zarr")
        if number:  # the same store would be no other
            shutil.copytree(stores("zstd").path, place)
        said = "was replaced or changed" if number else "was deleted or moved"
        with pytest.raises(
            st.StoreError, match=rf"a\.zarr {said} since it was opened: open it again"
        ):
            st.export_store(store, tmp_path / NAMES.get(kind, "out"), spec)
        assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_slide_could_not_give_is_told(damaged_sample, tmp_path, kind, cli):
    recipe = st.Recipe(tile=st.TileSpec(size=256), codec="native")
    store = st.tile_slide(damaged_sample, tmp_path / "a.zarr", recipe)
    codec = ("--codec", "jxl") if kind == "zarr" else ()
    done = cli("export", store.path, "--to", kind, *codec, "-o", tmp_path / NAMES.get(kind, "out"))
    if kind == "geojson":  # it shows them, as such
        assert done.exit_code == 0
        assert (tmp_path / "out").read_text().count('"Unreadable"') == store.unreadable
        return
    assert done.exit_code == 3, done.output
    assert "unreadable tiles: " in done.stderr
    assert "see the column status of the tile table" in done.stderr


def test_an_option_of_other_kinds_is_refused_with_those(stores, tmp_path, cli):
    done = cli("export", stores("native").path, "-o", tmp_path / "a", "--codec", "jpeg")
    assert done.exit_code == 2
    assert "--codec: --to geojson does not take it; ome-tiff, dicom and zarr do." in done.stderr
    done = cli("export", stores("native").path, "-o", tmp_path / "a", "--image", "png")
    assert "webdataset does." in done.stderr


def test_progress_counts_what_is_written(stores, tmp_path, cli):
    for kind, things in (("webdataset", "windows"), ("ome-tiff", "tiles")):
        done = cli("export", stores("native").path, "--to", kind, "-o", tmp_path / kind)
        assert f" {things}, " in done.stderr
        assert f" {things}/s" in done.stderr


NAMES = {"hs2p": "out.coordinates.npz"}
SPECS = {"zarr": st.ZarrExport(codec="raw"), "webdataset": st.WebdatasetExport(shard_bytes=500_000)}
INTO_BUCKETS = {"geojson", "zarr", "trident", "clam", "hs2p"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_in_a_bucket_gives_the_same_bytes_on_a_disk_and_in_a_bucket(
    lab, stores, tmp_path, tree, kind
):
    store, name, spec = stores("native"), NAMES.get(kind, "out"), SPECS.get(kind, kind)
    away = st.open_store(lab.put(store.path, "stores/native.zarr"))
    here = st.export_store(store, tmp_path / "here" / name, spec)
    there = st.export_store(away, tmp_path / "there" / name, spec, workers=4)
    assert here.counts == there.counts
    assert here.size_bytes == there.size_bytes
    assert tree(tmp_path / "here") == tree(tmp_path / "there")
    place = lab.home / "made" / name
    if kind not in INTO_BUCKETS:
        with pytest.raises(ValueError, match=rf"{place} is in a bucket, where .* copy it there"):
            st.export_store(store, place, spec)
        return
    for each in (store, away):
        spec = st.ZarrExport(codec="raw", existing="overwrite") if kind == "zarr" else spec
        assert st.export_store(each, place, spec).counts == here.counts
        assert lab.tree(lab.home / "made") == tree(tmp_path / "here")


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_in_a_bucket_is_not_replaced_unless_it_is_ours(lab, stores, kind, cli):
    place = lab.home / NAMES.get(kind, "out")
    write_object(place, [b"mine"])
    codec = ("--codec", "raw") if kind == "zarr" else ()
    done = cli("export", stores("native").path, "--to", kind, *codec, "-o", place)
    if kind in INTO_BUCKETS - {"zarr"}:
        assert f"error: {place} exists and is not " in done.stderr
        assert "choose another output" in done.stderr
    elif kind == "zarr":
        assert f"error: {place} is an object, not a store, so it is not" in done.stderr
    else:
        assert done.exit_code == 2
    assert read_object(place, 10) == b"mine"


@pytest.mark.parametrize("kind", KINDS)
def test_a_bucket_that_is_gone_is_told(lab, stores, tmp_path, cli, kind):
    address = lab.put(stores("native").path, "native.zarr")
    codec = ("--codec", "raw") if kind == "zarr" else ()
    command = ("export", "--to", kind, *codec, "-o", tmp_path / NAMES.get(kind, "out"))
    done = cli(*command, lab.home / "none.zarr")
    assert done.exit_code == 1
    assert f"error: {lab.home / 'none.zarr'} " in done.stderr
    remove_objects([each for each, _ in objects_below(address) if "native.zarr/0/c/" in each.key])
    done = cli(*command, address)
    if kind in ("geojson", "trident", "clam", "hs2p"):  # no pixel is read
        assert done.exit_code == 0, done.stderr
    else:
        assert done.exit_code == 1
        assert str(address) in done.stderr
        assert not (tmp_path / "out" / "zarr.json").exists()
