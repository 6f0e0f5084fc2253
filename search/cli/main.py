"""The entry point: finds the command, and turns every way to end into an exit code.

0 done    1 the run failed    2 the user's input was wrong    3 interrupted, state kept
"""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Sequence

import click

from trainables.errors import InputError, StoppedError, TrainablesError, near_matches

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 3

_COMMANDS = {
    "search": ("search.cli.searching:search", "Launch, or continue, a sweep."),
    "resume": ("search.cli.searching:resume", "Continue a sweep by name."),
    "run": ("search.cli.running:run", "Run one trial, no Ray, no Optuna."),
    "status": ("search.cli.status:status", "How sweeps stand."),
    "best": ("search.cli.best:best", "The best configurations of a sweep."),
    "compare": ("search.cli.compare:compare", "Groups of trials beside a baseline: effects, verdicts."),
    "confirm": ("search.cli.confirm:confirm", "The best again with fresh seeds, then the locked test."),
    "report": ("search.cli.report:report", "What a sweep found, as one HTML page."),
    "show": ("search.cli.show:show", "One trial: configuration, lineage, scores, cost."),
    "sql": ("search.cli.sql:sql", "A SELECT over a sweep's trials, scores, stages, events."),
    "export": ("search.cli.export:export", "A model folder that transformers loads."),
    "stages": ("search.cli.stages:stages", "What the store holds: list, verify, gc."),
    "predictions": ("search.cli.predictions:predictions", "What a trial predicted, in XTREME's layout."),
    "tasks": ("search.cli.tasks:tasks", "The catalogue of tasks."),
    "spaces": ("search.cli.shipped:spaces", "The sweep specs that ship."),
    "cluster": ("search.cli.cluster:cluster", "A Ray cluster from a file, and sweeps on it."),
    "doctor": ("search.cli.doctor:doctor", "What this machine can do."),
}
"""Command -> its `module:attribute` and its line in the list, in the order of the list.

The lines stand here so that `--help` imports no command: some need pydantic or more."""


class LazyGroup(click.Group):
    """Loads the module of a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Return the names of the commands, in the order of the help text."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  as above
        """Return a command, or None when there is none of this name."""
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name][0].split(":")
        return getattr(importlib.import_module(module), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  as above
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the words name.

        Raises:
            click.UsageError: There is none; names near matches.
        """
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            near = near_matches(args[0], _COMMANDS)
            msg = f"there is no command {args[0]!r}{near}; `xstilts --help` lists every command"
            raise click.UsageError(msg, ctx)
        return super().resolve_command(ctx, args)


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(package_name="xstilts", message="%(prog)s %(version)s")
def cli() -> None:
    """Search over intermediate tasks for zero-shot cross-lingual transfer.

    A trial trains a multilingual encoder on an English intermediate task (text,
    images with text, or a mixture), fine-tunes it on English NLI, and scores it
    in 15 languages that it saw no labels for.

    \b
    Start here:
      xstilts search demo        a small search, minutes on two cores
      xstilts best demo          its best configurations

    Everything is kept in XSTILTS_HOME (default ./xstilts-home).
    """  # noqa: D301  (click reads the control character)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code.

    Args:
        arguments: Words after `xstilts`; None takes them from the process.
    """
    from search.cli.streams import OutputError, standard_streams

    code = DONE
    try:
        with standard_streams():
            code = exit_code(arguments)
    except OutputError as error:
        if not error.is_reader_gone:
            code = _say(error, FAILED)
    sys.exit(code)


def exit_code(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code of a command after running it; a user's mistake is one message on stderr.

    Args:
        arguments: Words after `xstilts`; None takes them from the process.
    """
    # A cluster's scheduler ends a job by SIGTERM: what Ctrl-C does, it does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = cli.main(arguments, prog_name="xstilts", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return WRONG_INPUT
    except InputError as error:
        return _say(error, WRONG_INPUT)
    except TrainablesError as error:
        return _say(error, INTERRUPTED if isinstance(error, StoppedError) else FAILED)
    except (KeyboardInterrupt, click.Abort):
        click.echo("xstilts: interrupted; what was finished is kept", err=True)
        return INTERRUPTED
    return code if isinstance(code, int) else DONE


def _say(error: Exception, code: int) -> int:
    text = _in_one_line(str(error)) if isinstance(error, InputError) else str(error)
    click.echo(f"xstilts: {text}", err=True)
    return code


def _in_one_line(text: str) -> str:
    """Return a message that repeats what a user wrote, with what would break its line or colour it spelt out."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
