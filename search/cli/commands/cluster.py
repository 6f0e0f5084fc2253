"""`xstilts cluster`: starts a Ray cluster from a file, and runs sweeps on it."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from search.cli.options import (
    FiniteNumber,
    json_option,
    record_option,
    set_option,
    store_option,
    take_over_option,
    trials_option,
)

if TYPE_CHECKING:
    from search.cluster import ClusterFile, Jobs
    from search.cluster.jobs import HostState, JobState

file_option = click.option(
    "--file", "-f", "path", type=click.Path(path_type=Path), default=Path("cluster.yaml"), show_default=True,
    help="The cluster file.", metavar="FILE",
)  # fmt: skip
address_option = click.option(
    "--address",
    metavar="URL",
    help="Address of the cluster, as Ray's job client accepts it.  [default: a tunnel to the head by ssh]",
)


@click.group
def cluster() -> None:
    """Start a Ray cluster from a file, and run sweeps on it.

    The file has the format of `ray up`. cluster.yaml is for AWS; clusters/ has
    files for other places. Every request to the cluster carries its token,
    which is in ~/.ray/auth_token.
    """


@cluster.command(short_help="Start the cluster, or update it.")
@file_option
@click.option("--wait", "wait_seconds", type=FiniteNumber(min=0), default=600.0, show_default=True, metavar="S",
              help="Longest time to wait for the hosts, in seconds.")  # fmt: skip
@json_option
def up(path: Path, wait_seconds: float, as_json: bool) -> None:  # noqa: FBT001  click passes it by name
    """Start the cluster, or update it, and wait until its first hosts joined.

    The first hosts are the head and the minimum number of workers. The command
    creates a token for the cluster if there is none.
    """
    from search.cluster import launch, read_cluster_file

    hosts = launch(read_cluster_file(path), wait_seconds=wait_seconds)
    _print_hosts(hosts, as_json=as_json)


@cluster.command(short_help="List its hosts and its sweeps.")
@file_option
@address_option
@json_option
def status(path: Path, address: str | None, as_json: bool) -> None:  # noqa: FBT001  as above
    """List the hosts of the cluster, and the sweeps that were submitted to it."""
    from search.cli.output import print_json

    with _jobs(path, address) as jobs:
        hosts, sweeps = jobs.hosts(), jobs.list()
    if as_json:
        print_json({"hosts": [host.model_dump() for host in hosts], "sweeps": [job.model_dump() for job in sweeps]})
        return
    _print_hosts(hosts, as_json=False)
    click.echo()
    _print_jobs(sweeps)


class _SubmitOptions(TypedDict):
    """Options of `submit` about the sweep."""

    name: str | None
    trials: int | None
    settings: tuple[str, ...]
    take_over: bool
    record: str | None
    store: str | None


@cluster.command(short_help="Run a sweep on the cluster, or continue it.")
@click.argument("spec")
@click.option("--name", metavar="N", help="Name of the sweep.  [default: the name in the spec]")
@trials_option
@set_option
@take_over_option
@record_option
@store_option
@file_option
@address_option
@json_option
def submit(spec: str, path: Path, address: str | None, as_json: bool, **options: Unpack[_SubmitOptions]) -> None:  # noqa: FBT001
    """Run the sweep that SPEC describes on the cluster, or continue it.

    The command sends the spec and the files that it names to the head. The
    sweep continues when this machine is switched off. All hosts must reach the
    store: give a bucket, or a folder that they share. The record is on the
    head's disk unless --record names a database.

    \b
    Example:
      xstilts cluster submit demo --store s3://BUCKET/PREFIX
    """  # noqa: D301  (click reads the control character)
    from search.cli.output import print_json, print_next
    from search.cluster import Submission
    from spaces.overrides import with_files_read, with_settings
    from spaces.sweep_name import checked_name
    from spaces.sweep_spec import load_sweep_spec

    sweep_spec = with_settings(load_sweep_spec(spec), options["settings"])
    name = sweep_spec.name if options["name"] is None else checked_name(options["name"])
    submission = Submission(
        spec=spec,
        name=name,
        store=options["store"],
        record=options["record"],
        trials=options["trials"],
        take_over=options["take_over"],
        settings=with_files_read(options["settings"]),
    )
    with _jobs(path, address) as jobs:
        job = jobs.submit(submission)
    if as_json:
        print_json(job)
        return
    click.echo(f"Sweep {name} is job {job.job}, {job.state}.")
    print_next(f"xstilts cluster logs {name} -f", what="its output, until it ends")


@cluster.command(short_help="Print the output of a submitted sweep.")
@click.argument("sweep", required=False)
@click.option("--follow", "-f", "follow", is_flag=True, help="Print new output until the sweep ends.")
@click.option("--file", "path", type=click.Path(path_type=Path), default=Path("cluster.yaml"), show_default=True,
              help="The cluster file.", metavar="FILE")  # fmt: skip
@address_option
def logs(sweep: str | None, path: Path, address: str | None, follow: bool) -> int:  # noqa: FBT001  as above
    """Print the output of the last job of SWEEP.

    Without SWEEP: of the last job of all sweeps. With --follow, exit code 1
    means that the sweep failed.
    """
    with _jobs(path, address) as jobs:
        job = jobs.last(sweep)
        if not follow:
            click.echo(jobs.logs(job.job), nl=False)
            return 0
        for lines in jobs.follow(job.job):
            click.echo(lines, nl=False)
        return 0 if jobs.state(job.job) == "succeeded" else 1


@cluster.command(short_help="Open a shell on the head.")
@file_option
def attach(path: Path) -> None:
    """Open a shell on the head of the cluster."""
    from search.cluster import attach, read_cluster_file

    attach(read_cluster_file(path))


@cluster.command(short_help="Stop the cluster.")
@file_option
def down(path: Path) -> None:
    """Stop Ray on every host, and terminate the rented machines.

    The finished work of sweeps is kept in their store. A record on the head's
    disk is lost with the head.
    """
    from search.cluster import read_cluster_file, take_down

    cluster = read_cluster_file(path)
    take_down(cluster)
    click.echo(f"Cluster {cluster.name} is down.")


@contextlib.contextmanager
def _jobs(path: Path, address: str | None) -> Generator[Jobs]:
    from search.cluster import Jobs, reach, read_cluster_file

    file: ClusterFile | None = None if address else read_cluster_file(path)
    with reach(cluster=file, address=address) as reached:
        yield Jobs(reached)


def _print_hosts(hosts: list[HostState], *, as_json: bool) -> None:
    from search.cli.output import Table, print_json, print_table

    if as_json:
        print_json([host.model_dump() for host in hosts])
        return
    rows = [("head" if host.is_head else "worker", host.address, f"{host.cpus:g}", f"{host.gpus:g}") for host in hosts]
    print_table(Table(headings=("host", "address", "CPUs", "GPUs"), rows=rows, right=frozenset({2, 3})))


def _print_jobs(jobs: list[JobState]) -> None:
    from search.cli.output import Table, print_table

    rows = [(job.sweep, job.state, job.job) for job in jobs]
    print_table(Table(headings=("sweep", "state", "job"), rows=rows))
