"""The entry point: finds the command, runs it, and returns its exit code.

0: done. 1: the run failed. 2: the user's input was wrong. 3: interrupted, and the state is kept.
"""

from __future__ import annotations

import errno
import gc
import importlib
import importlib.metadata
import io
import logging
import os
import platform
import re
import signal
import sys
import textwrap
from collections.abc import Sequence

import click
from click.shell_completion import CompletionItem

from search import verbosity
from trainables.errors import InputError, StoppedError, TrainablesError, near_matches

log = logging.getLogger(__name__)

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 3

_NO_SUCH_PATH = {errno.ENAMETOOLONG, errno.ELOOP}
"""What the system says of a path that can be no file's."""

_OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""Python's own number is 700, and a command makes hundreds of thousands of objects by its imports, which all stay. The
cyclic garbage collector, which looks for garbage among them, was a fifth of the time of `xstilts status`."""

_SHOWN = 200
_LONG = 500
_LONG_WORD = re.compile(rf"\S{{{_LONG},}}")
"""A message repeats what a user gave, as far as a reader can use it."""
_MAX_MESSAGE, _MAX_END = 6000, 2000
"""Characters of a message, and of its end: what failed is said first, and the next step last."""

_COMMANDS = {
    "search": ("search.cli.commands.search:search", "Launch a sweep, or continue it."),
    "resume": ("search.cli.commands.search:resume", "Continue a sweep by its name."),
    "init": ("search.cli.commands.spaces:init", "Write a commented sweep spec for the tasks and devices here."),
    "run": ("search.cli.commands.run:run", "Run one trial, without Ray and Optuna."),
    "status": ("search.cli.commands.status:status", "Show the progress of all sweeps, or of one."),
    "watch": ("search.cli.commands.status:watch", "Show the progress of a running sweep until it ends."),
    "track": ("search.cli.commands.status:track", "Deliver to a sweep's trackers what they lack."),
    "best": ("search.cli.commands.best:best", "List the best configurations of a sweep."),
    "compare": ("search.cli.commands.compare:compare", "Compare groups of trials with a baseline."),
    "confirm": ("search.cli.commands.confirm:confirm", "Train the best with fresh seeds, then score the test split."),
    "report": ("search.cli.commands.report:report", "Write the results of a sweep as one HTML page."),
    "show": ("search.cli.commands.show:show", "Show one trial: configuration, stages, scores, cost."),
    "sql": ("search.cli.commands.sql:sql", "Run one SELECT on a sweep's trials, scores, stages, events."),
    "export": ("search.cli.commands.export:export", "Write a trial's model, or all trials for other tools."),
    "stages": ("search.cli.commands.stages:stages", "List or verify the stages of the store, or free space."),
    "predictions": ("search.cli.commands.predictions:predictions", "Write a trial's predictions in XTREME's format."),
    "xtreme": ("search.cli.commands.xtreme:xtreme", "Print a trial's results as XTREME's table."),
    "tasks": ("search.cli.commands.tasks:tasks", "List, describe, check or rank tasks."),
    "encoders": ("search.cli.commands.encoders:encoders", "List encoders, or convert pickled weights."),
    "spaces": ("search.cli.commands.spaces:spaces", "List or describe the sweep specs that ship."),
    "cluster": ("search.cli.commands.cluster:cluster", "Start a Ray cluster from a file, and run sweeps on it."),
    "doctor": ("search.cli.commands.doctor:doctor", "Check what this machine can do."),
}
"""Command -> its `module:attribute` and its line in the list of commands, in the order of that list.

