"""The command that writes a store as what other programs read.

Knows an option for each choice of the kinds. Does not know which kind takes it: the specs say so.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, get_args

import click

from slidetile.choices import CodecName, JpegName, NativeCheck, UnfitChoiceError
from slidetile.cli.export_options import WINDOW_OPTIONS
from slidetile.cli.exporting import Done, export_several, exported_one
from slidetile.cli.last_words import set_last_words
from slidetile.cli.limits import check_address_space, tune_process
from slidetile.cli.options import Size, json_option, referred_option, usage_errors
from slidetile.cli.places import PATH, PLACE, storage_option
from slidetile.cli.show import UNREADABLE, mention, show_facts, warn
from slidetile.counts import listed
from slidetile.export.kinds import KINDS

if TYPE_CHECKING:
    from slidetile.cloud.address import Location
    from slidetile.export.exported import Exported

_OPTIONS: Mapping[str, Callable[[Any], Any]] = {
    "codec": click.option(
        "--codec",
        metavar="NAME",
        help="How pixels are stored. ome-tiff: auto (copy the tiles where that can be, else "
        "deflate), native (copy), jpeg, deflate, zstd. dicom: auto (copy, else jpeg2000 without "
        f"loss), native, jpeg, jpeg2000. zarr: {', '.join(get_args(CodecName)[:-1])}.  "
        "[default: auto]",
    ),
    "jpeg_quality": click.option(
        "--jpeg-quality", type=click.IntRange(1, 100), help="Quality of the codec jpeg."
    ),
    "effort": click.option(
        "--effort", type=click.IntRange(1, 9), help="Effort of the codec jxl, 1–9."
    ),
    "check": click.option(
        "--check",
        type=click.Choice(get_args(NativeCheck)),
        help="How tiles that are copied from a reference store's slide are checked.  "
        "[default: scan]",
    ),
    "codec_name": click.option(
        "--codec-name",
        type=click.Choice(get_args(JpegName)),
        help="What the store calls the Zarr codec of JPEG chunks.",
    ),
    "dicom_attributes": click.option(
        "--dicom-attributes",
        type=PATH,
        help="A JSON file of DICOM keywords and values about patient and study, such as "
        '{"PatientID": "1234"}.  [default: none, an anonymous series]',
    ),
    "anonymous": click.option(
        "--anonymous",
        is_flag=True,
        help="Leave the slide's and the store's name and free text out of what is written.",
    ),
    "memory_bytes": click.option(
        "--memory",
        "memory_bytes",
        type=Size(),
        help="Use at most this much memory, such as 2GB.  [default: what is available]",
    ),
    "durable": click.option(
        "--durable", is_flag=True, help="Sync all files to disk before the output gets its name."
    ),
    **WINDOW_OPTIONS,
}
"""The options of the kinds, by the fields of their specs; all but those below."""

_EXISTING = [
    click.option("--overwrite", is_flag=True, help="Replace a finished output."),
    click.option("--restart", is_flag=True, help="Delete an unfinished output and begin anew."),
]
"""The two that are the field ``existing``."""


def _takers(field: str) -> list[str]:
    """Return the kinds that take a choice."""
    return [name for name, kind in KINDS.items() if field in _fields(kind.load_spec())]


def _fields(spec: type[Any]) -> set[str]:
    return {field.name for field in fields(spec)}


def _field(option: str) -> str:
    return "existing" if option in ("overwrite", "restart") else option


class _ExportCommand(click.Command):
    """Lists its options by the kinds that take them."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        own = {*_OPTIONS, "overwrite", "restart"}
        for param in self.get_params(ctx):
            record = None if isinstance(param, click.Argument) else param.get_help_record(ctx)
            if record is None:
                continue
            kinds = ", ".join(_takers(_field(param.name or ""))) if param.name in own else ""
            groups.setdefault(f"Options of --to {kinds}" if kinds else "Options", []).append(record)
        for name, records in groups.items():
            with formatter.section(name):
                formatter.write_dl(records)


def _kind_options(command: Any) -> Any:
    for option in reversed([*_OPTIONS.values(), *_EXISTING]):
        command = option(command)
    return command


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are given, by the parameters' names."""
    ctx, default = click.get_current_context(), click.core.ParameterSource.DEFAULT
    return {k: v for k, v in options.items() if ctx.get_parameter_source(k) is not default}


