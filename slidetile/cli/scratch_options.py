"""The options of the scratch folder, into which slides are fetched that are not read by ranges."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from slidetile.cli.options import Size
from slidetile.cli.places import PATH
from slidetile.cloud.options import SCRATCH, SCRATCH_BYTES, set_storage_options, storage_options

Command = TypeVar("Command", bound=Callable[..., Any])


def scratch_options(command: Command) -> Command:
    """Add the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _use(name: str) -> Callable[[click.Context, click.Parameter, Path | int | None], None]:
    def callback(ctx: click.Context, param: click.Parameter, value: Path | int | None) -> None:
        del param
        if value is not None and not ctx.resilient_parsing:
            text = str(value.absolute()) if isinstance(value, Path) else str(value)
            set_storage_options({**storage_options(), name: text})

    return callback


_OPTIONS = (
    click.option(
        "--scratch",
        type=PATH,
        is_eager=True,  # as --storage-option
        expose_value=False,
        callback=_use(SCRATCH),
        help="Folder for slides in object storage that only a library of their maker's format "
        "reads, which are fetched whole.  [default: the system's temporary folder]",
    ),
    click.option(
        "--scratch-bytes",
        type=Size(),
        is_eager=True,
        expose_value=False,
        callback=_use(SCRATCH_BYTES),
        help="Most bytes in it, such as 200GB; the longest unused make room.  "
        "[default: 64GiB, or 80 % of what is free]",
    ),
)