The lines are here so that `--help` imports no command: some commands import pydantic or more."""


class LazyGroup(click.Group):
    """A group of commands that imports the module of a command only when the command runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Return the names of the commands, in the order of the help text."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  as above
        """Return the command of this name, or None when there is none."""
        if cmd_name not in _COMMANDS:
            return None
        from search.cli.completion import completed

        module, attribute = _COMMANDS[cmd_name][0].split(":")
        return completed(getattr(importlib.import_module(module), attribute), of=cmd_name)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that begin so, without importing them, and the options of `xstilts`."""
        commands = [
            CompletionItem(name, help=line) for name, (_, line) in _COMMANDS.items() if name.startswith(incomplete)
        ]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  as above
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name.

        Raises:
            click.UsageError: There is no such command; the message names near matches.
        """
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            near = near_matches(args[0], _COMMANDS)
            msg = f"there is no command {args[0]!r}{near}; `xstilts --help` lists all commands"
            raise click.UsageError(msg, ctx)
        return super().resolve_command(ctx, args)


_PACKAGES = ("torch", "transformers", "datasets", "deepspeed", "ray", "optuna", "sqlalchemy", "numpy")
"""Packages whose versions `--version` prints; none of them is imported."""


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001  click's signature
    if value and not ctx.resilient_parsing:
        click.echo(f"xstilts {importlib.metadata.version('xstilts')}")
        click.echo(f"python {platform.python_version()}, {platform.system()} {platform.machine()}")
        for package in _PACKAGES:
            click.echo(f"{package} {importlib.metadata.version(package)}")
        ctx.exit()


def _set_verbose(ctx: click.Context, parameter: click.Parameter, level: int) -> None:
    from search.cli.completion import set_verbose

    set_verbose(ctx, parameter, level)


def _set_quiet(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001  click's signature
    from search.cli.completion import set_quiet

    set_quiet(ctx, parameter, value)


def _install_completion(ctx: click.Context, _: click.Parameter, shell: str | None) -> None:
    from search.cli.completion import install_completion

    if shell is not None and not ctx.resilient_parsing:
        for line in install_completion(cli, shell):
            click.echo(line)
        ctx.exit()


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Print the versions of xstilts and of the packages that matter, and exit.",
)
@click.option(
    "-v",
    "--verbose",
    count=True,
    expose_value=False,
    callback=_set_verbose,
    help="Print what is logged; -vv: also the details of an error.",
)
@click.option(
    "-q", "--quiet", is_flag=True, expose_value=False, callback=_set_quiet, help="Print no progress and no hints."
)
@click.option(
    "--install-completion",
    is_flag=False,
    flag_value="",
    metavar="[bash|zsh|fish]",
    expose_value=False,
    is_eager=True,
    callback=_install_completion,
    help="Install the completion for your shell, and exit.",
)
def cli() -> None:
    """Search over intermediate tasks for zero-shot cross-lingual transfer.

    A trial trains a multilingual encoder on an English intermediate task (text,
    images with text, or a mixture), fine-tunes it on English NLI, and scores it
    in 15 languages. It uses no labels of languages other than English.

    \b
    Start here:
      xstilts search demo        run a small search: minutes on two cores
      xstilts best demo          list its best configurations

    All results are kept in XSTILTS_HOME (default ./xstilts-home).
    """  # noqa: D301  (click reads the control character)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command, and exit with its exit code.

    Args:
        arguments: Arguments after `xstilts`; None: those of the process.
    """
    from search.cli.streams import OutputError, standard_streams

    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    code = DONE
    try:
        with standard_streams():
            code = exit_code(arguments)
    except OutputError as error:
        if not error.is_reader_gone:
            code = _print_error(error, FAILED)
    sys.exit(code)


def exit_code(arguments: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit code. An error of the user is printed as one message on stderr.

    Args:
        arguments: Arguments after `xstilts`; None: those of the process.
    """
    # A cluster's scheduler ends a job by SIGTERM: treat it like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    verbosity.reset()
    words = sys.argv[1:] if arguments is None else arguments
    try:
        _check_text(words)
        code = cli.main(arguments, prog_name="xstilts", standalone_mode=False)
    except click.ClickException as error:
        _show(_with_next_step(error), words=words)
        return WRONG_INPUT
    except InputError as error:
        log.debug("the error in full", exc_info=error)
        return _print_error(error, WRONG_INPUT, words=words)
    except TrainablesError as error:
        log.debug("the error in full", exc_info=error)
        return _print_error(error, INTERRUPTED if isinstance(error, StoppedError) else FAILED, words=words)
    except OSError as error:
        return _print_error(_of_a_path(error), WRONG_INPUT, words=words)
    except (KeyboardInterrupt, click.Abort):
        click.echo("xstilts: interrupted; finished work is kept", err=True)
        return INTERRUPTED
    return code if isinstance(code, int) else DONE


