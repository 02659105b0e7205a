"""The command line."""

from slidetile.cli.commands import main

__all__ = ["main"]
