"""The command that gives the Zarr codec of a store's chunks its other name."""

from typing import TYPE_CHECKING, TypedDict, get_args

import click

from slidetile.choices import JpegName
from slidetile.cli.options import json_option
from slidetile.cli.places import PLACE
from slidetile.cli.show import show_facts

if TYPE_CHECKING:
    from slidetile.cloud.address import Location


class RenameFacts(TypedDict):
    """What `rename-codec` reports."""

    store_path: str
    zarr_codec: str


@click.command("rename-codec")
@click.argument("store", type=PLACE)
@click.option(
    "--to",
    type=click.Choice(get_args(JpegName)),
    default="jpeg",
    show_default=True,
    help="The name; jpeg is experimental, that of a draft.",
)
@json_option
def rename_codec_command(*, store: "Location", to: JpegName, as_json: bool) -> None:
    """Let a store call the Zarr codec of its JPEG chunks by its other name; no chunk changes."""
    from slidetile.cli.sentences import opens_in
    from slidetile.format.codecs.named import zarr_codec
    from slidetile.writing.renaming import rename_codec

    renamed = rename_codec(store, to)
    name = zarr_codec(renamed.metadata.chunk_codec)
    facts: RenameFacts = {"store_path": str(renamed.path), "zarr_codec": name}
    lines = {"store": facts["store_path"], "zarr codec": name, "opens in": opens_in(name)}
    show_facts(facts, lines, as_json=as_json)
