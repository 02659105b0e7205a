"""A settings file: TOML whose keys are the long names of options, read and checked as a whole.

Knows keys, types and ranges. Does not know which command reads it, nor what is typed.
"""

import functools
import os
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from slidetile.cli.options import (
    Objective,
    Size,
    make_recipe,
    recipe_options,
    take_writing_options,
    writing_options,
)
from slidetile.cli.places import AnyPlace, LocalPath
from slidetile.cli.plain import printable
from slidetile.cli.toml import toml_text
from slidetile.cloud.address import Address, Location, address_of
from slidetile.counts import nearest
from slidetile.errors import explain
from slidetile.runtime.files import IrregularFileError, open_regular, read_opened

MOST_BYTES = 1 << 14
"""The longest settings file that is read; the time that dotted keys take grows with its square."""

MOST_KEYS = 200
"""So many keys are looked at, and each that is wrong is told; there are fewer settings."""

_NOT_SETTINGS = frozenset(
    {"as_json", "as_toml", "config", "dry_run", "part", "storage_option"}
    | {"scratch", "scratch_bytes"}  # of this machine
)
"""Options of how a command is called, by the names of their parameters."""

_ONLY_NAMED = {
    "overwrite": "it replaces finished stores",
    "restart": "it deletes unfinished stores",
}
"""What a file that is found, not named, may not ask for, and why."""

_RUNS_CODE = {
    "cluster": "it begins the programs that a file names",
    "scheduler": "it hands data, and takes code, from another machine",
}
"""What such a file may not set at all, and why."""

_NEEDED: dict[str, dict[str, Any]] = {
    "jpeg_quality": {"codec": "jpeg"},
    "effort": {"codec": "jxl"},
    "seed": {"sample": 1},
    "window": {"dtype": "uint8"},
    **{f"annotations_{name}": {"annotations": "."} for name in ("mode", "unit", "origin")},
    "annotations_classes": {"annotations": "."},
    **{name: {"labels": "."} for name in ("label_values", "labels_unit", "labels_origin")},
    "min_class_fraction": {"labels": "."},
    "balance": {"labels": ".", "sample": 1},
}
"""What an option needs beside it, so that its value can be checked by itself."""

_KINDS: list[tuple[type, Sequence[type], str]] = [
    (click.types.IntParamType, (int,), "a whole number"),
    (click.types.FloatParamType, (int, float), "a number"),
    (Size, (int, str), 'a size such as "2GB", or a whole number of bytes'),
    (Objective, (int, float, str), 'a power such as "20x"'),
]
"""The types of Python that stand for the values of an option's type, and what they are called."""


def setting_key(option: click.Parameter) -> str:
    """Return the key of an option: its long name."""
    return next(name for name in option.opts if name.startswith("--")).removeprefix("--")


def setting_options(commands: Iterable[click.Command]) -> dict[str, click.Option]:
    """Return the options of commands that a settings file may set, by their keys; the first's."""
    found: dict[str, click.Option] = {}
    for option in (param for command in commands for param in command.params):
        if isinstance(option, click.Option) and option.name not in _NOT_SETTINGS:
            found.setdefault(setting_key(option), option)
    return found


def read_settings(
    path: Location, ctx: click.Context, options: Mapping[str, click.Option], *, is_named: bool
) -> dict[str, Any]:
    """Return what a settings file sets, by the names of parameters, once all of it is checked.

    Values are as their options take them; paths lead from here.

    Parameters
    ----------
    path
        The file, which may be an object.
    ctx
        The context of the command that reads it; a detector's module stays findable until its end.
    options
        The options that the file may set, by their keys.
    is_named
        Whether somebody named the file, and so vouches for it. A file that is only found runs no
        code and deletes nothing, and is no link.

    Raises
    ------
    click.UsageError
        It cannot be read, or something in it is wrong; all of that is told at once.
    """
    values: dict[str, Any] = {}
    wrong = []
    for key, value in _document(path, follows_links=is_named).items():
        try:
            option = _option(key, options, values)
            if not is_named:
                _check_harmless(option, value, path)
            values[str(option.name)] = _checked(option, value, ctx, path.parent)
        except click.UsageError as error:
            why = error.message + ("" if error.message.endswith((".", "?")) else ".")
            wrong.append(printable(f"{path}: {key} = {_shown(value)}: {why}"))
    if wrong:
        head = "" if len(wrong) == 1 else f"{len(wrong)} settings cannot be used:\n  "
        raise click.UsageError(head + "\n  ".join(wrong))
    return values


def _document(path: Location, *, follows_links: bool) -> dict[str, Any]:
    """Return the keys and values of a settings file."""
    import tomllib

    try:
        data = _content(path, follows_links=follows_links)
    except IrregularFileError:
        raise click.UsageError(
            f"{path} is not a regular file: settings are read from one."
        ) from None
    except (OSError, ValueError) as error:
        if not follows_links and isinstance(path, Path) and path.is_symlink():
            raise click.UsageError(
                f"{path} is a link, which is followed only where it is named: --config {path}"
            ) from error
        raise click.UsageError(f"The settings cannot be read: {explain(error)}.") from error
    if len(data) > MOST_BYTES:
        raise click.UsageError(f"{path} is longer than {MOST_BYTES:,} bytes: no settings file is.")
    try:
        document = tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{path} is not UTF-8 text: save it as UTF-8.") from error
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else explain(error)
        raise click.UsageError(
            f"{path} is not TOML: {why}. A line is KEY = VALUE, and texts stand in quotes."
        ) from error
    if len(document) > MOST_KEYS:
        raise click.UsageError(
            f"{path} has {len(document):,} keys, more than {MOST_KEYS}: it is no settings file."
        )
    return document


