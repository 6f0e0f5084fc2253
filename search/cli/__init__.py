"""The command line. `main` is the entry point. Each command is a module, which is imported only when it runs."""

from search.cli.main import main

__all__ = ["main"]
