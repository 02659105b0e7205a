"""The command that shows slides and stores in a browser.

Knows its options. Does not know pages or pixels.
"""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from slidetile.cli.limits import tune_process
from slidetile.cli.options import make_recipe, recipe_options, usage_errors
from slidetile.cli.places import PLACE, storage_option
from slidetile.cli.scratch_options import scratch_options
from slidetile.cli.show import say


@click.command()
@click.argument("paths", nargs=-1, required=True, type=PLACE, metavar="PATH...")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port of the page's address.  [default: any that is free]",
)
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
@recipe_options
@storage_option
@scratch_options
def view(*, paths: tuple[Path, ...], port: int, no_browser: bool, **options: Any) -> None:
    """Look at slides and stores in a browser, until Ctrl-C.

    Of a slide, the page shows the tissue and the tiles that tile would write, and makes the plan
    anew whenever a setting is moved. Of a store it shows the tiles, coloured and chosen by any
    column of the table. The page is for this machine alone: its address has a token, and no other
    machine reaches it.
    """
    tune_process()
    from slidetile.choices import UnfitChoiceError
    from slidetile.cli.several import things_meant
    from slidetile.viewer.opened import OpenedView
    from slidetile.viewer.pictures import PictureCache
    from slidetile.viewer.server import ViewerServer

    recipe, cache = make_recipe(**options), PictureCache()
    views = [OpenedView(path, recipe, cache) for path in things_meant(paths).paths]
    if len(views) == 1:  # of several, each page says what is wrong with its own
        with usage_errors(UnfitChoiceError):
            views[0].opened()
    server = ViewerServer(views, port=port)
    server.start()
    say(f"{server.address}")
    say("Ctrl-C ends it.", err=True)
    if not no_browser:
        import webbrowser

        webbrowser.open(server.address)
    with _left_out_untold():
        try:
            server.wait()
        except KeyboardInterrupt:
            pass
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
