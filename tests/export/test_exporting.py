"""Kinds of export: how they are named, chosen and refused, for Python and on the command line."""

import json
from dataclasses import fields, is_dataclass

import pytest

import slidetile as st
from slidetile.cli.export_command import _OPTIONS, export
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
    with pytest.raises(ValueError, match="workers must be at least 1, but it is 0"):
        st.export_store(store, tmp_path / "a", workers=0)


def test_json_has_the_facts(stores, tmp_path, cli):
    store = stores("native")
    command = ("export", store.path, "--to", "dicom", "-o", tmp_path / "a", "--json")
    told = json.loads(cli(*command).stdout)
    assert (told["kind"], told["output_path"]) == ("dicom", str(tmp_path / "a"))
    assert {"what": "tiles", "count": len(store)} in told["counts"]
    assert len(told["notes"]) == 1


@pytest.mark.parametrize("kind", ["ome-tiff", "dicom"])
def test_a_store_in_a_bucket_is_exported_and_a_bucket_is_no_output(
    lab, stores, tmp_path, tree, kind
):
    store = stores("native")
    address = lab.put(store.path, "native.zarr")
    st.export_store(store, tmp_path / "here" / "a", kind)
    st.export_store(st.open_store(address), tmp_path / "there" / "a", kind, workers=4)
    assert tree(tmp_path / "here") == tree(tmp_path / "there")
    with pytest.raises(ValueError, match=r"is in a bucket, where .* is not written"):
        st.export_store(store, lab.home / "a", kind)
