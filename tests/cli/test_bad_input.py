"""Files and disks that fail: one clear line, exit code 1, no traceback, nothing half done."""

import json
import os
import shutil
import struct

import numpy as np
import pytest
import tifffile

import slidetile as st

LARGEST_PEAK_BYTES = 350 << 20


def tiff(path, **options):
    pixels = np.random.default_rng(0).integers(0, 200, (300, 400, 3), np.uint8)
    defaults = {"tile": (64, 64), "photometric": "rgb", "compression": "jpeg", "metadata": None}
    tifffile.imwrite(path, pixels, **{**defaults, **options})
    return path


def retag(path, tags):
    with tifffile.TiffFile(path, mode="r+") as file:
        for code, value in tags.items():
            file.pages.first.tags[code].overwrite(value)


def missing(_path, _sample):
    pass


def empty(path, _sample):
    path.touch()


def folder(path, _sample):
    path.mkdir()


def text(path, _sample):
    path.write_text("This is not a slide.\n" * 100)


def noise(path, _sample):
    path.write_bytes(np.random.default_rng(0).bytes(100_000))


def cut_head(path, sample):
    path.write_bytes(sample.read_bytes()[:100])


def cut_half(path, sample):
    path.write_bytes(sample.read_bytes()[:650_000])


def cut_before_all_tiles(path, _sample):
    tiff(path)
    with tifffile.TiffFile(path) as file:
        start = file.pages.first.dataoffsets[0]
    path.write_bytes(path.read_bytes()[:start])


def loop(path, _sample):
    tiff(path)
    data = bytearray(path.read_bytes())
    (start,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, start)
    struct.pack_into("<I", data, start + 2 + 12 * entries, start)
    path.write_bytes(data)


def absurd_size(path, _sample):
    retag(tiff(path), {256: 2**31, 257: 2**31})


def absurd_tiles(path, _sample):
    retag(tiff(path), {322: 2**30, 323: 2**30})


def unknown_compression(path, _sample):
    retag(tiff(path), {259: 52479})


BAD = {
    missing: "does not exist",
    empty: "is empty (0 bytes)",
    folder: "is a folder, not a slide",
    text: "it is a text file",
    noise: "its content is of no kind that slidetile knows",
    cut_head: "it is cut short",
    cut_half: "it is cut short",
    cut_before_all_tiles: "it is cut short",
    loop: "loop",
    absurd_size: "claims 2147483648×2147483648 pixels",
    absurd_tiles: "needs",
    unknown_compression: "compression 52479 is unknown",
}


def assert_one_clear_line(done, message):
    assert done.exit_code == 1
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("WARNING: ")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    assert message in lines[0]
    assert len(lines[0]) < 500
    assert done.peak_bytes < LARGEST_PEAK_BYTES


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_bad_slides(command, sample, tmp_path, make):
    path = tmp_path / "bad.svs"
    make(path, sample)
    done = command("tile", path, "-o", tmp_path / "bad.zarr")
    assert_one_clear_line(done, BAD[make])
    assert not (tmp_path / "bad.zarr").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("openslide-python-unreadable.svs", "does not decode"),
        ("unopenable.tiff", "compression 52479 is unknown"),
    ],
)
def test_bad_slides_from_elsewhere(command, shared_slides, tmp_path, name, message):
    done = command("tile", shared_slides / name, "-o", tmp_path / "bad.zarr")
    assert_one_clear_line(done, message)
    assert not (tmp_path / "bad.zarr").exists()


