"""Where things lie, as they are typed: paths of this machine, and addresses in buckets."""

from pathlib import Path
from typing import Any

import click

from slidetile.cloud.address import Address, address_of, locate
from slidetile.cloud.options import StorageOptions, set_storage_options, storage_options


class LocalPath(click.Path):
    """A path on this machine, whatever is in its name; an address is refused at once."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the path."""
        address = self.address(value, param, ctx)
        if address is not None:
            self.fail(f"{address} is an address: here, only a local file can be used.", param, ctx)
        if not value:
            self.fail('the path is empty: give a name, or "." for the current folder.', param, ctx)
        return super().convert(_without_scheme(value), param, ctx)

    def address(self, value: Any, param: Any, ctx: Any) -> Address | None:
        """Return the address that a value is, if it is one."""
        if isinstance(value, Address):
            return value
        try:
            return address_of(value) if isinstance(value, str) else None
        except ValueError as error:
            self.fail(str(error), param, ctx)


class AnyPlace(LocalPath):
    """A path on this machine, or an address in a bucket."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the path or the address."""
        return self.address(value, param, ctx) or super().convert(value, param, ctx)


def _without_scheme(value: Any) -> Any:
    """Return the path of a ``file://`` address as text; anything else as it is."""
    return str(locate(value)) if isinstance(value, str) and value.startswith("file:/") else value


PATH = LocalPath(path_type=Path, readable=False)  # unreadable files get their row in a batch
PLACE = AnyPlace(path_type=Path, readable=False)


def _use_storage_options(
    ctx: click.Context, param: click.Parameter, given: tuple[str, ...]
) -> None:
    if given and not ctx.resilient_parsing:
        try:
            set_storage_options({**storage_options(), **StorageOptions.parse(given)})
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, param) from None


storage_option = click.option(
    "--storage-option",
    multiple=True,
    metavar="KEY=VALUE",
    is_eager=True,  # addresses that are converted afterwards have them
    expose_value=False,
    callback=_use_storage_options,
    help="A credential, an endpoint or another option of object storage, as obstore names it; "
    "repeat it for several. What is not given comes from the environment.",
)
