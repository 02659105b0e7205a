"""`config`: the settings that a command would use, and where each comes from.

Knows how settings are shown. Does not know what they do.
"""

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypedDict

import click

from slidetile.cli.options import DetectorName, json_option
from slidetile.cli.places import PLACE, storage_option
from slidetile.cli.plain import printable
from slidetile.cli.settings import SettingsCommand, config_option, settings_path
from slidetile.cli.show import say, show_document
from slidetile.cli.toml import ascii_toml, toml_text
from slidetile.cloud.address import Address, Location, absolute


class SettingFacts(TypedDict):
    """A setting, and where it comes from."""

    key: str
    value: bool | float | str | list[str] | None
    source: Literal["command line", "file", "default"]


class ConfigFacts(TypedDict):
    """What `config` reports."""

    settings_path: str | None
    settings: list[SettingFacts]


_SOURCES: dict[Any, Literal["command line", "file"]] = {
    click.core.ParameterSource.COMMANDLINE: "command line",
    click.core.ParameterSource.DEFAULT_MAP: "file",
}

_HELP = """Show the options that tile and batch would use, and where each comes from.

Nothing is tiled, and no detector is loaded. With --toml the output is a settings file itself.
"""


class _NamedDetector(click.ParamType[str]):
    """A detector's name, which is not looked for: to do so may run a module."""

    name = DetectorName.name

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """Return the name."""
        if ":" not in value:
            DetectorName().convert(value, param, ctx)
        return str(value)


def config_command(commands: Sequence[click.Command]) -> click.Command:
    """Return the command, with the options of others that a settings file may set."""
    from slidetile.cli.settings_file import setting_options

    params: list[click.Parameter] = [
        click.Argument(["inputs"], nargs=-1, type=PLACE),
        *map(_shown_only, setting_options(commands).values()),
    ]
    command: click.Command = SettingsCommand("config", params=params, callback=_config, help=_HELP)
    as_toml = click.option("--toml", "as_toml", is_flag=True, help="Print a settings file.")
    for option in (config_option, as_toml, storage_option, json_option):
        command = option(command)
    return command


def _shown_only(option: click.Option) -> click.Option:
    """Return an option whose value is shown, and asked for by nobody."""
    shown = copy.copy(option)
    shown.required = False
    if isinstance(option.type, DetectorName):
        shown.type = _NamedDetector()
    return shown


def _config(*, as_toml: bool, as_json: bool, **_: Any) -> None:
    from slidetile.cli.settings_file import setting_options

    if as_toml and as_json:
        raise click.UsageError("--toml and --json are two ways to print: give one of them.")
    ctx = click.get_current_context()
    _check(ctx.params)
    options = setting_options([ctx.command])
    settings = [_facts(ctx, key, str(option.name)) for key, option in options.items()]
    path = settings_path(ctx)
    if as_json:
        facts: ConfigFacts = {
            "settings_path": None if path is None else str(path),
            "settings": settings,
        }
        show_document(facts)
    elif as_toml:
        lines = [_toml_line(setting) for setting in settings]
        for line in [*([] if path is None else [_comment(f"the file is {path}")]), *lines]:
            say(line)
    else:
        _show_table(settings, path)


def _check(values: dict[str, Any]) -> None:
    """Check that the settings go together, as the commands do."""
    from slidetile.cli.settings_file import check_options
    from slidetile.tissue.plain import OtsuDetector

    stand_in = None if values["detector"] is None else OtsuDetector()
    check_options({**values, "detector": stand_in})


def _facts(ctx: click.Context, key: str, name: str) -> SettingFacts:
    value = ctx.params[name]
    if isinstance(value, float) and not math.isfinite(value):
        raise click.UsageError(f"--{key} {value} is a number that no settings file holds.")
    if isinstance(value, Path | Address):
        value = absolute(value)
    if isinstance(value, tuple):
        value = list(value) or None
    return {
        "key": key,
        "value": value,
        "source": _SOURCES.get(ctx.get_parameter_source(name), "default"),
    }


def _source(setting: SettingFacts, path: Location | None) -> str:
    return str(path) if setting["source"] == "file" else setting["source"]


def _show_table(settings: Sequence[SettingFacts], path: Location | None) -> None:
    rows = [("setting", "value", "from")]
    for setting in settings:
        value = toml_text(setting["value"]) if setting["value"] is not None else "not set"
        rows.append((setting["key"], value, _source(setting, path)))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for key, value, source in rows:
        say(f"{key:{widths[0]}}  {value:{widths[1]}}  {source}")


def _toml_line(setting: SettingFacts) -> str:
    key = setting["key"]
    if setting["value"] is None:
        return _comment(f"{key} is not set")
    try:
        value = ascii_toml(toml_text(setting["value"]))
    except UnicodeEncodeError as error:
        raise click.UsageError(
            f"--{key} is a path that is no text, which TOML cannot hold."
        ) from error
    return f"{key} = {value}  {_comment(setting['source'])}"


def _comment(text: str) -> str:
    return f"# {printable(text).encode('ascii', 'backslashreplace').decode()}"