def _of_a_path(error: OSError) -> InputError:
    """Return the message for a path that can be no file's.

    Raises:
        OSError: It is about something else.
    """
    if error.errno not in _NO_SUCH_PATH or error.filename is None:
        raise error
    return InputError(f"the path {os.fsdecode(error.filename)!r} cannot be used: {error.strerror}; give another one")


def _with_next_step(error: click.ClickException) -> click.ClickException:
    """Return an error; of one about a missing spec or sweep, the message says where a user finds its name."""
    if not isinstance(error, click.MissingParameter) or error.param is None:
        return error
    if error.param.name == "spec":
        from spaces.sweep_spec import shipped_specs

        step = f"Give one that ships ({', '.join(shipped_specs())}), or the path of a YAML file."
    elif error.param.name == "name":
        step = "`xstilts status` lists the sweeps."
    else:
        return error
    return click.MissingParameter(step, ctx=error.ctx, param=error.param)


def _show(error: click.ClickException, *, words: Sequence[str]) -> None:
    """Show a mistake as click does, shortened."""
    shown = io.StringIO()
    error.show(shown)
    click.echo(_wrapped(_shortened(shown.getvalue(), words=words)), err=True, nl=False)


def _print_error(error: Exception, code: int, *, words: Sequence[str] = ()) -> int:
    text = _escaped(str(error)) if isinstance(error, InputError) else str(error)
    click.echo(_wrapped(f"xstilts: {_shortened(text, words=words)}"), err=True)
    return code


def _wrapped(text: str) -> str:
    """Return a message in lines of at most 80 columns where a terminal shows it, and unchanged for a file or a pipe."""
    if not sys.stderr.isatty():
        return text
    lines = text.splitlines(keepends=True)
    ends = [line[len(line.rstrip("\n")) :] for line in lines]
    filled = [textwrap.fill(line, 80, break_long_words=False, break_on_hyphens=False) for line in lines]
    return "".join(f"{line}{end}" for line, end in zip(filled, ends, strict=True))


def _check_text(words: Sequence[str]) -> None:
    """Refuse a word of the command line that could not be decoded: it holds halves of characters."""
    for word in words:
        if any("\ud800" <= letter <= "\udfff" for letter in word):
            msg = f"the argument {word!a} is not valid UTF-8; type it again, or rename the file"
            raise InputError(msg)
        if "\0" in word:
            msg = f"the argument {word!r} holds a NUL character, which nothing can be called; type it again"
            raise InputError(msg)


def _shortened(text: str, *, words: Sequence[str]) -> str:
    """Return a message without the middle of what is too long to read.

    Args:
        text: The message.
        words: Words of the command line, which can be long with spaces too.
    """
    for word in words:
        for value in (word, *word.split("=", 1)[1:]):
            for written in {value, repr(value)[1:-1], _escaped(value)} if len(value) >= _LONG else ():
                text = text.replace(written, _cut(written))
    text = _LONG_WORD.sub(lambda found: _cut(found[0]), text)
    if len(text) <= _MAX_MESSAGE:
        return text
    return f"{_cut(text[:-_MAX_END], shown=_MAX_END)} ... {text[-_MAX_END:]}"


def _cut(text: str, *, shown: int = _SHOWN) -> str:
    return f"{text[:shown]}... ({len(text)} characters)"


def _escaped(text: str) -> str:
    """Return a message with its control characters escaped: it may quote user input with newlines or colour codes."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
