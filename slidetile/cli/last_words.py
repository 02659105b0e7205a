"""What a command says about continuing if it is interrupted."""

import click

LAST_WORDS = "slidetile.last_words"


def set_last_words(how: str, *, restart: bool) -> None:
    """Set what the command says about continuing if it is interrupted."""
    again = f"run the same command again{', without --restart' if restart else ''}"
    click.get_current_context().meta[LAST_WORDS] = f"interrupted: {how}: {again}"
