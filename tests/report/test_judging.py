"""Which warnings a slide gets, by itself and among others, and how they say it."""

import pytest
import report_slides

from slidetile.cohort.report.judging import CohortFigures, warnings_of
from slidetile.cohort.report.slide import ReportedSlide
from slidetile.cohort.report.warning import KINDS


def told(slide, *others):
    """Return the warnings of a slide among others, as (kind, text)."""
    cohort = CohortFigures.of([slide, *others])
    return [(warning.kind, str(warning)) for warning in warnings_of(slide, cohort)]


USUAL = [report_slides.slide(str(n), tissue_share=0.3 + n / 100) for n in range(8)]


def test_an_ordinary_slide_has_none():
    assert told(report_slides.slide()) == []
    assert [told(each, *USUAL) for each in USUAL] == [[]] * len(USUAL)


def test_a_slide_without_tiles_says_why():
    empty = {"tiles": 0, "tissue_share": 0.0, "tissue_mm2": 0.0, "sharpness": None}
    assert told(report_slides.slide(**empty, row={"note": "no tissue was found: try"}), *USUAL) == [
        ("no tissue", "no tissue was found: try")
    ]
    assert [kind for kind, _ in told(report_slides.slide(**empty))] == ["no tissue"]


def test_unreadable_tiles_are_told_with_their_reasons():
    reasons = (("no start marker", 2), ("does not decode", 1))
    slide = report_slides.slide(status="unreadable tiles", unreadable=3, unreadable_reasons=reasons)
    text = "3 of 400 tiles could not be read: no start marker (2), does not decode (1)"
    assert told(slide) == [("unreadable tiles", text)]


def test_a_class_that_was_asked_for_and_is_in_no_tile_is_told():
    label = report_slides.label
    classes = (
        label("gland", tiles=0),
        label("mitosis", tiles=0, area_mm2=None, least=0.1),
        label("stroma", tiles=1, least=0.5),
        label("tumor", tiles=0, least=0.5),
    )
    kind, none = "class without a tile", "no tile has anything of"
    assert told(report_slides.slide(classes=classes)) == [
        (kind, f"{none} mitosis, of which 0.1 was asked for"),
        (kind, f"{none} tumor, of which 0.5 was asked for, though 1.5 mm² of it are labelled"),
    ]


@pytest.mark.parametrize(
    ("mpp", "text"),
    [
        (None, "the slide's mpp is unknown: tissue was looked for with an assumed one"),
        ((0.05, 0.05), "the slide has 0.05 µm per pixel, which is outside 0.1–1.2"),
        ((1.3, 1.3), "the slide has 1.3 µm per pixel, which is outside 0.1–1.2"),
        ((0.1, 0.1), None),
        ((1.2, 1.2), None),
    ],
)
def test_an_unusual_mpp_is_odd_by_itself(mpp, text):
    expected = [] if text is None else [("odd mpp", text)]
    assert told(report_slides.slide(slide_mpp=mpp)) == expected


def test_an_mpp_unlike_the_others_is_odd():
    text = "the slide has 0.5 µm per pixel, the cohort's median is 0.25: 2.0 times as coarse"
    assert told(report_slides.slide(slide_mpp=(0.5, 0.5)), *USUAL) == [("odd mpp", text)]
    text = "the slide has 0.125 µm per pixel, the cohort's median is 0.25: 2.0 times as fine"
    assert told(report_slides.slide(slide_mpp=(0.125, 0.125)), *USUAL) == [("odd mpp", text)]
    assert told(report_slides.slide(slide_mpp=(0.3, 0.3)), *USUAL) == []


def test_an_mpp_is_compared_with_enough_others_alone():
    assert told(report_slides.slide(slide_mpp=(0.5, 0.5)), *USUAL[:3]) == []


def test_no_mpp_of_a_mixed_cohort_is_odd():
    coarse = [report_slides.slide(str(n), slide_mpp=(0.5, 0.5)) for n in range(3)]
    assert told(coarse[0], *coarse[1:], *USUAL) == []


