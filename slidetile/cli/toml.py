"""Values as TOML, as a settings file holds them.

Knows how TOML is spelled; Python reads it, and does not write it. Does not know settings.
"""

import json
import re
from collections.abc import Mapping, Sequence

from slidetile.cli.plain import printable


def toml_text(value: object) -> str:
    r"""Return a value as TOML on one line, with no character that commands a terminal.

    Tables are not written out.

    Examples
    --------
    >>> toml_text(["DAPI", 2, True])
    '["DAPI", 2, true]'
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "".join(map(_escaped, json.dumps(value, ensure_ascii=False)))
    if isinstance(value, Sequence):
        return f"[{', '.join(map(toml_text, value))}]"
    if isinstance(value, Mapping):
        return "{…}"  # none is ever written, and dotted keys nest without an end
    return str(value)  # numbers, dates and times


def ascii_toml(text: str) -> str:
    """Return TOML whose texts and comments have letters of ASCII alone, whatever it is printed in.

    Raises
    ------
    UnicodeEncodeError
        The text has bytes of a file's name that are no text, which TOML cannot hold.
    """
    text.encode()
    return re.sub(r"[^\x00-\x7f]", lambda found: _code(found[0]), text)


def _escaped(character: str) -> str:
    return character if printable(character) == character else _code(character)


def _code(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number < 1 << 16 else f"\\U{number:08x}"
