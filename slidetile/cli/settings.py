"""Options from a settings file: which file, and what of it a command takes.

Knows what is typed, and that it wins over the file, and the file over the defaults. Does not know
how a file is read.
"""

import contextlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from slidetile.choices import MANIFEST_SUFFIXES
from slidetile.cli.json_log import log_as_json
from slidetile.cli.places import PATH
from slidetile.cli.show import mention
from slidetile.cloud.address import Location, absolute, address_of
from slidetile.cloud.options import StorageOptions, storage_options, using_storage_options

_SETTINGS = "slidetile.settings"

FILE_NAME = "slidetile.toml"
"""What a settings file is called where it is found, not named."""

_COMMANDS = ("tile", "batch")
"""The commands whose options a file may set."""

_OF_COHORTS = ("batch", "config")
"""The commands that take a file's ``output``, a folder of stores; elsewhere it is one store."""

_INSTEAD_OF = {
    "mpp": ("objective",),
    "objective": ("mpp",),
    "max_tiles": ("sample", "seed"),
    "sample": ("max_tiles",),
    "overwrite": ("restart",),
    "restart": ("overwrite",),
    "detector": ("keep_pen",),
    "keep_pen": ("detector",),
}
"""What of a file an option contradicts, and so replaces, where it is typed."""

_OF_CODECS = {"jpeg_quality": ("jpeg",), "effort": ("jxl",), "check": ("auto", "native")}
"""The codecs that options are of: another that is typed replaces them, too."""

_GLOB = frozenset("*?[")

_MOST_NAMED = 12
"""So many settings are named in a line; the others are counted."""

Command = TypeVar("Command", bound=Callable[..., Any])


def config_option(command: Command) -> Command:
    """Add the option that names a settings file, to a `SettingsCommand`."""
    return click.option(
        "--config",
        type=PATH,
        metavar="FILE",
        expose_value=False,
        help="Take options from this TOML file; those that are typed win.  [default: none; of "
        f"batch with a manifest, {FILE_NAME} beside it]",
    )(command)


class SettingsCommand(click.Command):
    """A command that takes options from a settings file, where one is named or found."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the settings, which are the defaults of what is not typed, and parse."""
        if not ctx.resilient_parsing:
            typed, help_option = _typed(ctx, args), self.get_help_option(ctx)
            if help_option is None or help_option.name not in typed:
                _take_settings(ctx, typed)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Carry the command out; say where its settings are from, if they contradict each other."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            if not ctx.default_map:
                raise
            where = f"{_listed(_keys(ctx, ctx.default_map))} from {settings_path(ctx)}"
            raise click.UsageError(f"{error.format_message()} (With {where}.)") from error


def settings_path(ctx: click.Context) -> Location | None:
    """Return the settings file that a command uses."""
    path: Location | None = ctx.meta.get(_SETTINGS)
    return path


def _typed(ctx: click.Context, args: Iterable[str]) -> dict[str, Any]:
    """Return what is typed, as it is typed, by the names of parameters."""
    values, _, given = ctx.command.make_parser(ctx).parse_args(list(args))
    return {str(param.name): values.get(str(param.name)) for param in given}


def _take_settings(ctx: click.Context, typed: Mapping[str, Any]) -> None:
    """Make a settings file's values the defaults of a command, and say so."""
    from slidetile.cli.settings_file import read_settings

    path: Location | None = _named(ctx, typed)
    is_named = True
    found = [other for other in _beside_manifests(ctx, typed) if _place(other) != _place(path)]
    if path is None and len(found) > 1:
        raise click.UsageError(
            f"Several manifests have settings beside them, {_listed(found)}: name the file that "
            "counts with --config."
        )
    if path is None and found:
        path, is_named = found.pop(), False
    if path is None:
        return
    values = read_settings(path, ctx, _shared_options(ctx), is_named=is_named)
    unused = values.keys() - _taken(ctx)
    replaced = (values.keys() & _replaced(typed)) - unused
    ctx.meta[_SETTINGS] = path
    ctx.default_map = {
        name: value for name, value in values.items() if name not in unused | replaced
    }
    if ctx.default_map.get("log_json"):
        log_as_json(ctx)
    told: dict[str, Collection[object]] = {
        "replaced by what is typed": _keys(ctx, replaced),
        f"without effect on {ctx.command.name}": _keys(ctx, unused),
        "not read": found,
    }
    more = "".join(f"; {how}: {_listed(names)}" for how, names in told.items() if names)
    mention(f"settings of {path}: {_listed(_keys(ctx, ctx.default_map)) or 'none'}{more}")