@pytest.mark.parametrize("name", ["info", "plan"])
@pytest.mark.parametrize("make", [missing, empty, text, cut_half, loop], ids=lambda m: m.__name__)
def test_the_other_commands_fail_alike(cli, sample, tmp_path, name, make):
    path = tmp_path / "bad.svs"
    make(path, sample)
    result = cli(name, path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_damaged_stores(cli, sample, tmp_path):
    path = tmp_path / "x.zarr"
    st.tile_slide(sample, path)
    for damaged, message in [
        ("tiles/tiles.parquet", "could not be read"),
        ("0/zarr.json", "could not be read"),
        ("zarr.json", "could not be read"),
    ]:
        (path / damaged).write_bytes(b"{")
        result = cli("info", path)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("error: ")
        assert message in result.stderr
        assert result.stderr.count("\n") == 1


def test_a_folder_under_a_file(command, sample, tmp_path):
    (tmp_path / "file").touch()
    done = command("tile", sample, "-o", tmp_path / "file" / "x.zarr")
    assert_one_clear_line(done, "which is not a folder")
    assert (tmp_path / "file").read_bytes() == b""


def skip_if_allowed(path, what):
    if os.access(path, what):
        pytest.skip("nothing is forbidden to root")


def test_an_unwritable_folder(command, sample, tmp_path):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    skip_if_allowed(locked, os.W_OK)
    done = command("tile", sample, "-o", locked / "x.zarr")
    assert_one_clear_line(done, "Permission denied")
    assert list(locked.iterdir()) == []


def test_an_unreadable_slide(command, sample, tmp_path):
    path = tmp_path / "locked.svs"
    shutil.copy(sample, path)
    path.chmod(0)
    skip_if_allowed(path, os.R_OK)
    assert_one_clear_line(command("tile", path, "-o", tmp_path / "x.zarr"), "Permission denied")
    done = command("batch", path, sample, "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == ["failed", "ok"]


@pytest.fixture(scope="module")
def undisturbed(sample, tmp_path_factory, tree):
    path = tmp_path_factory.mktemp("undisturbed") / "x.zarr"
    return tree(st.tile_slide(sample, path).path)


@pytest.mark.slow
@pytest.mark.parametrize("size_kb", [8, 24, 60, 100, 600])
def test_a_full_disk(command, sample, small_disk, undisturbed, tree, size_kb):
    place, resize = small_disk
    resize(size_kb)
    path = place / "x.zarr"
    done = command("tile", sample, "-o", path)
    lines = done.stderr.splitlines()
    assert done.exit_code == 1
    assert lines[-1].startswith("error: No space left on device; what is written is kept")
    assert [line for line in lines if "tiles/s" not in line] == lines[-1:]
    assert not path.exists()
    note = json.loads((place / "x.zarr.partial" / "unfinished.json").read_text())
    assert "Run the same command again to finish it as x.zarr" in note["what"]
    resize(10_000)
    assert command("tile", sample, "-o", path).exit_code == 0
    assert tree(path) == undisturbed
    assert [entry.name for entry in place.iterdir()] == ["x.zarr"]


def test_a_disk_without_room_for_a_note(command, sample, small_disk, undisturbed, tree):
    place, resize = small_disk
    (place / "fill").write_bytes(bytes(600 << 10))
    done = command("tile", sample, "-o", place / "x.zarr")
    assert_one_clear_line(done, "No space left on device")
    assert [entry.name for entry in place.iterdir()] == ["fill"]
    resize(10_000)
    assert command("tile", sample, "-o", place / "x.zarr").exit_code == 0
    assert tree(place / "x.zarr") == undisturbed


def test_plan_says_so_beforehand(cli, sample, small_disk):
    place, _ = small_disk
    result = cli("plan", sample, "-o", place / "x.zarr")
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: the store takes ")
    assert "but only 614.4 kB are free where it would be written; choose another" in result.stderr


def test_a_file_larger_than_allowed(command, sample, undisturbed, tree, tmp_path):
    path = tmp_path / "x.zarr"
    limited = ("sh", "-c", 'ulimit -f 128; exec "$@"', "sh")
    done = command("tile", sample, "-o", path, before=limited)
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1].startswith("error: File too large")
    assert "Traceback" not in done.stderr
    assert not path.exists()
    assert (tmp_path / "x.zarr.partial" / "unfinished.json").is_file()
    assert command("tile", sample, "-o", path).exit_code == 0
    assert tree(path) == undisturbed


def test_an_unfinished_store_of_other_settings_is_not_continued(command, sample, cli, tmp_path):
    path = tmp_path / "x.zarr"
    limited = ("sh", "-c", 'ulimit -f 128; exec "$@"', "sh")
    assert command("tile", sample, "-o", path, before=limited).exit_code == 1
    result = cli("tile", sample, "-o", path, "--tile-size", "512")
    assert result.exit_code == 1
    assert "was begun otherwise (" in result.stderr
    assert "tile_size" in result.stderr
    assert cli("info", path).stderr.count("not finished") == 1
    assert cli("tile", sample, "-o", path, "--tile-size", "512", "--restart").exit_code == 0
    assert st.open_store(path).tile_size == 512
