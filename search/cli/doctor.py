"""`xstilts doctor`: what this machine can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from search.cli.options import json_option, record_option, store_option

if TYPE_CHECKING:
    from search.cli.checkup import Finding


@click.command
@record_option
@store_option
@click.option("--clear", is_flag=True, help="Clear what crashed runs have left: Ray's processes, files.")
@json_option
def doctor(record: str | None, store: str | None, clear: bool, as_json: bool) -> int:  # noqa: FBT001  by name
    """Check what this machine can do.

    Devices, threads, versions, DeepSpeed, Ray, where data comes from, and
    whether the store and the record can be used, and what crashed runs left
    behind. Exit code 1 means that something a search needs does not work.
    """
    from search.cli.checkup import check_machine, clear_leftovers
    from search.cli.output import print_json
    from search.home import find_home

    home = find_home(record=record, store=store)
    for said in clear_leftovers(home) if clear else ():
        click.echo(f"cleared  {said}", err=as_json)
    findings = check_machine(home)
    healthy = all(finding.works for finding in findings)
    if as_json:
        print_json({"healthy": healthy, "findings": [finding.model_dump(mode="json") for finding in findings]})
    else:
        _print_findings(findings, healthy=healthy)
    return 0 if healthy else 1


def _print_findings(findings: list[Finding], *, healthy: bool) -> None:
    from search.cli.output import print_next

    for finding in findings:
        click.echo(f"{'ok  ' if finding.works else 'FAIL'}  {finding.what:<12}{finding.said}")
    if healthy:
        print_next("xstilts search demo", what="a small search, minutes on two cores")
    else:
        click.echo("\nSome of what a search needs does not work: repair the lines that say FAIL.")
