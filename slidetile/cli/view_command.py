"""The command that shows slides and stores in a browser.

Knows its options. Does not know pages or pixels.
"""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import click

from slidetile.cli import view_files
from slidetile.cli.last_words import serve_until_ended
from slidetile.cli.limits import tune_process
from slidetile.cli.options import json_option, make_recipe, recipe_options, usage_errors
from slidetile.cli.places import PLACE, storage_option
from slidetile.cli.scratch_options import scratch_options
from slidetile.cli.show import say, show_document
from slidetile.cloud.address import Location

if TYPE_CHECKING:
    from slidetile.cli.several import Meant
    from slidetile.viewer.cards.folder import FolderCards
    from slidetile.viewer.doors.server.server import ViewerServer
    from slidetile.viewer.views.view import View


class ViewFacts(TypedDict):
    """What `view` reports once the page can be looked at."""

    address: str


@click.command()
@click.argument("paths", nargs=-1, required=True, type=PLACE, metavar="PATH...")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port of the page's address.  [default: any that is free]",
)
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
@click.option(
    "--save",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the page into this one file, to be mailed and opened anywhere, and show nothing.",
)
@click.option(
    "--save-mb",
    type=click.FloatRange(1, 1000),
    default=8,
    show_default=True,
    help="Most megabytes of that file; the picture has the best resolution that fits.",
)
@click.option(
    "--static",
    is_flag=True,
    help="Write index.html beside the stores of a folder, for any server of files that knows HTTP "
    "ranges, and show nothing.",
)
@recipe_options
@storage_option
@scratch_options
@json_option
def view(
    *,
    paths: tuple[Location, ...],
    port: int,
    no_browser: bool,
    save: Path | None,
    save_mb: float,
    static: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Look at slides and stores in a browser, until Ctrl-C, which ends it with exit code 0.

    Of a slide, the page shows the tissue and the tiles that tile would write, and makes the plan
    anew whenever a setting is moved. Of a store it shows the tiles, coloured and chosen by any
    column of the table. Of a folder of stores it shows cards, warnings first. The page is for this
    machine alone: its address has a token, and no other machine reaches it.

    --save and --static write pages that need no slidetile, and no server of its own.
    """
    tune_process()
    if save is not None and static:
        raise click.UsageError("--save writes one page and --static many: give one of the two.")
    if static:
        view_files.write_pages(paths, make_recipe(**options).annotations, as_json=as_json)
        return
    from slidetile.choices import UnfitChoiceError
    from slidetile.cli.several import things_meant
    from slidetile.viewer.doors.server.server import ViewerServer
    from slidetile.viewer.pictures.picture import PictureCache
    from slidetile.viewer.views.opened import OpenedView

    recipe, cache = make_recipe(**options), PictureCache()
    meant = things_meant(paths)
    views = [OpenedView(path, recipe, cache) for path in meant.paths]
    if len(views) == 1:  # of several, each page says what is wrong with its own
        with usage_errors(UnfitChoiceError):
            views[0].opened()
    if save is not None:
        with contextlib.closing(views[0]):
            view_files.save(views, save, save_mb, as_json=as_json)
        return
    server = ViewerServer(views, port=port, folder=_folder(paths, meant, views))
    _serve(server, opens=not no_browser, as_json=as_json)


def _folder(
    given: Sequence[Location], meant: "Meant", views: "Sequence[View]"
) -> "FolderCards | None":
    """Return the cards of the folder of stores that was given; None where none was."""
    from slidetile.viewer.cards.folder import FolderCards

    is_folder = len(given) == 1 and not meant.is_one
    if not is_folder or not any(each.kind == "store" for each in views):
        return None
    return FolderCards(given[0], meant.paths, views)


def _serve(server: "ViewerServer", *, opens: bool, as_json: bool) -> None:
    server.start()
    facts: ViewFacts = {"address": server.address}
    if as_json:
        show_document(facts)
    else:
        say(facts["address"])
    say("Ctrl-C ends it.", err=True)
    if opens:
        import webbrowser

        webbrowser.open(server.address)
    with _left_out_untold():
        try:
            serve_until_ended()
            server.wait()
        finally:
            server.stop()


@contextlib.contextmanager
def _left_out_untold() -> Iterator[None]:
    """Leave it to the page to say what filters drop: it says it whenever a setting is moved."""
    logger = logging.getLogger("slidetile.tissue.left_out")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
