"""The command that serves stores as plain OME-Zarr.

Knows its options. Does not know what is answered.
"""

from typing import TYPE_CHECKING, TypedDict

import click

from slidetile.cli.last_words import serve_until_ended
from slidetile.cli.options import json_option, usage_errors
from slidetile.cli.places import PLACE, storage_option
from slidetile.cli.show import show_facts, warn

if TYPE_CHECKING:
    from slidetile.cloud.address import Location
    from slidetile.serving.plain import PlainCodec
    from slidetile.serving.server import PlainServer
    from slidetile.serving.shelf import StoreShelf

HERE = "127.0.0.1"


class ServeFacts(TypedDict):
    """What `serve` reports when it has begun."""

    address: str
    store_addresses: list[str]


@click.command()
@click.argument("place", type=PLACE, metavar="STORE_OR_FOLDER")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Listen to this port; 0 is any that is free.",
)
@click.option("--host", default=HERE, show_default=True, help="Listen to this address.")
@click.option(
    "--cors",
    multiple=True,
    metavar="ORIGIN",
    help="Let pages of this origin read, such as https://viewer.example; * is every page; "
    "repeatable.  [default: none]",
)
@click.option(
    "--token/--no-token",
    default=True,
    show_default=True,
    help="Answer only addresses with a random token in them, as they are printed.",
)
@click.option(
    "--codec",
    type=click.Choice(("zstd", "raw")),
    default="zstd",
    show_default=True,
    help="How chunks are encoded.",
)
@storage_option
@json_option
def serve(
    *,
    place: "Location",
    port: int,
    host: str,
    cors: tuple[str, ...],
    token: bool,
    codec: "PlainCodec",
    as_json: bool,
) -> None:
    """Serve stores as plain OME-Zarr that every program reads, whatever their codec and levels.

    Until Ctrl-C, which ends it with exit code 0.
    """
    import secrets

    from slidetile.serving.access import LOOPBACK, Access
    from slidetile.serving.server import PlainServer
    from slidetile.serving.shelf import StoreShelf

    is_here = host in LOOPBACK
    with usage_errors():
        access = Access(
            token=secrets.token_urlsafe(16) if token else None,
            origins=frozenset(cors),
            is_loopback=is_here,
        )
    shelf = StoreShelf(place, codec=codec)
    with PlainServer(shelf, access, host=host, port=port) as server:
        _tell(server, shelf.names, as_json=as_json)
        _tell_names(shelf)
        if not is_here and not token:
            warn(f"everyone who reaches {host} can read these stores; --token asks for a token")
        serve_until_ended()
        server.wait()


def _tell_names(shelf: "StoreShelf") -> None:
    """Say which stores are called otherwise in addresses, and which are not served for that."""
    from slidetile.serving.shelf import shown_name

    for name, own in shelf.escaped.items():
        warn(f"{own} is served as {name}, since addresses cannot show its name")
    for own in shelf.passed_over:
        warn(f"{own} is not served, since another store is called {shown_name(own)}: rename it")


def _tell(server: "PlainServer", names: list[str], *, as_json: bool) -> None:
    facts: ServeFacts = {
        "address": server.address,
        "store_addresses": [server.address_of(name) for name in names],
    }
    lines = {"address": facts["address"]}
    lines |= dict(zip(names, facts["store_addresses"], strict=True))
    show_facts(facts, {**lines, "to stop": "press Ctrl-C"}, as_json=as_json)
