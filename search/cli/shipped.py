"""`xstilts spaces`: the sweep specs that ship."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from search.cli.options import json_option

if TYPE_CHECKING:
    from spaces.tree import Parameter


@click.command
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
