"""A manifest: a CSV or Parquet file that lists the slides of a cohort, one a row.

Knows columns and encodings. Does not know what the slides are.
"""

import csv
import difflib
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from slidetile.choices import MANIFEST_SUFFIXES
from slidetile.cloud.address import Address, Location, absolute, address_of
from slidetile.cloud.objects import read_object
from slidetile.cohort.inputs.entry import Entry
from slidetile.cohort.inputs.keys import LONGEST_KEY_BYTES
from slidetile.cohort.table.rows import COLUMNS
from slidetile.errors import CohortError, explain
from slidetile.runtime.files import open_regular, read_regular
from slidetile.slides.mpp import check_mpp

if TYPE_CHECKING:
    from slidetile.annotations.labels_spec import LabelsSpec
    from slidetile.annotations.spec import AnnotationsSpec

PATH, ID, MPP, ANNOTATIONS, LABELS = "path", "id", "mpp", "annotations", "labels"
_OURS = (PATH, ID, MPP, ANNOTATIONS, LABELS)

MOST_BYTES = 256 << 20
"""Largest manifest that is read: a million rows of 256 characters."""

_MOST_TOLD = 10
"""Rows that are named where many are wrong."""

_MOST_EXACT = 2.0**53
"""Below it every whole number is a floating-point number of its own."""

_DELIMITERS = ",;\t"
"""Spreadsheet programs write a semicolon where the comma is the decimal point."""


class _Line(NamedTuple):
    """A row of a manifest, and which it is, for people."""

    number: int
    cells: Mapping[str, str]


def is_manifest(path: Location) -> bool:
    """Return whether an input is a manifest; in a bucket, its name says so."""
    is_named = path.suffix.lower() in MANIFEST_SUFFIXES
    return is_named and not (isinstance(path, Path) and path.is_dir())


def read_manifest(path: Location) -> list[Entry]:
    """Return the slides that a manifest lists, in its order.

    Paths in it are relative to its folder, which may lie in a bucket. Files that do not exist are
    listed all the same: each fails by itself.

    Parameters
    ----------
    path
        A CSV file in UTF-8 (or UTF-16 with its mark), whose cells are separated by commas,
        semicolons or tabs, or a Parquet file. The column ``path`` is needed; ``id``, ``mpp``,
        ``annotations`` and ``labels`` may be there; all others are carried through as text.

    Raises
    ------
    CohortError
        It cannot be read; its columns are not those; or a row lacks its path, has an id or a path
        of another row, or an mpp that is none. All such rows are counted, and ten of them named.
    """
    columns, lines = _lines(path)
    names = _named(path, columns)
    lacking = _LACKING.format(names=", ".join(columns))
    if PATH not in names.values():
        raise CohortError(f"{path} {lacking}{_suggestion(columns)}")
    entries = []
    faults = _Faults()
    for line in lines:
        cells = {names[name]: text for name, text in line.cells.items()}
        entry = _entry(path.parent, line.number, cells, faults)
        if entry is not None:
            entries.append(entry)
    if faults.count:
        raise CohortError(f"{path}: {faults}.")
    if not entries:
        raise CohortError(f"{path} lists no slides: it has no row below its columns' names.")
    return entries


_LACKING = "has no column path, which names the slides; its columns are: {names}"


def _suggestion(columns: Iterable[str]) -> str:
    near = difflib.get_close_matches(PATH, [name.lower() for name in columns], cutoff=0.5)
    likely = [n for n in columns if n.lower() in (*near, "slide", "wsi", "file", "filename")]
    return f". Call the column {likely[0]} path" if likely else ""


class _Faults:
    """What is wrong with a manifest's rows."""

    def __init__(self) -> None:
        self.count = 0
        self._told: list[str] = []
        self._seen: dict[tuple[str, str], int] = {}

    def add(self, number: int, what: str) -> None:
        self.count += 1
        if len(self._told) < _MOST_TOLD:
            self._told.append(f"line {number} {what}")

    def twice(self, number: int, column: str, value: str, told: str) -> bool:
        """Note a value; return whether another row has it."""
        first = self._seen.setdefault((column, value), number)
        if first != number:
            self.add(number, f"has the {column} of line {first} again ({told:.80})")
        return first != number

    def __str__(self) -> str:
        more = self.count - len(self._told)
        return "; ".join(self._told) + (f"; and {more:,} more lines" if more else "")