def _make_spec(kind: str, given: Mapping[str, Any]) -> Any:
    """Return the spec of a kind with the options that are given.

    Raises
    ------
    click.UsageError
        The kind does not take one, or it is out of its range.
    """
    spec, flags = KINDS[kind].load_spec(), _flags()
    for option in given:
        if _field(option) not in _fields(spec):
            raise click.UsageError(
                f"{flags[option]}: --to {kind} does not take it; "
                f"{listed(_takers(_field(option)))} {_do(_takers(_field(option)))}."
            )
    choices = {name: value for name, value in given.items() if _field(name) == name}
    existing = [name for name in ("overwrite", "restart") if given.get(name)]
    if len(existing) > 1:
        raise click.UsageError(
            "--overwrite replaces a finished output, --restart deletes an unfinished one: give the "
            "one you mean."
        )
    if existing:
        choices["existing"] = existing[0]
    with usage_errors():
        return spec(**choices)


def _do(kinds: list[str]) -> str:
    return "does" if len(kinds) == 1 else "do"


def _flags() -> dict[str, str]:
    params = click.get_current_context().command.params
    return {str(param.name): param.opts[-1] for param in params}


@click.command(cls=_ExportCommand)
@click.argument("stores", nargs=-1, required=True, type=PLACE, metavar="STORE...")
@click.option(
    "--to",
    "kind",
    type=click.Choice(list(KINDS)),
    default=next(iter(KINDS)),
    show_default=True,
    help=f"What to write: {'; '.join(f'{name}, {kind.says}' for name, kind in KINDS.items())}.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=PLACE,
    help="The file or the folder; of several stores, the folder of their outputs.",
)
@referred_option
@click.option("--workers", type=click.IntRange(min=1), help="Threads; one per core.")
@storage_option
@json_option
@_kind_options
def export(
    *,
    stores: "tuple[Location, ...]",
    output: "Location",
    kind: str,
    slide: "Location | None",
    workers: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Write stores, or a folder's, as what other programs read.

    Of several stores, each gets an output named after it in the folder --output; those that are
    there already are left, so that the same command continues where it stopped.

    With --to ome-tiff or dicom the tissue is a slide again, the scanner's JPEG tiles copied once
    more. With --to zarr, a store gets another codec; one of the codec reference becomes the one
    that tile would have written with the same settings.
    """
    spec = _make_spec(kind, _given(options))
    check_address_space()
    tune_process()
    from slidetile.cli.several import stores_meant

    if hasattr(spec, "existing"):
        set_last_words(f"{output} continues where it stopped", restart=options["restart"])
    meant = stores_meant(stores)
    if not meant.is_one:
        export_several(meant, output, spec, slide=slide, workers=workers, as_json=as_json)
    with usage_errors(UnfitChoiceError):
        done = exported_one(
            meant.paths[0], output, spec, slide=slide, workers=workers, quiet=as_json
        )
    if kind == "zarr":
        _show_store(done, as_json=as_json)
    else:
        _show(done, as_json=as_json)
    for note in done.exported.notes:
        mention(f"note: {note}")
    _tell_unreadable(done.exported)


def _show(done: Done, *, as_json: bool) -> None:
    from slidetile.cli.sentences import export_lines

    show_facts(done.facts, export_lines(done.facts), as_json=as_json)


def _show_store(done: Done, *, as_json: bool) -> None:
    """Show a store as `tile` does, which would have written it."""
    from slidetile.cli.facts import tile_facts
    from slidetile.cli.sentences import tile_lines
    from slidetile.store.store import open_store

    facts = tile_facts(open_store(done.exported.path), done.seconds, done.memory, ())
    show_facts(facts, tile_lines(facts), as_json=as_json)


def _tell_unreadable(exported: "Exported") -> None:
    """Warn of what the slide could not give, and exit, if there is some."""
    from slidetile.cli.quantities import counted
    from slidetile.export.exported import UNREADABLE_TILES, UNREADABLE_WINDOWS

    found = {
        what: exported.left_out.get(what, 0) for what in (UNREADABLE_TILES, UNREADABLE_WINDOWS)
    }
    for what, count in found.items():
        if count:
            warn(
                f"{what}: {counted(count)}, which are not in {exported.path}; see the column "
                "status of the tile table"
            )
    if any(found.values()):
        sys.exit(UNREADABLE)
