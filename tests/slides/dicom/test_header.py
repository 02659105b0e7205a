"""Headers parsed in threads: what pydicom warns of is not told, and nobody else is silenced."""

import threading
import warnings

import dicom_files
import pydicom
import pytest

from slidetile.slides.dicom._header import parsed
from slidetile.slides.dicom._instance import Instance


class Others(Warning):
    """What another thread warns of."""


def elsewhere(call):
    """Return what a call in another thread raises, or None."""
    raised = []

    def run():
        try:
            call()
        except Warning as warning:
            raised.append(warning)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return raised[0] if raised else None


def test_other_threads_keep_their_filters_and_are_heard(recwarn):
    def parse():
        warnings.warn("of pydicom", stacklevel=1)
        elsewhere(lambda: warnings.filterwarnings("error", category=Others))
        return elsewhere(lambda: warnings.warn("theirs", Others, stacklevel=1))

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert isinstance(parsed(parse), Others)
        with pytest.raises(Others):  # their filter is still there
            warnings.warn("theirs", Others, stacklevel=1)
        with pytest.warns(UserWarning, match="ours"):
            warnings.warn("ours", stacklevel=1)
    assert not [each for each in recwarn if "pydicom" in str(each.message)]


def test_a_filter_that_another_thread_sets_meanwhile_makes_no_damage():
    tries = []

    def parse():
        tries.append(1)
        if len(tries) == 1:
            elsewhere(lambda: warnings.simplefilter("error"))
        warnings.warn("of pydicom", stacklevel=1)
        return "parsed"

    with warnings.catch_warnings():
        assert parsed(parse) == "parsed"
    assert len(tries) == 2


def test_what_pydicom_warns_of_is_not_told(picture, tmp_path):
    """A header that says it does not state its types, and does."""
    path, _ = dicom_files.write_picture(tmp_path / "a.dcm", picture, kind="raw")
    explicit, implicit = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0"
    path.write_bytes(path.read_bytes().replace(explicit, implicit, 1))
    with pytest.warns(UserWarning, match="Expected implicit VR, but found explicit"):
        series = pydicom.dcmread(path, stop_before_pixels=True).SeriesInstanceUID
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Instance.glance(path).series == series
