"""`xstilts spaces`: the sweep specs that ship."""

from __future__ import annotations

import random
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from search.cli.options import json_option

if TYPE_CHECKING:
    from pydantic import JsonValue

    from spaces.tree import Branch, Parameter

_NUM_SAMPLES = 3


@click.command
@click.argument("name", required=False, metavar="[NAME|FILE]")
@json_option
def spaces(name: str | None, as_json: bool) -> None:  # noqa: FBT001  click passes it by name
    """List the sweep specs that ship, or check and describe one, by NAME or FILE.

    Described are the tree of what is searched, its size, and three random samples.

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
    rows = [(spec.name, str(spec.trials), ", ".join(spec.goals), ", ".join(spec.families)) for spec in specs]
    print_table(Table(headings=("sweep spec", "trials", "objective", "families"), rows=rows, right=frozenset({1})))
    print_next("xstilts spaces demo", what="what it searches")


def _describe_space(name: str, *, as_json: bool) -> None:
    from search.cli.output import WIDTH, Table, print_json, print_next, print_table
    from spaces.drawing import MAX_COUNTED, draw, has_conditions, size
    from spaces.sweep_spec import load_sweep_spec, make_space, shipped_specs
    from spaces.tree import every_parameter

    spec = load_sweep_spec(name)
    space = make_space(spec)
    samples = [draw(space, generator=random.Random(number)) for number in range(_NUM_SAMPLES)]  # noqa: S311  to look at
    if as_json:
        parameters = list(every_parameter(space.root))
        told = {
            "parameters": [parameter.path for parameter in parameters],
            "conditions": {parameter.path: parameter.when.text for parameter in parameters if parameter.when},
            "size": size(space),
            "samples": samples,
        }
        print_json(spec.model_dump(mode="json") | told)
        return
    click.echo(textwrap.fill(f"{spec.name}: {spec.description}", WIDTH))
    click.echo(f"File: {shipped_specs().get(name, Path(name))}")
    click.echo(
        f"{spec.trials} trials, objective {', '.join(spec.goals)}, sampler {spec.sampler.name}, seed {spec.seed}\n"
    )
    print_table(Table(headings=("searched", "values"), rows=list(_tree(space.root, depth=0))))
    for constraint in space.constraints:
        click.echo(f"Each trial: {constraint.text}")
    points = size(space)
    at_most = "at most " if points is not None and points > MAX_COUNTED and has_conditions(space) else ""
    shown = f"{points:,} points" if points is not None else "infinite, for a parameter is continuous"
    click.echo(f"\nSize: {at_most}{shown}")
    for number, sample in enumerate(samples, start=1):
        words = "; ".join(f"{path} {_value(value)}" for path, value in sample.items())
        click.echo(textwrap.fill(f"Sample {number}: {words}", WIDTH, subsequent_indent="  ", break_on_hyphens=False))
    print_next(f"xstilts search {name}", what="run it")


def _tree(branch: Branch, *, depth: int) -> Iterator[tuple[str, str]]:
    """Yield the rows of a branch, what hangs on an arm below it and further right."""
    from spaces.tree import ChoiceParameter

    for parameter in branch.parameters:
        yield f"{'  ' * depth}{parameter.path}", _range(parameter)
        if parameter.when:
            yield f"{'  ' * depth}  when {parameter.when.text}", ""
        if isinstance(parameter, ChoiceParameter):
            for arm in parameter.arms:
                yield from _tree(arm.branch, depth=depth + 1)


def _value(value: JsonValue) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value(part)}" for name, part in value.items())
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _range(parameter: Parameter) -> str:
    from spaces.parameters import SimplexParameter
    from spaces.tree import ChoiceParameter

    if isinstance(parameter, ChoiceParameter):
        return ", ".join(str(arm.label) for arm in parameter.arms)
    if isinstance(parameter, SimplexParameter):
        return f"weights of {', '.join(parameter.items)}"
    return f"{parameter.low:g} to {parameter.high:g}{', logarithmic' if parameter.log else ''}"
