"""`xstilts cluster`: a Ray cluster from a file, and sweeps on it."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from search.cli.options import json_option, record_option, set_option, store_option, take_over_option, trials_option

if TYPE_CHECKING:
    from search.cluster import ClusterFile, Jobs
    from search.cluster.jobs import HostState, JobState

file_option = click.option(
    "--file", "-f", "path", type=click.Path(path_type=Path), default=Path("cluster.yaml"), show_default=True,
    help="The cluster's file.", metavar="FILE",
)  # fmt: skip
address_option = click.option(
    "--address", metavar="URL", help="The cluster, as Ray's job client accepts it; else its head is reached by ssh."
)


@click.group
def cluster() -> None:
    """Bring up a Ray cluster from a file, and run sweeps on it.

    The file is what `ray up` takes: cluster.yaml is for AWS, clusters/ has
    others. Every request carries the cluster's token, ~/.ray/auth_token.
    """


@cluster.command(short_help="Bring the cluster up, or up to date.")
@file_option
@click.option("--wait", "wait_seconds", type=float, default=600.0, show_default=True, metavar="S",
              help="Longest wait for its hosts to join, in seconds.")  # fmt: skip
@json_option
def up(path: Path, wait_seconds: float, as_json: bool) -> None:  # noqa: FBT001  click passes it by name
    """Bring the cluster up and wait for the hosts that it starts with.

    Makes a token for it where there is none.
    """
    from search.cluster import launch, read_cluster_file

    hosts = launch(read_cluster_file(path), wait_seconds=wait_seconds)
    _print_hosts(hosts, as_json=as_json)


@cluster.command(short_help="Its hosts and the sweeps submitted to it.")
@file_option
@address_option
@json_option
def status(path: Path, address: str | None, as_json: bool) -> None:  # noqa: FBT001  as above
    """Show the cluster's hosts, and the sweeps that were submitted to it."""
    from search.cli.output import print_json

    with _jobs(path, address) as jobs:
        hosts, sweeps = jobs.hosts(), jobs.list()
    if as_json:
        print_json({"hosts": [host.model_dump() for host in hosts], "sweeps": [one.model_dump() for one in sweeps]})
        return
    _print_hosts(hosts, as_json=False)
    click.echo()
    _print_jobs(sweeps)


class _Submitted(TypedDict):
    """What `submit` is told of the sweep."""

    name: str | None
    trials: int | None
    settings: tuple[str, ...]
    take_over: bool
    record: str | None
    store: str | None


@cluster.command(short_help="Run a sweep on the cluster, or continue it.")
@click.argument("spec")
@click.option("--name", metavar="N", help="Name of the sweep.  [default: the spec's own]")
@trials_option
@set_option
@take_over_option
@record_option
@store_option
@file_option
@address_option
@json_option
def submit(spec: str, path: Path, address: str | None, as_json: bool, **given: Unpack[_Submitted]) -> None:  # noqa: FBT001
    """Run the sweep that SPEC describes on the cluster's head, or continue it.

    What is sent is the spec and the files that it names. The sweep goes
    on when this machine is gone. The store must be one that every host
    reaches: a bucket, or a folder that they share. The record is on the
    head's disk unless --record names a database.

    \b
    Example:
      xstilts cluster submit demo --store s3://BUCKET/PREFIX
    """  # noqa: D301  (click reads the control character)
    from search.cli.output import print_json, print_next
    from search.cluster import Submission
    from spaces.overrides import with_files_read, with_settings
    from spaces.sweep_spec import checked_name, load_sweep_spec

    wanted = with_settings(load_sweep_spec(spec), given["settings"])
    name = wanted.name if given["name"] is None else checked_name(given["name"])
    submission = Submission(
        spec=spec,
        name=name,
        store=given["store"],
        record=given["record"],
        trials=given["trials"],
        take_over=given["take_over"],
        settings=with_files_read(given["settings"]),
    )
    with _jobs(path, address) as jobs:
        job = jobs.submit(submission)
    if as_json:
        print_json(job)
        return
    click.echo(f"Sweep {name} is job {job.job}, {job.state}.")
    print_next(f"xstilts cluster logs {name} -f", what="what it prints, until it ends")


@cluster.command(short_help="What a submitted sweep prints.")
@click.argument("sweep", required=False)
@click.option("--follow", "-f", "follow", is_flag=True, help="Go on until the sweep ends.")
@click.option("--file", "path", type=click.Path(path_type=Path), default=Path("cluster.yaml"), show_default=True,
              help="The cluster's file.", metavar="FILE")  # fmt: skip
@address_option
def logs(sweep: str | None, path: Path, address: str | None, follow: bool) -> int:  # noqa: FBT001  as above
    """Show what the last job of SWEEP has printed, or of any sweep.

    With --follow, exit code 1 means that the sweep failed.
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
    """Open a shell on the cluster's head."""
    from search.cluster import attach, read_cluster_file

    attach(read_cluster_file(path))


@cluster.command(short_help="End the cluster.")
@file_option
def down(path: Path) -> None:
    """End Ray on every host, and the machines that were rented for the cluster.

    What sweeps have finished is kept in their store; a record on the head's
    disk goes with the head.
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
    rows = [("head" if one.is_head else "worker", one.address, f"{one.cpus:g}", f"{one.gpus:g}") for one in hosts]
    print_table(Table(headings=("host", "address", "CPUs", "GPUs"), rows=rows, right=frozenset({2, 3})))


def _print_jobs(jobs: list[JobState]) -> None:
    from search.cli.output import Table, print_table

    rows = [(job.sweep, job.state, job.job) for job in jobs]
    print_table(Table(headings=("sweep", "state", "job"), rows=rows))
