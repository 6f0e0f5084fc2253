"""`xstilts doctor`: what this machine can do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from search.cli.options import json_option, record_option, store_option

if TYPE_CHECKING:
    from search.cli.findings import Finding


@click.command
@record_option
@store_option
@click.option("--devices", is_flag=True, help="Try one of each thing that training does, on every device.")
@click.option("--clear", is_flag=True, help="Clear what crashed runs have left: Ray's processes, files.")
@json_option
def doctor(record: str | None, store: str | None, devices: bool, clear: bool, as_json: bool) -> int:  # noqa: FBT001  by name
    """Check what this machine can do.

    Devices, threads, versions, DeepSpeed, Ray, where data comes from, and
    whether the store and the record can be used, and what crashed runs left
    behind. Exit code 1 means that something a search needs does not work.

    With --devices each GPU, or the CPU where there is none, computes, steps an
    optimiser, trains at every ZeRO stage, all of them sum a tensor, and a short
    trial runs. It takes minutes, and needs neither Ray nor a record.
    """
    from search.cli.checkup import check_machine, clear_leftovers
    from search.cli.device_checks import check_devices
    from search.cli.output import print_json
    from search.home import find_home

    home = find_home(record=record, store=store)
    for said in clear_leftovers(home) if clear else ():
        click.echo(f"cleared  {said}", err=as_json)
    findings = check_devices() if devices else check_machine(home)
    if as_json:
        found = list(findings)
        healthy = all(finding.works for finding in found)
        print_json({"healthy": healthy, "findings": [finding.model_dump(mode="json") for finding in found]})
    else:
        healthy = _print_findings(findings, width=22 if devices else 12)
    return 0 if healthy else 1


def _print_findings(findings: Iterable[Finding], *, width: int) -> bool:
    """Print each finding as soon as it is there; returns whether everything works."""
    from search.cli.output import print_next

    healthy = True
    for finding in findings:
        healthy = healthy and finding.works
        click.echo(f"{'ok  ' if finding.works else 'FAIL'}  {finding.what:<{width}}{finding.said}")
    if healthy:
        print_next("xstilts search demo", what="a small search, minutes on two cores")
    else:
        click.echo("\nSome of what a search needs does not work: repair the lines that say FAIL.")
    return healthy
