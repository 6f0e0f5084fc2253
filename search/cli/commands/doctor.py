"""`xstilts doctor`: checks what this machine can do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from search.cli.options import json_option, record_option, store_option

if TYPE_CHECKING:
    from search.cli.machine_checks.findings import Finding


@click.command
@record_option
@store_option
@click.option("--devices", is_flag=True, help="Run each operation that training needs on every device.")
@click.option("--clear", is_flag=True, help="Clear the leftovers of crashed runs: Ray's processes, and files.")
@json_option
def doctor(record: str | None, store: str | None, devices: bool, clear: bool, as_json: bool) -> int:  # noqa: FBT001  by name
    """Check what this machine can do.

    Checks devices, threads, versions, DeepSpeed, Ray, sources of data, the
    store, the record, and leftovers of crashed runs. Exit code 1 means that
    something that a search needs does not work.

    With --devices, each GPU (or the CPU, if there is no GPU) multiplies
    matrices, steps an optimiser and trains at every ZeRO stage; all GPUs sum a
    tensor together; and a short trial runs. This takes minutes, and needs no
    Ray and no record.
    """
    from search.cli.machine_checks.device_checks import check_devices
    from search.cli.machine_checks.installation_checks import check_machine, clear_leftovers
    from search.cli.output import print_json
    from search.home import find_home

    home = find_home(record=record, store=store)
    for leftover in clear_leftovers(home) if clear else ():
        click.echo(f"cleared  {leftover}", err=as_json)
    findings = check_devices() if devices else check_machine(home)
    if as_json:
        found = list(findings)
        healthy = all(finding.works for finding in found)
        print_json({"healthy": healthy, "findings": [finding.model_dump(mode="json") for finding in found]})
    else:
        healthy = _print_findings(findings, width=22 if devices else 12)
    return 0 if healthy else 1


def _print_findings(findings: Iterable[Finding], *, width: int) -> bool:
    """Print each finding as soon as it arrives; return whether everything works."""
    from search.cli.output import WIDTH, print_next

    healthy, indent = True, " " * (6 + width)
    for finding in findings:
        healthy = healthy and finding.works
        line = f"{'ok  ' if finding.works else 'FAIL'}  {finding.what:<{width}}{finding.said}"
        click.echo(textwrap.fill(line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False))
    if healthy:
        print_next("xstilts search demo", what="a small search, minutes on two cores")
    else:
        click.echo("\nSomething that a search needs does not work: repair what the FAIL lines name.")
    return healthy
