"""The wheel has the page: what is installed from it shows a store."""

import os
import subprocess
import sys
import zipfile

import pytest
from paths import ROOT

pytestmark = pytest.mark.slow


def test_what_is_installed_from_the_wheel_writes_a_page(stores, tmp_path, needs_page):  # noqa: ARG001
    built, installed = tmp_path / "built", tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", built, ROOT], check=True, cwd=tmp_path)
    (wheel,) = built.glob("slidetile-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    page = {path.name for path in (ROOT / "slidetile/viewer/built").iterdir()}
    assert {f"slidetile/viewer/built/{name}" for name in page} <= names
    assert not any("node_modules" in name or "viewer/page/" in name for name in names)
    subprocess.run(
        [*pip, "install", "--no-deps", "--target", installed, wheel], check=True, cwd=tmp_path
    )
    # Before the checkout, whose dependencies are used.
    env = {**os.environ, "PYTHONPATH": str(installed)}
    where = [sys.executable, "-c", "import slidetile; print(slidetile.__file__)"]
    told = subprocess.run(where, capture_output=True, text=True, check=True, cwd=tmp_path, env=env)
    assert told.stdout.startswith(str(installed))
    view = [
        sys.executable,
        "-m",
        "slidetile",
        "view",
        stores / "native.zarr",
        "--save",
        "page.html",
    ]
    subprocess.run(view, check=True, cwd=tmp_path, env=env, capture_output=True)
    saved = (tmp_path / "page.html").read_text()
    assert "<script" in saved
    assert "http://" not in saved.partition("<script")[0]
