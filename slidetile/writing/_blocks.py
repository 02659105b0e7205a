"""Which blocks of the slide were replaced in an unfinished store's shards, told to a later run.

Pixels of another resolution are averaged from a coarse level of the slide, of which blocks may be
averaged in turn. Nothing in a finished shard tells, and the store records it.
"""

import re

from slidetile.format.ledger import Blocks
from slidetile.writing.partial_store import Lines

_LINE = re.compile(r"(\S+)((?: \d{1,3}:\d{1,9},\d{1,9})*)", re.ASCII)


class ReplacedInShards:
    """A file of lines, one for each shard that is about to be written.

    Parameters
    ----------
    lines
        The file.
    """

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        found = map(_LINE.fullmatch, lines.whole_lines())
        self._known = {parts[1]: _blocks(parts[2]) for parts in found if parts is not None}

    def of(self, name: str) -> Blocks | None:
        """Return the blocks replaced in a shard, by level; None where that is not known."""
        return self._known.get(name)

    def add(self, name: str, blocks: Blocks) -> None:
        """Record the blocks of a shard, before it is written.

        Raises
        ------
        OSError
            They cannot be recorded.
        """
        corners = ((level, *corner) for level in sorted(blocks) for corner in sorted(blocks[level]))
        told = (f" {level}:{x},{y}" for level, x, y in corners)
        self._lines.add(name + "".join(told))


def _blocks(text: str) -> Blocks:
    blocks: dict[int, set[tuple[int, int]]] = {}
    for block in text.split():
        level, x, y = map(int, re.split("[:,]", block))
        blocks.setdefault(level, set()).add((x, y))
    return {level: frozenset(corners) for level, corners in blocks.items()}
