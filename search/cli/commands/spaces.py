"""`xstilts spaces`: lists the sweep specs that ship, and describes one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from search.cli.options import json_option
from trainables.number_words import number_of

if TYPE_CHECKING:
    from pydantic import JsonValue

    from spaces.space.tree import Branch, Parameter
    from spaces.sweep_spec import SweepSpec

_NUM_SAMPLES = 3


@click.command
@click.argument("name", required=False, metavar="[NAME|FILE]")
@json_option
def spaces(name: str | None, as_json: bool) -> None:  # noqa: FBT001  click passes it by name
    """List the sweep specs that ship, or check and describe one: NAME or FILE.

    The description of a spec has the tree of its parameters, the size of its
    space, three random samples, and the path of its file. To write a spec of
    your own, copy a file that ships.
    """
    if name:
        _describe_space(name, as_json=as_json)
    else:
        _list_spaces(as_json=as_json)


@click.command
@click.argument("file", default="sweep.yaml", required=False)
@click.option("--name", metavar="N", help="Name of the sweep.  [default: the name of FILE]")
@json_option
def init(file: str, name: str | None, as_json: bool) -> None:  # noqa: FBT001  click passes it by name
    """Write a commented sweep spec to FILE (sweep.yaml) as a start for your own.

    The spec searches tasks that can be read on this machine (mirror, cache or
    hub), with the devices that it has. If the real data cannot be read, it
    uses the generated world of the demo. An existing file is not replaced.
    """
    from search.cli.output import print_json, print_next
    from search.cli.spec_template import find_here, spec_text
    from search.errors import InputError
    from spaces.sweep_name import checked_name

    path = Path(file)
    chosen = checked_name(path.stem if name is None else name)
    found = find_here()
    try:
        with path.open("x", encoding="utf-8") as opened:
            opened.write(spec_text(chosen, found, file=file))
    except OSError as error:
        msg = f"the spec cannot be written to {file!r}: {error.strerror}; give the name of a new file"
        raise InputError(msg) from None
    if as_json:
        print_json({"file": file, "name": chosen, "is_real": found.is_real})
        return
    data = "tasks that can be read here" if found.is_real else "the generated world; no real data was found here"
    click.echo(f"Wrote {file}: the sweep {chosen}, with {data}.")
    print_next(f"xstilts search {file} --dry-run", what="what it will cost")


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
    from search.cli.output import Table, print_json, print_next, print_table, print_wrapped
    from spaces.fast_defaults import named_fields, with_fast_defaults
    from spaces.space.enumeration import MAX_COUNTED, draw, has_conditions, size
    from spaces.space.tree import every_parameter
    from spaces.sweep_spec import load_sweep_spec, make_space, shipped_specs

    spec = load_sweep_spec(name)
    space = make_space(spec)
    samples = [draw(space, generator=random.Random(number)) for number in range(_NUM_SAMPLES)]  # noqa: S311  to look at
    if as_json:
        parameters = list(every_parameter(space.root))
        described = {
            "parameters": [parameter.path for parameter in parameters],
            "conditions": {parameter.path: parameter.when.text for parameter in parameters if parameter.when},
            "size": size(space),
            "samples": samples,
        }
        print_json(spec.model_dump(mode="json") | described)
        return
    print_wrapped(f"{spec.name}: {spec.description}" if spec.description else spec.name)
    click.echo(f"File: {shipped_specs().get(name, Path(name))}")
    completed = with_fast_defaults(spec, named=named_fields(spec, ()), known=None, is_shipped=name in shipped_specs())
    print_wrapped(_summary(completed.spec))
    click.echo()
    print_table(Table(headings=("parameter", "values"), rows=list(_tree(space.root, depth=0))))
    for constraint in space.constraints:
        print_wrapped(f"Constraint: {constraint.text}")
    points = size(space)
    at_most = "at most " if points is not None and points > MAX_COUNTED and has_conditions(space) else ""
    shown = f"{points:,} points" if points is not None else "infinite: a parameter is continuous"
    click.echo(f"\nSize: {at_most}{shown}")
    for number, sample in enumerate(samples, start=1):
        words = "; ".join(f"{path} {_value(value)}" for path, value in sample.items())
        print_wrapped(f"Sample {number}: {words}")
    print_next(f"xstilts search {name}", what="run it")


def _summary(spec: SweepSpec) -> str:
    """Return how a sweep of this spec searches, in one line."""
    rungs = f", {spec.rungs.num} rungs" if spec.rungs.num > 1 else ""
    goals, sampler = ", ".join(spec.goals), spec.sampler.name
    return f"{number_of(spec.trials, 'trial')}, objective {goals}, sampler {sampler}{rungs}, seed {spec.seed}"


def _tree(branch: Branch, *, depth: int) -> Iterator[tuple[str, str]]:
    """Yield the rows of a branch; the parameters of an arm are below it and indented."""
    from spaces.space.tree import ChoiceParameter

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
    from spaces.space.parameters import SimplexParameter
    from spaces.space.tree import ChoiceParameter

    if isinstance(parameter, ChoiceParameter):
        return ", ".join(str(arm.label) for arm in parameter.arms)
    if isinstance(parameter, SimplexParameter):
        return f"weights of {', '.join(parameter.items)}"
    return f"{parameter.low:g} to {parameter.high:g}{', logarithmic' if parameter.log else ''}"
