"""``python -m slidetile`` is the command line."""

from slidetile.cli.commands import main

if __name__ == "__main__":
    main()
