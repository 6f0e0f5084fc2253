"""`xstilts tasks` and `xstilts spaces`: what there is to train on, and the sweep specs that ship."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from search.cli.options import json_option

if TYPE_CHECKING:
    from spaces.tree import Parameter
    from trainables.tasks.spec import TaskSpec


@click.command(short_help="The catalogue of tasks.")
@click.argument("name", required=False)
@json_option
def tasks(name: str | None, as_json: bool) -> None:  # noqa: FBT001  click passes it by name
    """List every task, or describe the task NAME.

    The list says which tasks this machine can read now: from XSTILTS_MIRROR,
    the Hugging Face cache, or the hub.
    """
    from search.cli.output import print_json
    from trainables.tasks import registry

    found = [registry.task(name)] if name else list(registry.tasks().values())
    if as_json:
        entries = [spec.model_dump(mode="json") | {"available": _available(spec)} for spec in found]
        print_json(entries[0] if name else entries)
    elif name:
        _print_task(found[0])
    else:
        _print_tasks(found)


def _available(spec: TaskSpec) -> str | None:
    """Return `packaged`, `mirror`, `cache`, `hub` or `files` (a user's own), or None where nothing has it."""
    from trainables.data.locate import locate_dataset
    from trainables.errors import UnavailableError
    from trainables.tasks import registry
    from trainables.tasks.spec import CompositeSource, CorpusSource, HubSource
    from trainables.tasks.supertags import corpus_folder

    if isinstance(spec.source, CompositeSource):
        parts = [_available(registry.task(name)) for name in spec.source.parts]
        return None if None in parts else parts[0]
    if isinstance(spec.source, CorpusSource):
        return "files" if corpus_folder(spec.source) else None
    if not isinstance(spec.source, HubSource):
        return "packaged"
    try:
        return locate_dataset(spec.source.repository).kind
    except UnavailableError:
        return None


def _not_here(spec: TaskSpec) -> str:
    from trainables.tasks.spec import CorpusSource

    if isinstance(spec.source, CorpusSource):
        return f"no; set {spec.source.variable} to your own copy, as the notes say"
    return "no; set XSTILTS_MIRROR to a folder with it, or go online"


def _print_tasks(found: list[TaskSpec]) -> None:
    from search.cli.output import Table, print_next, print_table

    rows = [
        (spec.name, spec.kind, "yes" if spec.has_images else "", spec.metric, _available(spec) or "not here")
        for spec in found
    ]
    print_table(Table(headings=("task", "kind", "images", "metric", "available"), rows=rows))
    print_next(f"xstilts tasks {found[0].name}", what="its source, licence and splits")


def _print_task(spec: TaskSpec) -> None:
    import yaml

    from search.cli.output import print_next

    shown = spec.model_dump(mode="json", exclude_defaults=True)
    click.echo(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=70).rstrip())
    click.echo(f"available: {_available(spec) or _not_here(spec)}")
    print_next("xstilts tasks", what="every task")


@click.command(short_help="The sweep specs that ship.")
@click.argument("name", required=False, metavar="[NAME|FILE]")
@json_option
def spaces(name: str | None, as_json: bool) -> None:  # noqa: FBT001  click passes it by name
    """List the sweep specs that ship, or check and describe one, by NAME or FILE.

    Copy one to write your own: `xstilts spaces demo` says where its file is.
    """
    if name:
        _describe_space(name, as_json=as_json)
    else:
        _list_spaces(as_json=as_json)


def _list_spaces(*, as_json: bool) -> None:
    from search.cli.output import Table, print_json, print_next, print_table
    from spaces.sweep_spec import load_sweep_spec, shipped_specs

    specs = [load_sweep_spec(name) for name in shipped_specs()]
    if as_json:
        print_json([spec.model_dump(mode="json") for spec in specs])
        return
    rows = [(spec.name, str(spec.trials), spec.objective, ", ".join(spec.families)) for spec in specs]
    print_table(Table(headings=("sweep spec", "trials", "objective", "families"), rows=rows, right=frozenset({1})))
    print_next("xstilts spaces demo", what="what it searches")


def _describe_space(name: str, *, as_json: bool) -> None:
    from search.cli.output import WIDTH, Table, print_json, print_next, print_table
    from spaces.sweep_spec import load_sweep_spec, make_space, shipped_specs
    from spaces.tree import every_parameter

    spec = load_sweep_spec(name)
    parameters = list(every_parameter(make_space(spec).root))
    if as_json:
        print_json(spec.model_dump(mode="json") | {"parameters": [parameter.path for parameter in parameters]})
        return
    click.echo(textwrap.fill(f"{spec.name}: {spec.description}", WIDTH))
    click.echo(f"File: {shipped_specs().get(name, Path(name))}")
    click.echo(f"{spec.trials} trials, objective {spec.objective}, sampler {spec.sampler.name}, seed {spec.seed}\n")
    rows = [(parameter.path, _range(parameter)) for parameter in parameters]
    print_table(Table(headings=("searched", "values"), rows=rows))
    print_next(f"xstilts search {name}", what="run it")


def _range(parameter: Parameter) -> str:
    from spaces.parameters import SimplexParameter
    from spaces.tree import ChoiceParameter

    if isinstance(parameter, ChoiceParameter):
        return ", ".join(str(arm.label) for arm in parameter.arms)
    if isinstance(parameter, SimplexParameter):
        return f"weights of {', '.join(parameter.items)}"
    return f"{parameter.low:g} to {parameter.high:g}{', logarithmic' if parameter.log else ''}"
