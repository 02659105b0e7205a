"""The options of exports that are made of windows.

Knows an option for each choice of theirs. Does not know which kind takes it.
"""

from collections.abc import Callable, Mapping
from typing import Any, get_args

import click

from slidetile.choices import MIN_TISSUE_FRACTION, ColorName, Edge
from slidetile.cli.options import Size
from slidetile.export.window_choice import ImageName, OnUnreadable

WINDOW_OPTIONS: Mapping[str, Callable[[Any], Any]] = {
    "size": click.option(
        "--size", type=int, help="Width and height of a window, in pixels.  [default: 256]"
    ),
    "stride": click.option(
        "--stride",
        type=int,
        help="Pixels from one window to the next.  [default: the size, so none overlap]",
    ),
    "mpp": click.option(
        "--mpp", type=float, help="µm per pixel of a window.  [default: level 0 of the store]"
    ),
    "min_tissue_fraction": click.option(
        "--min-tissue-fraction",
        type=float,
        help="Leave out windows with a smaller tissue fraction; 0 keeps all.  "
        f"[default: {MIN_TISSUE_FRACTION}]",
    ),
    "edge": click.option(
        "--edge",
        type=click.Choice(get_args(Edge)),
        help="Keep windows that reach over the slide's edge, drop them, or shift them inside.  "
        "[default: drop]",
    ),
    "unreadable": click.option(
        "--unreadable",
        type=click.Choice(get_args(OnUnreadable)),
        help="What to do with windows on tiles that could not be read: leave them out and count "
        "them, or write nothing.  [default: drop]",
    ),
    "image": click.option(
        "--image",
        type=click.Choice(get_args(ImageName)),
        help="How windows are encoded; with jpeg, those that are one JPEG chunk of the store are "
        "copied.  [default: jpeg]",
    ),
    "color": click.option(
        "--color",
        type=click.Choice(get_args(ColorName)),
        help="Convert colours by the slide's ICC profile.  [default: as they are stored]",
    ),
    "shard_bytes": click.option(
        "--shard-size",
        "shard_bytes",
        type=Size(),
        help="Bytes of a shard at most.  [default: 256MiB]",
    ),
    "magnification": click.option(
        "--magnification",
        type=float,
        help="What level 0 of the slide is taken for, such as 40.  [default: by its mpp]",
    ),
    "image_path": click.option(
        "--image-path",
        metavar="PATH",
        help="Where the other program finds the slide.  [default: the slide's file name]",
    ),
    "backend": click.option(
        "--backend",
        metavar="NAME",
        help="What the other program reads the slide with.  [default: openslide]",
    ),
}
"""By the fields of the specs."""