def _named(ctx: click.Context, typed: Mapping[str, Any]) -> Path | None:
    """Return the file that is named."""
    if "config" not in typed:
        return None
    option = next(param for param in ctx.command.params if param.name == "config")
    path: Path = option.type_cast_value(ctx, typed["config"])
    return path


def _beside_manifests(ctx: click.Context, typed: Mapping[str, Any]) -> list[Location]:
    """Return the settings files beside the manifests that are given."""
    found: dict[str | None, Location] = {}
    with using_storage_options(_typed_options(typed)):
        for argument in ctx.command.params:
            several = typed.get(str(argument.name)) if argument.nargs == -1 else None
            for manifest in _matched(several if isinstance(several, tuple | list) else ()):
                path = manifest.parent / FILE_NAME
                is_manifest = manifest.suffix.lower() in MANIFEST_SUFFIXES
                if is_manifest and _is_beside(path, manifest):
                    found.setdefault(_place(path), path)
    return list(found.values())


def _typed_options(typed: Mapping[str, Any]) -> Mapping[str, str] | None:
    """Return the options of object storage that are typed, which no command has yet; or None."""
    try:
        own = StorageOptions.parse(tuple(typed.get("storage_option") or ()))
    except ValueError:  # which the command itself tells
        return None
    return {**storage_options(), **own} if own else None


def _is_beside(path: Location, manifest: Location) -> bool:
    """Return whether a settings file lies beside a manifest."""
    if isinstance(path, Path):
        return os.path.lexists(path) and not Path(str(manifest)).is_dir()
    from slidetile.cloud.objects import object_exists

    try:
        return object_exists(path)
    except PermissionError:  # so some servers say of what is not there
        mention(f"{path} may not be read, so there are no settings of it")
    except (OSError, ImportError, ValueError):
        pass  # of the manifest, too, which the command itself tells
    return False


def _matched(inputs: Iterable[str]) -> Iterator[Location]:
    """Yield inputs, and those that globs among them match; of no match the command itself tells."""
    for given in inputs:
        if _is_address(given):
            with contextlib.suppress(ValueError):
                address = address_of(given)
                if address is not None and _GLOB.isdisjoint(given) and not address.is_web:
                    yield address
            continue
        if _GLOB.isdisjoint(given):
            yield Path(given)
            continue
        from slidetile.cohort.inputs.collecting import expanded  # takes its time
        from slidetile.errors import CohortError

        with contextlib.suppress(CohortError):
            yield from (path for path in expanded([given]) if isinstance(path, Path))


def _is_address(given: str) -> bool:
    try:
        return address_of(given) is not None
    except ValueError:
        return True  # the command itself tells


def _place(path: Location | None) -> str | None:
    """Return where a path leads, however it is spelled; links stay."""
    return None if path is None else absolute(path)


def _shared_options(ctx: click.Context) -> dict[str, click.Option]:
    """Return the options that a file may set, by their keys; those of the command itself first."""
    from slidetile.cli.settings_file import setting_options

    group = ctx.find_root().command
    assert isinstance(group, click.Group)
    own = setting_options([ctx.command])
    shared = setting_options(group.commands[name] for name in _COMMANDS)
    return {key: own.get(key, option) for key, option in shared.items()}


def _taken(ctx: click.Context) -> set[str]:
    """Return the names of the settings that a command takes."""
    names = {str(param.name) for param in ctx.command.params}
    return names if ctx.command.name in _OF_COHORTS else names - {"output"}


def _replaced(typed: Mapping[str, Any]) -> set[str]:
    """Return the names of the settings that what is typed takes the place of."""
    names = set(typed)
    for name in typed.keys() & _INSTEAD_OF.keys():
        if typed[name] is not False:
            names.update(_INSTEAD_OF[name])
    if "codec" in typed:
        names.update(name for name, codecs in _OF_CODECS.items() if typed["codec"] not in codecs)
    return names


def _keys(ctx: click.Context, names: Collection[str]) -> list[str]:
    """Return the keys of settings, in the order of the options."""
    return [key for key, option in _shared_options(ctx).items() if option.name in names]


def _listed(things: Collection[object]) -> str:
    """Return some of many things, and how many more there are."""
    names = list(map(str, things))
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