def test_the_mpp_that_is_judged_is_the_slides():
    assert told(report_slides.slide(mpp=(4.0, 4.0))) == []


@pytest.mark.parametrize(
    ("share", "tiles", "is_odd"),
    [(0.0009, 7, False), (0.001, 0, True), (0.0, 8, True), (0.0, 0, False)],
)
def test_pen_counts_from_a_thousandth_of_the_area_or_a_fiftieth_of_the_tiles(share, tiles, is_odd):
    found = told(report_slides.slide(pen_share=share, tiles_with_pen=tiles))
    left_out = f"pen was left out on {100 * share:.1f} % of the scanned area"
    text = f"{left_out}; {tiles} of 400 tiles have some on them"
    assert found == ([("pen", text)] if is_odd else [])


def test_a_slide_much_less_sharp_than_the_others_is_blurred():
    text = (
        "the tiles' median sharpness is 399 (variance of the Laplacian), 20 % of the cohort's "
        "median of 2,000"
    )
    assert told(report_slides.slide(sharpness=399.0), *USUAL) == [("blur", text)]
    assert told(report_slides.slide(sharpness=401.0), *USUAL) == []
    assert told(report_slides.slide(sharpness=399.0), *USUAL[:3]) == []


@pytest.mark.parametrize("other", [{"sharpness_mpp": 8.0}, {"is_brightfield": False}])
def test_sharpness_is_compared_where_it_was_measured_alike(other):
    assert told(report_slides.slide(sharpness=100.0, **other), *USUAL) == []


def test_a_share_of_tissue_far_from_the_others_is_told_with_its_numbers():
    text = (
        "tissue takes 2.0 % of the scanned area, the cohort's median is 33.0 % (MAD 2.0 %): 10.5 "
        "robust deviations below"
    )
    assert told(report_slides.slide(tissue_share=0.02), *USUAL) == [("tissue share", text)]
    ((kind, text),) = told(report_slides.slide(tissue_share=0.9), *USUAL)
    assert kind == "tissue share"
    assert text.endswith(" 18.9 robust deviations above")
    assert told(report_slides.slide(tissue_share=0.02), *USUAL[:3]) == []


def test_of_equal_slides_a_small_difference_is_no_outlier():
    equal = [report_slides.slide(str(n)) for n in range(20)]
    assert told(report_slides.slide(tissue_share=0.36), *equal) == []
    assert [kind for kind, _ in told(report_slides.slide(tissue_share=0.38), *equal)] == [
        "tissue share"
    ]


def test_a_few_outliers_hide_no_other():
    odd = [report_slides.slide(f"odd {n}", tissue_share=0.99) for n in range(3)]
    kinds = [[kind for kind, _ in told(each, *USUAL, *odd)] for each in odd]
    assert kinds == [["tissue share"]] * 3


def test_slides_without_tissue_are_not_what_others_are_compared_with():
    empty = [report_slides.slide(f"e{n}", tiles=0, tissue_share=0.0) for n in range(9)]
    assert told(USUAL[0], *USUAL[1:], *empty) == []


def test_what_a_run_warned_of_is_told():
    found = told(report_slides.slide(row={"warnings": ("its icc profile is left out",)}))
    assert found == [("warned while tiling", "its icc profile is left out")]


def test_a_failed_slide_has_its_reason_and_no_judgement():
    failed = report_slides.slide(status="failed", problem="it does not exist", pen_share=0.5)
    assert told(failed, *USUAL) == []


def test_a_failure_needs_a_reason():
    with pytest.raises(ValueError, match="'failed' needs a problem"):
        ReportedSlide(key="one", status="failed")


def test_every_kind_says_when_there_is_one():
    assert all(kind.rule.endswith(".") for kind in KINDS)
    assert len({kind.kind for kind in KINDS}) == len(KINDS)
