"""Mutants of stores: metadata, table, shards, and something else in a file's place."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fuzz import jpegs, odd
from tampering import TABLE, reseal

RESEALED = "resealed"
"""What `mutate` returns of a store whose manifest fits the change."""


def mutate(random: Random, seed: Path, target: Path) -> str:
    """Copy a store with one thing wrong; return what was done."""
    shutil.copytree(seed, target)
    change: Callable[[Random, Path], str] = random.choices(
        (_json, _table, _bytes, _shard, _place), (6, 4, 4, 3, 2)
    )[0]
    done = change(random, target)
    if change is not _place and random.random() < 0.3:
        reseal(target)
        done += f", {RESEALED}"
    return done


def _files(store: Path, suffix: str = "") -> list[Path]:
    return sorted(
        path for path in store.rglob("*") if path.is_file() and path.name.endswith(suffix)
    )


def _json(random: Random, store: Path) -> str:
    path = random.choice(_files(store, ".json"))
    node = json.loads(path.read_bytes())
    places = list(_places(node))
    holder, key = random.choice(places)
    match random.randrange(5):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[f"{key}2"] = holder[key]
        case 2:
            other, other_key = random.choice(places)
            holder[key] = other[other_key]
        case _:
            now = holder[key]
            is_number = isinstance(now, int) and random.random() < 0.5
            holder[key] = odd.number(random, now) if is_number else odd.value(random)
    try:
        text = json.dumps(node)
    except (ValueError, RecursionError):  # the value was put into itself
        text = "[" * 100_000
    path.write_text(text, "utf-8")
    return f"{path.relative_to(store)}: {key}"


def _places(node: Any) -> Any:
    """Yield every (holder, key) of a JSON document."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(items):
        yield node, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _table(random: Random, store: Path) -> str:
    path = store / TABLE
    table = pq.read_table(path)
    name = random.choice(table.column_names)
    at, column = table.column_names.index(name), table[name]
    values = column.to_pylist()
    match random.randrange(7):
        case 0:
            table = table.drop_columns([name])
        case 1:
            table = table.append_column(f"{name}2", column)
        case 2:
            table = table.slice(0, random.randrange(len(table)))
        case 3:
            table = pa.concat_tables([table] * random.choice((2, 1000)))
        case 4:
            kind = random.choice((pa.string(), pa.binary(), pa.bool_(), pa.float16(), pa.date32()))
            table = table.set_column(at, name, pa.nulls(len(table), kind))
        case 5:
            texts = pa.array(["x" * 1_000_000] * len(table)).dictionary_encode()
            table = table.set_column(at, name, texts)
        case _:
            values[random.randrange(len(values))] = _other(random, values[0])
            table = table.set_column(at, name, _array(values, column.type))
    pq.write_table(table, path)
    return f"{TABLE}: {name}"


def _other(random: Random, now: object) -> object:
    if isinstance(now, str):
        return odd.text(random, now)[:10_000]
    if isinstance(now, int):
        return odd.number(random, now)
    return random.choice((None, float("nan"), float("inf"), -1.0, 2.0))


def _array(values: list[object], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind)
    except (pa.ArrowInvalid, OverflowError, TypeError):
        return pa.array([None if v is None else str(v) for v in values])


def _bytes(random: Random, store: Path) -> str:
    path = random.choice(_files(store))
    path.write_bytes(odd.spoil(random, path.read_bytes()))
    return f"{path.relative_to(store)}: bytes"


def _shard(random: Random, store: Path) -> str:
    """Change a number of a shard's index, a chunk's stream, or which shard lies where."""
    shards = [p for p in _files(store) if "/c/" in str(p)]
    path = random.choice(shards)
    data = path.read_bytes()
    match random.randrange(4):
        case 0:
            at = max(0, len(data) - 4 - 8 * random.randrange(1, 17))
            changed = (odd.number(random) % 2**64).to_bytes(8, "little")
            path.write_bytes(data[:at] + changed + data[at + 8 :])
        case 1:
            start = data.find(b"\xff\xd8\xff")
            stop = data.find(b"\xff\xd9", start) + 2
            if 0 <= start < stop:
                data = data[:start] + jpegs.mutate(random, data[start:stop]) + data[stop:]
            path.write_bytes(data if start >= 0 else odd.spoil(random, data))
        case 2:
            shutil.copyfile(random.choice(shards), path.with_name("other"))
            path.with_name("other").replace(path)
        case _:
            with path.open("r+b") as file:
                file.truncate(random.choice((0, len(data) // 2, 1 << 30)))
    return f"{path.relative_to(store)}: shard"


def _place(random: Random, store: Path) -> str:
    """Put something else in a file's place."""
    path = random.choice(_files(store))
    path.unlink()
    match random.randrange(5):
        case 0:
            path.mkdir()
        case 1:
            os.mkfifo(path)
        case 2:
            path.symlink_to("/dev/zero")
        case 3:
            path.symlink_to(path.name)
        case _:
            pass
    return f"{path.relative_to(store)}: place"
