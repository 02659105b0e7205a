"""What some tests need that not all machines have."""

import pytest

from slidetile.viewer.doors.built_page import PageMissingError, built_page


def needs_page():
    """Skip where the viewer's page is not built, which takes npm."""
    try:
        built_page()
    except PageMissingError as error:
        pytest.skip(str(error))
