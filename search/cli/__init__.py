"""The command line. `main` is its entry point; each command is a module that loads only when it is called."""

from search.cli.main import main

__all__ = ["main"]
