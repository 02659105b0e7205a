"""Text made harmless for terminals."""

import logging
import unicodedata

from hypothesis import given
from hypothesis import strategies as some

from slidetile.cli.plain import PrintableFormatter, printable, printable_lines

TURNS = {"\u061c", "\u200e", "\u200f", *map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A)))}
"""What turns the direction of the text that follows."""


@given(some.text())
def test_nothing_that_commands_a_terminal_is_left(text):
    told = printable(text)
    assert not [sign for sign in told if unicodedata.category(sign) in ("Cc", "Zl", "Zp")]
    assert not set(
        "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    ) & set(told)
    assert len(told.splitlines()) <= 1


def test_letters_of_all_scripts_stay():
    for text in ("Größe 50 % #1", "病理", "Выявы", "क्‍ष", "שלום", "µm × 2", "😀", "caf\udce9"):
        assert printable(text) == text


def test_what_is_escaped_can_be_read():
    assert printable("a\x1b[31m\n\u202e\x9b") == "a\\x1b[31m\\n\\u202e\\x9b"
    assert printable_lines("a\x07\nb") == "a\\x07\nb"


def test_a_traceback_keeps_its_lines():
    try:
        compile("\x1b[0m", "\x1b.py", "exec")
    except SyntaxError as error:
        exc_info = (type(error), error, error.__traceback__)
    record = logging.LogRecord("x", logging.DEBUG, "x", 1, "%s", ("a\nb",), exc_info)
    first, *others = PrintableFormatter().format(record).split("\n")
    assert first == "DEBUG: a\\nb"
    assert others[0].startswith("Traceback")
    assert others[-1].startswith("SyntaxError: ")
    assert any('File "\\x1b.py"' in line for line in others)
