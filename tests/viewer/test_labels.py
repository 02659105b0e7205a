"""The viewer shows the shares of classes, and plans a slide with labels again."""

from paths import SAMPLE, SAMPLES

import slidetile as st
from slidetile.viewer.replan.replanning import Replanning
from slidetile.viewer.replan.typed import typed
from slidetile.viewer.scene.columns import numeric_columns

LABELS = st.LabelsSpec(path=SAMPLES / "sample.geojson")


def test_tiles_are_coloured_by_the_shares_of_classes_and_by_no_text(tmp_path):
    recipe = st.Recipe(tile=st.TileSpec(size=512), labels=LABELS)
    store = st.tile_slide(SAMPLE, tmp_path / "a.zarr", recipe)
    names = [each.name for each in numeric_columns(store.tiles)]
    assert {"class_stroma", "class_tumor"} <= set(names)
    assert not {"slide", "class", "status"} & set(names)


def test_a_plan_made_again_keeps_its_labels():
    spec = st.TileSpec(size=512, min_class_fractions={"Tumor": 0.5})
    recipe = st.Recipe(tile=spec, labels=LABELS)
    with st.open_slide(SAMPLE) as slide:
        first = Replanning.begin(slide, recipe)
        again = first.with_settings({each.name: each.value for each in first.settings})
    assert again.plan == first.plan
    assert again.plan.labels is not None


def test_what_is_typed_names_labels_and_shares():
    spec = st.TileSpec(min_class_fractions={"a b": 0.5}, sample=3, balance="class")
    labels = st.LabelsSpec(path="m.png", values={"a b": [1, 2]}, origin="slide")
    told = typed(st.Recipe(tile=spec, labels=labels))
    for words in (
        "--labels m.png --labels-origin slide --label-values 'a b=1,2'",
        "--min-class-fraction 'a b=0.5'",
        "--balance class",
    ):
        assert words in told["options"]
    assert eval(told["python"], {"st": st}) == st.Recipe(tile=spec, labels=labels)  # noqa: S307
