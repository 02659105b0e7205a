"""A cohort with faults, and a real browser."""

import shutil
from pathlib import Path

import pytest
import report_slides


@pytest.fixture(scope="session")
def faulty(made_once, sample, damaged_sample) -> Path:
    """A cohort's folder in which all that can be wrong is; for reading alone."""

    def fill(folder):
        report_slides.faulty(folder / "cohort", sample, damaged_sample)

    return made_once("faulty", fill) / "cohort"


@pytest.fixture
def faulty_copy(faulty, tmp_path) -> Path:
    """A copy of it, to write into."""
    return Path(shutil.copytree(faulty, tmp_path / "cohort"))


@pytest.fixture(scope="session")
def new_browser(tmp_path_factory):
    """Start a real Chromium, without a window, that logs its console and all requests."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {' and '.join(missing)}: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in (
        *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run"),
        *("disable-background-networking", "disable-component-update", "disable-sync"),
        *("disable-dev-shm-usage", f"user-data-dir={tmp_path_factory.mktemp('chromium')}"),
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture
def browser(new_browser):
    """The browser, on an empty page, with empty logs."""
    new_browser.get("about:blank")
    new_browser.set_window_size(1280, 900)
    for kind in ("browser", "performance"):
        new_browser.get_log(kind)
    return new_browser
