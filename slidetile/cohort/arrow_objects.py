"""Objects of a bucket as Arrow reads files: by slidetile's own requests, with its credentials.

Arrow has clients of its own for some kinds of buckets. They would need every option in their own
words, and would not notice an object that was replaced. Loads Arrow when it is imported.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyarrow import fs

from slidetile.cloud.address import Address
from slidetile.cloud.objects import ObjectState, object_state, read_range

Objects = Mapping[str, tuple[Address, ObjectState | None]]
"""Objects by the names that Arrow has for them; None takes any that is there."""


def object_file_system(objects: Objects) -> fs.FileSystem:
    """Return a file system that has some objects, and whose files are read whole when opened."""
    return fs.PyFileSystem(_Objects(objects))


class _Objects(fs.FileSystemHandler):  # type: ignore[misc]  # Arrow has no types
    """What Arrow asks of a file system; it is read only."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Objects) and self._objects == other._objects

    def __hash__(self) -> int:
        return id(self)

    def get_type_name(self) -> str:
        return "slidetile"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: Sequence[str]) -> list[fs.FileInfo]:
        return [self._info(path) for path in paths]

    def get_file_info_selector(self, selector: fs.FileSelector) -> list[fs.FileInfo]:
        return [self._info(path) for path in self._objects if path.startswith(selector.base_dir)]

    def open_input_file(self, path: str) -> pa.NativeFile:
        if path not in self._objects:
            raise FileNotFoundError(path)
        address, state = self._objects[path]
        state = state or object_state(address)
        return pa.BufferReader(read_range(address, 0, state.size, state)[0])

    open_input_stream = open_input_file

    def _info(self, path: str) -> fs.FileInfo:
        if path not in self._objects:
            return fs.FileInfo(path, fs.FileType.NotFound)
        address, state = self._objects[path]
        return fs.FileInfo(path, fs.FileType.File, size=(state or object_state(address)).size)

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise OSError("objects that are scanned are read only")

    create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = _refuse
    delete_file = move = copy_file = open_output_stream = open_append_stream = _refuse