def _content(path: Location, *, follows_links: bool) -> bytes:
    """Return the content of a settings file, or as much of it as shows that it is none."""
    if isinstance(path, Address):
        from slidetile.cloud.objects import read_object

        return read_object(path, MOST_BYTES + 1)
    return read_opened(open_regular(path, follows_links=follows_links), MOST_BYTES + 1)


def _option(
    key: str, options: Mapping[str, click.Option], before: Container[str | None]
) -> click.Option:
    """Return the option that a key stands for, which none before it does."""
    spelled = key.replace("_", "-")
    if (option := options.get(spelled)) is not None:
        if option.name in before:
            raise click.UsageError(f"{spelled} is given twice, with - and with _; keep one")
        return option
    if near := nearest(spelled, options):
        raise click.UsageError(f"no setting is called so: did you mean {near}?")
    raise click.UsageError(
        "no setting is called so: settings are the long options of tile and batch, which "
        "slidetile config lists"
    )


def _check_harmless(option: click.Option, value: object, path: Location) -> None:
    """Refuse what only a file that somebody has named may ask for."""
    remedy = f"type --{setting_key(option)}"
    if isinstance(path, Path):
        remedy = f"take the file with --config {path}, or {remedy}"
    if option.name in _ONLY_NAMED and value is True:
        why = _ONLY_NAMED[str(option.name)]
        raise click.UsageError(f"{why}, which a file that is not named may not do: {remedy}")
    if option.name in _RUNS_CODE:
        raise click.UsageError(
            f"{_RUNS_CODE[str(option.name)]}, which a file that is not named may not do: {remedy} "
            f"{value}"
        )
    if option.name == "detector" and isinstance(value, str) and ":" in value:
        raise click.UsageError(
            "it runs the code of a module, which a file that is not named may not do: give otsu, "
            f"dark or density, {remedy} {value}"
        )


def _checked(option: click.Option, value: Any, ctx: click.Context, folder: Location) -> Any:
    """Return a value as its option takes it, once its type and range are right."""
    kinds, expected = _kinds(option)
    items = value if isinstance(value, list) else [value]
    if isinstance(value, list) is not option.multiple or not all(type(x) in kinds for x in items):
        raise click.UsageError(f"give {expected}")
    if not all(_is_plain(item) for item in items):
        raise click.UsageError(f"give {expected} that is within 64 bits, and no inf or nan")
    option.type_cast_value(ctx, value)
    if isinstance(option.type, LocalPath):
        value = _led(folder, value, may_be_remote=isinstance(option.type, AnyPlace))
    _check_alone(option, value)
    return value


def _led(folder: Location, text: str, *, may_be_remote: bool) -> Location:
    """Return where a path in a file leads: relative ones begin in the file's folder.

    Raises
    ------
    click.UsageError
        It would begin in a bucket, and what it names is read from this machine.
    """
    address = address_of(text)
    if address is not None and may_be_remote:
        return address
    if isinstance(folder, Path) or os.path.isabs(text):  # noqa: PTH117
        return Path(folder, text) if isinstance(folder, Path) else Path(text)
    if not may_be_remote:
        raise click.UsageError(
            "it is read from this machine, where a path beside a file in a bucket leads nowhere: "
            "give a whole path"
        )
    try:
        return Address.parse(f"{folder}/{text}")
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _kinds(option: click.Option) -> tuple[Sequence[type], str]:
    """Return the types of Python that stand for an option's values, and what they are called."""
    if option.is_flag:
        return (bool,), "true or false"
    if option.multiple:
        return (str,), 'a list of texts, such as ["one", "two"]'
    if isinstance(option.type, click.Choice):
        return (str,), f"one of {', '.join(map(toml_text, option.type.choices))}"
    for kind, kinds, expected in _KINDS:
        if isinstance(option.type, kind):
            return kinds, expected
    return (str,), 'a text in quotes, such as "…"'


def _is_plain(item: object) -> bool:
    """Return whether a number is one that all programs which read TOML can hold."""
    import math

    if isinstance(item, int):
        return -(1 << 63) <= item < 1 << 63
    return not isinstance(item, float) or math.isfinite(item)


def _check_alone(option: click.Option, value: Any) -> None:
    """Check a value by itself: what contradicts it may be typed otherwise."""
    name = str(option.name)
    command = _choices_command()
    if name == "detector" or name not in {param.name for param in command.params}:
        return  # its type has said all
    given = {**_NEEDED.get(name, {}), name: value}
    with command.make_context("settings", [], default_map=given) as ctx:
        options = dict(ctx.params)
    check_options(options)


def check_options(options: dict[str, Any]) -> None:
    """Check the values of all options that make a recipe and say how it is written.

    Raises
    ------
    click.UsageError
        One is out of its range, or two contradict each other.
    """
    names = {param.name for param in _choices_command().params}
    chosen = {name: value for name, value in options.items() if name in names}
    take_writing_options(chosen)
    make_recipe(**chosen)


@functools.cache
def _choices_command() -> click.Command:
    """Return a command that has the options of a recipe and of writing, and no others."""
    return writing_options(recipe_options(click.Command("settings")))


def _shown(value: object) -> str:
    text = toml_text(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
