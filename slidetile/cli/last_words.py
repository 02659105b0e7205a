"""What a command says about continuing if it is interrupted, and whether it is a server."""

import click

from slidetile.cli.json_log import event_line, logs_json

_LAST_WORDS = "slidetile.last_words"
_IS_SERVER = "slidetile.is_server"


def set_last_words(how: str, *, restart: bool) -> None:
    """Set what the command says about continuing if it is interrupted."""
    again = f"run the same command again{', without --restart' if restart else ''}"
    click.get_current_context().meta[_LAST_WORDS] = f"interrupted: {how}: {again}"


def serve_until_ended() -> None:
    """Let Ctrl-C end the command well from now on: it runs until somebody ends it."""
    click.get_current_context().meta[_IS_SERVER] = True


def is_server(context: click.Context) -> bool:
    """Return whether the command is one that runs until somebody ends it."""
    return bool(context.meta.get(_IS_SERVER))


def last_words(context: click.Context) -> str:
    """Return what an interrupted command says, as it says all else: for people, or as JSON."""
    text: str = context.meta.get(_LAST_WORDS, "interrupted")
    if not logs_json(context):
        return text
    return event_line("interrupted", {"level": "error", "message": text})
