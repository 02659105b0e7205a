"""A plan made again by other settings is the plan that these settings make."""

import shlex

import pytest
from paths import SAMPLE

import slidetile as st
from slidetile.viewer.replan.replanning import Replanning
from slidetile.viewer.views.slide import live_plan_view

CHANGES = (
    {"size": 256},
    {"size": 512, "min_tissue_fraction": 0.6},
    {"min_piece_area_um2": 0, "size": 128},
    {"tissue_margin_um": 60, "min_hole_area_um2": 0, "size": 256},
    {"min_density": 0.2, "min_texture": 0.9, "size": 256},
)


@pytest.fixture
def slide(sample):
    with st.open_slide(sample) as slide:
        yield slide


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_the_plan_of_the_copied_expression(slide, change):
    made = Replanning.begin(slide, st.Recipe()).with_settings(change)
    recipe = eval(made.choice["python"], {"st": st})  # noqa: S307  it is what a person pastes
    assert made.plan == recipe.plan(slide)
    assert all(
        setting.value == change.get(setting.name, setting.value) for setting in made.settings
    )


@pytest.mark.parametrize("change", CHANGES[:4])
def test_it_is_the_plan_of_the_copied_options(slide, sample, cli, change, tmp_path):
    made = Replanning.begin(slide, st.Recipe()).with_settings(change)
    options = shlex.split(made.choice["options"])
    done = cli("tile", sample, "-o", tmp_path / "a.zarr", *options)
    assert done.exit_code == 0
    store = st.open_store(tmp_path / "a.zarr")
    assert store.tiles["column"].to_pylist() == made.plan.columns.tolist()
    assert store.tiles["row"].to_pylist() == made.plan.rows.tolist()


def test_settings_follow_each_other_and_lead_back(slide):
    view = live_plan_view(slide)
    first = view.scene().json["overlay"]
    for change in CHANGES:
        view.replan(change)
    usual = {setting["name"]: setting["value"] for setting in first["settings"]}
    again = view.replan(usual).facts
    assert again == first
    assert again["choice"] == {"python": "st.Recipe()", "options": ""}


def test_settings_out_of_range_change_nothing(slide):
    view = live_plan_view(slide)
    before = view.scene().json
    for wrong, words in (
        ({"size": 100}, "multiple of 16"),
        ({"min_tissue_fraction": 2}, "between 0 and 1"),
        ({"min_density": -1}, "min_density"),
        ({"tissue_margin_um": float("nan")}, "finite"),
        ({"detector": 3}, "no setting 'detector'"),
    ):
        with pytest.raises(ValueError, match=words):
            view.replan(wrong)
    assert view.scene().json == before


def test_tissue_is_looked_for_only_where_its_settings_change(slide):
    made = Replanning.begin(slide, st.Recipe())
    assert made.with_settings({"size": 256}).plan.tissue is made.plan.tissue
    assert made.with_settings({"tissue_margin_um": 100}).plan.tissue != made.plan.tissue


def test_a_detector_without_thresholds_has_none_to_move(slide):
    made = Replanning.begin(slide, st.Recipe(detector=st.OtsuDetector()))
    assert "min_density" not in {setting.name for setting in made.settings}
    with pytest.raises(ValueError, match="no setting 'min_density'"):
        made.with_settings({"min_density": 0.1})


BEGUN = (
    st.Recipe(mpp=1.0, tile=st.TileSpec(size=512, edge="shift", sample=5, seed=3)),
    st.Recipe(detector=st.OtsuDetector(), tissue_mpp=16.0),
    st.Recipe(keep_pen=True, codec="zstd", color="srgb"),
    st.Recipe(annotations=st.AnnotationsSpec(path=SAMPLE.with_suffix(".geojson"), mode="exclude")),
    st.Recipe(cores=False, channels=("red",), tissue_channel="red"),
)


@pytest.mark.parametrize("recipe", BEGUN)
def test_what_was_given_at_first_is_copied_too(sample, cli, recipe, tmp_path):
    with recipe.open(sample) as slide:
        made = Replanning.begin(slide, recipe).with_settings({"size": 256})
    again = eval(made.choice["python"], {"st": st})  # noqa: S307
    with again.open(sample) as slide:
        assert again.plan(slide) == made.plan
    done = cli("tile", sample, "-o", tmp_path / "a.zarr", *shlex.split(made.choice["options"]))
    assert done.exit_code == 0
    store = st.open_store(tmp_path / "a.zarr")
    assert store.tiles["column"].to_pylist() == made.plan.columns.tolist()


def test_a_detector_of_ones_own_is_left_out(slide):
    made = Replanning.begin(slide, st.Recipe(detector=lambda image: image[..., 0] < 200))
    assert made.choice == {"python": "st.Recipe()", "options": ""}
