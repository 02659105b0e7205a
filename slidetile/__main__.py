"""``python -m slidetile`` is the command line."""

from slidetile.cli import main

if __name__ == "__main__":
    main()
