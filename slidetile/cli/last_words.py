"""What a command says about continuing if it is interrupted."""

import click

from slidetile.cli.json_log import event_line, logs_json

LAST_WORDS = "slidetile.last_words"


def set_last_words(how: str, *, restart: bool) -> None:
    """Set what the command says about continuing if it is interrupted."""
    again = f"run the same command again{', without --restart' if restart else ''}"
    click.get_current_context().meta[LAST_WORDS] = f"interrupted: {how}: {again}"


def last_words(context: click.Context) -> str:
    """Return what an interrupted command says, as it says all else: for people, or as JSON."""
    text: str = context.meta.get(LAST_WORDS, "interrupted")
    if not logs_json(context):
        return text
    return event_line("interrupted", {"level": "error", "message": text})