def _entry(
    folder: Location, number: int, whole: Mapping[str, str], faults: _Faults
) -> Entry | None:
    """Return the slide of a row; None where the row is wrong, which is noted, or empty."""
    cells = {name: text.strip() for name, text in whole.items()}
    if not any(cells.values()):
        return None
    before = faults.count
    text, identity = cells.get(PATH, ""), cells.get(ID, "")
    slide = _slide(folder, number, whole.get(PATH, ""), faults)
    if not text:
        faults.add(number, "has no path")
    elif "\0" in text:
        faults.add(number, "has a path with a zero byte")
    elif not identity:
        faults.twice(number, PATH, absolute(slide), text)
    if identity:
        _check_id(number, identity, faults)
    mpp = _mpp(number, cells.get(MPP, ""), faults)
    drawn = _annotations(folder, number, whole.get(ANNOTATIONS, ""), faults)
    labels = _labels(folder, number, whole.get(LABELS, ""), faults)
    if faults.count > before:
        return None
    others = {n: text for n, text in cells.items() if n not in _OURS}
    return Entry(
        slide=slide,
        id=identity or None,
        mpp=mpp,
        annotations=drawn,
        labels=labels,
        columns=others,
    )


def _slide(folder: Location, number: int, text: str, faults: _Faults) -> Location:
    """Return the slide that a cell names: an address, or a file."""
    try:
        address = address_of(text.strip())
    except ValueError as error:
        faults.add(number, f"has an address that is none: {str(error).rstrip('.')}")
        address = None
    if address is not None:
        return address
    if isinstance(folder, Path):
        return _file(folder, text)
    return _object(folder, number, text.strip(), faults)


def _object(folder: Address, number: int, text: str, faults: _Faults) -> Location:
    """Return what a cell of a manifest in a bucket names: an object, or a file of this machine."""
    if os.path.isabs(text):  # noqa: PTH117
        return Path(text)
    steps = folder.key.split("/") if folder.key else []
    for step in text.split("/"):
        if step == ".." and not steps:
            faults.add(number, f"has a path that leads out of the bucket ({text:.80})")
        elif step == "..":
            steps.pop()
        elif step not in ("", "."):
            steps.append(step)
    return replace(folder, key="/".join(steps))


def _file(folder: Path, text: str) -> Path:
    """Return the file that a cell names: blanks around it count only where they are in its name."""
    bare = text.strip()
    is_so = bare != text and "\0" not in text and os.path.lexists(folder / text)
    return folder / (text if is_so else bare)


def _annotations(
    folder: Location, number: int, text: str, faults: _Faults
) -> "AnnotationsSpec | None":
    from slidetile.annotations.spec import AnnotationsSpec

    path = _drawn(folder, number, text, ANNOTATIONS, faults)
    return None if path is None else AnnotationsSpec(path=path)


def _labels(folder: Location, number: int, text: str, faults: _Faults) -> "LabelsSpec | None":
    from slidetile.annotations.labels_spec import LabelsSpec

    path = _drawn(folder, number, text, LABELS, faults)
    return None if path is None else LabelsSpec(path=path)


def _drawn(folder: Location, number: int, text: str, what: str, faults: _Faults) -> Path | None:
    """Return the file that a cell of annotations or labels names; None where it names none."""
    if not text.strip():
        return None
    if isinstance(folder, Address):
        if not os.path.isabs(text.strip()):  # noqa: PTH117
            told = f"{what} in a bucket, which are read from a disk only: give a whole path"
            faults.add(number, f"has {told} ({text.strip():.80})")
        folder = Path("/")
    return _file(folder, text)


def _check_id(number: int, identity: str, faults: _Faults) -> None:
    """Check that an id may be the name of a store, and that no other row has it."""
    is_bare = identity.strip(".") and not identity.startswith(".") and identity.isprintable()
    if (
        not is_bare
        or any(c in "/\\:" for c in identity)
        or len(identity.encode()) > LONGEST_KEY_BYTES
    ):
        faults.add(
            number,
            f"has the id {identity!r:.80}, which names a file: it may hold no / \\ : or control "
            f"character, not begin with a dot, and have up to {LONGEST_KEY_BYTES} bytes",
        )
        return
    faults.twice(number, ID, identity.casefold(), identity)


def _mpp(number: int, text: str, faults: _Faults) -> float | None:
    if not text:
        return None
    try:
        return check_mpp(float(text))[0]
    except ValueError as error:
        faults.add(number, f"has the mpp {text:.40}: {error}")
        return None


def _named(path: Location, columns: Iterable[str]) -> dict[str, str]:
    """Return what each column of a manifest is called here: ours by any case, others as they are.

    A column that has the name of one of the table's own is called ``manifest_NAME``.
    """
    names: dict[str, str] = {}
    for column in columns:
        bare = column.strip()
        own = bare.lower()
        name = own if own in (PATH, ID, MPP, ANNOTATIONS) else bare
        if name in COLUMNS and name != MPP:
            name = f"manifest_{name}"
        if name in names.values():
            raise CohortError(f"{path} has two columns {name}: call one of them otherwise.")
        names[column] = name
    return names


def _lines(path: Location) -> tuple[list[str], Iterator[_Line]]:
    """Return the names of a manifest's columns, and its rows."""
    try:
        if path.suffix.lower() == ".parquet":
            return _parquet_lines(path)
        data = _read(path)
    except OSError as error:
        raise CohortError(f"the manifest {path} cannot be read: {explain(error)}.") from error
    _check_size(path, len(data))
    return _csv_lines(path, _text(path, data))


