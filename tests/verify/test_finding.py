"""A finding, as people read it."""

import slidetile as st


def test_names_cannot_move_a_terminals_cursor():
    finding = st.Finding("a\x1b[2J\nb", "it is\tmissing × 2", tile=4)
    assert str(finding) == "a\\x1b[2J b: tile 4: it is missing × 2"
