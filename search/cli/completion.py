"""Completion of commands, options, sweeps and specs in bash, zsh and fish; and the options of every command."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, get_completion_class

from search import verbosity
from search.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE = "_XSTILTS_COMPLETE"
"""Environment variable by which a shell asks for completions."""

_SWEEP, _SPEC = "name", "spec"
"""Arguments of commands that are completed: the name of a sweep on record, and of a spec that ships."""

_NOT_SWEEPS = {"tasks", "spaces", "encoders"}
"""Commands whose NAME is no sweep."""

Shell = str


def completed(command: click.Command, *, of: str) -> click.Command:
    """Return a command with the options that every command has, and with completion of its arguments.

    Args:
        command: The command, which is changed.
        of: Name of the command below `xstilts`.
    """
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            completed(inner, of=of)
    elif not any(isinstance(parameter, _EveryOption) for parameter in command.params):
        command.params += [_verbose(), _quiet()]
    for parameter in command.params:
        if isinstance(parameter, click.Argument) and parameter.name in _COMPLETIONS and of not in _NOT_SWEEPS:
            parameter._custom_shell_complete = _COMPLETIONS[parameter.name]  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  click has no other way after a command is made
    return command


class _EveryOption(click.Option):
    """An option that every command takes; the help of `xstilts` shows it."""


def _verbose() -> click.Option:
    return _EveryOption(["-v", "--verbose"], count=True, hidden=True, expose_value=False, callback=set_verbose)


def _quiet() -> click.Option:
    return _EveryOption(["-q", "--quiet"], is_flag=True, hidden=True, expose_value=False, callback=set_quiet)


def set_verbose(context: click.Context, parameter: click.Parameter, level: int) -> None:
    """Print what is logged, if the option is given."""
    del context, parameter
    if level:
        verbosity.be_verbose(level)


def set_quiet(context: click.Context, parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001  click's signature
    """Print no progress and no hints, if the option is given."""
    del context, parameter
    if value:
        verbosity.be_quiet()


def _sweeps(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the sweeps of the record; none where it cannot be read."""
    from search.home import find_home
    from search.record import open_record
    from trainables.errors import TrainablesError

    del parameter
    given = context.params.get("record")
    try:
        with open_record(find_home(record=given if isinstance(given, str) else None).record, read_only=True) as record:
            return [CompletionItem(sweep.name) for sweep in record.sweeps() if sweep.name.startswith(incomplete)]
    except TrainablesError:
        return []


def _specs(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the specs that ship, and let the shell add files."""
    from spaces.sweep_spec import shipped_specs

    del context, parameter
    named = [CompletionItem(name) for name in shipped_specs() if name.startswith(incomplete)]
    return named or [CompletionItem(incomplete, type="file")]


_COMPLETIONS: dict[str | None, Callable[[click.Context, click.Parameter, str], list[CompletionItem]]] = {
    _SWEEP: _sweeps,
    _SPEC: _specs,
}


def install_completion(cli: click.Command, shell: Shell) -> list[str]:
    """Write the completion script of a shell to the user's own folder, and return lines about what to do.

    Nothing else is changed: a file such as .bashrc belongs to its user.

    Args:
        cli: The command `xstilts`.
        shell: `bash`, `zsh` or `fish`; empty: the user's shell.

    Raises:
        InputError: The shell is another one, or its folder cannot be written.
    """
    shell = shell or Path(os.environ.get("SHELL") or _login_shell()).name
    found = get_completion_class(shell)
    if found is None or shell not in _FILES:
        lacks = f"there is no completion for the shell {shell!r}" if shell else "the user's shell is not known"
        msg = f"{lacks}; give one: --install-completion {'|'.join(_FILES)}"
        raise InputError(msg)
    variable, usual, name = _FILES[shell]
    folder = Path(os.environ.get(variable) or Path.home() / usual)
    file = folder / name
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(found(cli, {}, "xstilts", VARIABLE).source(), encoding="utf-8")
    except OSError as error:
        msg = f"the completion cannot be written to {str(file)!r}: {error.strerror}; make the folder writable"
        raise InputError(msg) from None
    return [f"Wrote {file}.", _NEXT[shell].format(file=file, folder=file.parent)]


def _login_shell() -> str:
    """Return the shell that the system's list of users has; services and containers often have no `SHELL`."""
    try:
        return pwd.getpwuid(os.getuid()).pw_shell
    except KeyError:
        return ""


_FILES = {
    "bash": ("XDG_DATA_HOME", ".local/share", "bash-completion/completions/xstilts"),
    "zsh": ("XDG_DATA_HOME", ".local/share", "zsh/site-functions/_xstilts"),
    "fish": ("XDG_CONFIG_HOME", ".config", "fish/completions/xstilts.fish"),
}
"""Shell -> the variable of its folder, the usual folder, and the file."""

_NEXT = {
    "bash": "New shells complete xstilts if bash-completion is installed. Without it, add to .bashrc: source {file}",
    "zsh": "Add to .zshrc, before compinit: fpath=({folder} $fpath)",
    "fish": "New shells complete xstilts.",
}