def _read(path: Location) -> bytes:
    if isinstance(path, Path):
        return read_regular(path, MOST_BYTES + 1)
    return read_object(path, MOST_BYTES + 1)


def _opened(path: Location) -> BinaryIO:
    if isinstance(path, Path):
        return os.fdopen(open_regular(path), "rb")  # a pipe would be waited for
    return io.BytesIO(_read(path))


def _check_size(path: Location, size: int) -> None:
    if size > MOST_BYTES:
        raise CohortError(
            f"the manifest {path} has more than {MOST_BYTES >> 20} MB, the most that is read: cut "
            "it into several, all of which may be given."
        )


def _held(metadata: Any, number: int) -> int:
    """Return the bytes that a row group of a Parquet file claims to have when it is read."""
    return int(metadata.row_group(number).total_byte_size)


def _text(path: Location, data: bytes) -> str:
    """Return the text of a CSV file."""
    is_wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return data.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise CohortError(
            f"the manifest {path} is not text in {'UTF-16' if is_wide else 'UTF-8'}: line {line} "
            f"has the byte 0x{data[error.start]:02x}. Save it as CSV in UTF-8."
        ) from error


def _csv_lines(path: Location, text: str) -> tuple[list[str], Iterator[_Line]]:
    delimiter = _delimiter(text.partition("\n")[0])
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns = next(_csv_rows(path, reader), [])
    if not any(name.strip() for name in columns):
        raise CohortError(f"the manifest {path} is empty: its first line names the columns.")
    if not all(name.strip() for name in columns):
        raise CohortError(f"the manifest {path} has a column without a name in its first line.")
    if len(set(columns)) < len(columns):
        twice = next(name for name in columns if columns.count(name) > 1)
        raise CohortError(f"{path} has two columns {twice}: call one of them otherwise.")

    def lines() -> Iterator[_Line]:
        for cells in _csv_rows(path, reader):
            if len(cells) > len(columns) and any(cells[len(columns) :]):
                raise CohortError(
                    f"{path}: line {reader.line_num} has {len(cells)} cells, but there are "
                    f"{len(columns)} columns: put a text that holds a {delimiter!r} in quotes."
                )
            yield _Line(reader.line_num, dict(zip(columns, cells, strict=False)))

    return columns, lines()


def _delimiter(head: str) -> str:
    """Return what separates the columns' names: that by which one of them is path, if any is."""
    for delimiter in _DELIMITERS:
        names = next(csv.reader([head], delimiter=delimiter), [])
        if PATH in (name.strip().lower() for name in names):
            return delimiter
    return max(_DELIMITERS, key=head.count)


def _csv_rows(path: Location, reader: Iterator[list[str]]) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        number = reader.line_num  # type: ignore[attr-defined]
        raise CohortError(f"{path}: line {number} is no line of a CSV file: {error}.") from error


def _parquet_lines(path: Location) -> tuple[list[str], Iterator[_Line]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _opened(path) as opened:
        _check_size(path, opened.seek(0, os.SEEK_END))
        try:
            file = pq.ParquetFile(opened, pre_buffer=False)
            _check_size(path, sum(_held(file.metadata, n) for n in range(file.num_row_groups)))
            table = file.read(use_threads=False)
        except (pa.ArrowException, ValueError) as error:
            raise CohortError(f"the manifest {path} cannot be read: {explain(error)}.") from error
    columns = table.column_names
    texts = [_texts(path, *each) for each in zip(columns, table.columns, strict=True)]
    table = pa.Table.from_arrays(texts, names=columns)

    def lines() -> Iterator[_Line]:
        number = 0
        for batch in table.to_batches(max_chunksize=10_000):
            for cells in batch.to_pylist():
                number += 1
                yield _Line(number, {n: "" if v is None else str(v) for n, v in cells.items()})

    return columns, lines()


def _texts(path: Location, name: str, column: Any) -> Any:
    """Return a column of a Parquet file as text.

    Whole numbers are so where blanks among them have made them floating-point numbers, as pandas
    does.

    Raises
    ------
    CohortError
        It holds neither text, numbers nor dates.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    try:
        if pa.types.is_floating(kind):
            column = pc.cast(column, pa.float64())
            column = pc.if_else(pc.is_nan(column), None, column)
            if pc.all(pc.less(pc.abs(column), _MOST_EXACT)).as_py() is not False and (
                pc.all(pc.equal(column, pc.floor(column))).as_py() is not False
            ):
                column = pc.cast(column, pa.int64())
        if "binary" not in str(kind):
            return pc.cast(column, pa.string())
    except pa.ArrowException:
        pass
    raise CohortError(
        f"the manifest {path} has a column {name} of {kind} values: write it as text, or leave it "
        "out."
    )
