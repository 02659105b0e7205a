"""Which readers need what: a line of `info`, of the end of `tile`, and of `rename-codec`."""

import pytest

SERVED = "in all others by slidetile serve"
DECODES = f"zarr-python with slidetile or imagecodecs-zarr; {SERVED}"
DRAFT = f"zarr-python with slidetile, readers of Zarr's draft codec jpeg (experimental); {SERVED}"


def line(text):
    (found,) = (each for each in text.splitlines() if each.startswith("opens in"))
    return found.removeprefix("opens in").strip()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--codec", "native"), DECODES),
        (("--codec", "jpeg"), DECODES),
        (("--codec", "jxl"), DECODES),
        (("--codec", "native", "--codec-name", "jpeg"), DRAFT),
        (("--codec", "jpeg", "--codec-name", "jpeg"), DRAFT),
        (("--codec", "zstd"), "every Zarr v3 reader that knows shards"),
        (("--codec", "raw"), "every Zarr v3 reader"),
        (("--codec", "reference"), f"slidetile, where the slide is; {SERVED}"),
    ],
)
def test_what_a_store_opens_in_is_said_in_a_line(cli, sample, tmp_path, options, expected):
    told = cli("tile", sample, "-o", tmp_path / "a.zarr", *options)
    assert (told.exit_code, line(told.stdout)) == (0, expected)
    assert line(cli("info", tmp_path / "a.zarr").stdout) == expected


def test_another_name_is_another_line(cli, sample, tmp_path):
    cli("tile", sample, "-o", tmp_path / "a.zarr")
    assert line(cli("rename-codec", tmp_path / "a.zarr").stdout) == DRAFT
    assert line(cli("info", tmp_path / "a.zarr").stdout) == DRAFT
    back = cli("rename-codec", tmp_path / "a.zarr", "--to", "imagecodecs_jpeg")
    assert line(back.stdout) == DECODES
