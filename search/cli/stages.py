"""`xstilts stages`: what the store holds, whether it is whole, and freeing its space."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import TYPE_CHECKING

import click

from search.cli.options import json_option, record_option, store_option

if TYPE_CHECKING:
    from search.home import Home
    from search.record import Record
    from search.stages import Collected, Limits, StageLine, Verdict
    from trainables.stage_store import StageStore


@click.group
def stages() -> None:
    """List the stages of the store, check them, or free space.

    A stage is one unit of work that trials share: a phase of training, or an
    evaluation. The store keeps them, so that nothing is trained twice.
    """


@stages.command("list", short_help="The tree of stages, and who uses them.")
@store_option
@record_option
@json_option
def list_command(store: str | None, record: str | None, as_json: bool) -> None:  # noqa: FBT001  click passes it by name
    """List the stages, each below the one that it started from.

    With size, training steps, the time that making it took, and the trials
    that it belongs to.
    """
    from search.cli.output import print_json
    from search.home import find_home
    from search.stages import list_stages

    home = find_home(record=record, store=store)
    with _record_if_any(home) as opened:
        lines = list_stages(_existing_store(home, read_only=True), record=opened)
    if as_json:
        print_json(lines)
    else:
        _print_lines(lines)


@stages.command(short_help="Read every byte and compare checksums.")
@store_option
@json_option
def verify(store: str | None, as_json: bool) -> int:  # noqa: FBT001  click passes it by name
    """Check every stage against its checksums and its lineage.

    Exit code 1 means that some are damaged: they are named, and a search that
    comes to one sets it aside and makes it again. Nothing is changed here.
    """
    from search.cli.output import print_json
    from search.home import find_home
    from search.stages import verify_stages

    verdicts = list(verify_stages(_existing_store(find_home(store=store), read_only=True)))
    damaged = [verdict for verdict in verdicts if verdict.problem]
    if as_json:
        print_json({"num_stages": len(verdicts), "damaged": [one.model_dump(mode="json") for one in damaged]})
    else:
        _print_verdicts(verdicts, damaged=damaged)
    return 1 if damaged else 0


@stages.command(short_help="Free space without taking what is needed.")
@click.option("--keep-best", type=click.IntRange(min=0), metavar="K", help="Keep the K best trials of each sweep.")
@click.option("--max-bytes", type=click.IntRange(min=0), metavar="N", help="Free until the store takes at most N.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
@store_option
@record_option
@json_option
def gc(store: str | None, record: str | None, as_json: bool, dry_run: bool, **limits: int | None) -> None:  # noqa: FBT001
    """Free the store's space; safe while sweeps run.

    Never removed: stages of trials that are proposed, running, interrupted or
    failed, stages of trials that are kept with all they started from, and
    stages that a process makes or reads.

    Without a limit, stages that no trial of the record uses go, with what was
    set aside as damaged and checkpoints of stages that nobody makes any more.
    With --keep-best, also the stages of all but the K best finished trials of
    each sweep. With --max-bytes, only until the store is small enough, the
    cheapest to make again for its size first; without --keep-best the best
    trial of each sweep is kept. Encoded data (cache/) is not counted.

    The record has to be that of all sweeps that use the store.
    """
    from search.cli.output import print_json
    from search.errors import InputError
    from search.home import find_home
    from search.record import open_record
    from search.stages import Limits, collect

    home = find_home(record=record, store=store)
    chosen = Limits(keep_best=limits["keep_best"], max_bytes=limits["max_bytes"], dry_run=dry_run)
    opened_store = _existing_store(home, read_only=dry_run)
    with open_record(home.record, read_only=True) as opened:
        if not opened.sweeps():
            msg = f"the record {home.record} has no sweep, so nothing tells what the stages are for; name the record "
            raise InputError(msg + "of the sweeps that use the store, with --record")
        collected = collect(opened, store=opened_store, limits=chosen)
    if as_json:
        print_json(collected)
    else:
        _print_collected(collected, limits=chosen)


@contextlib.contextmanager
def _record_if_any(home: Home) -> Generator[Record | None]:
    from search.errors import RecordMissingError
    from search.record import open_record

    try:
        opened = open_record(home.record, read_only=True)
    except RecordMissingError:
        yield None
        return
    with opened:
        yield opened


def _existing_store(home: Home, *, read_only: bool) -> StageStore:
    from search.errors import InputError
    from trainables.stage_store import is_there

    if not is_there(home.store):
        msg = f"there is no store at {home.store!r}; name one by --store, or make one by `xstilts search demo`"
        raise InputError(msg)
    return home.open_store(read_only=read_only)


def _print_lines(lines: list[StageLine]) -> None:
    from search.cli.output import Table, duration, print_next, print_table, size

    rows = [
        (
            "  " * line.depth + (line.phase or "unreadable") + (", trunk" if line.is_trunk else ""),
            line.key[:12],
            (line.parent or "-")[:12],
            size(line.num_bytes),
            str(line.steps),
            duration(line.seconds),
            " ".join(f"{sweep}:{_numbers(trials)}" for sweep, trials in line.trials.items()) or "-",
        )
        for line in lines
    ]
    headings = ("stage", "key", "parent", "size", "steps", "took", "used by")
    print_table(Table(headings=headings, rows=rows, right=frozenset({3, 4, 5})))
    click.echo(f"{len(lines)} stages, {size(sum(line.num_bytes for line in lines))}")
    print_next("xstilts stages verify", what="check that all are whole")


def _numbers(trials: tuple[int, ...]) -> str:
    shown = ",".join(str(trial) for trial in trials[:3])
    return shown if len(trials) <= 3 else f"{shown}+{len(trials) - 3}"  # noqa: PLR2004  as many as fit


def _print_verdicts(verdicts: list[Verdict], *, damaged: list[Verdict]) -> None:
    from search.cli.output import print_next

    for verdict in damaged:
        click.echo(f"DAMAGED  {verdict.key}\n         {verdict.problem}")
    click.echo(f"{len(verdicts)} stages checked, {len(damaged)} damaged")
    if damaged:
        print_next("xstilts resume NAME", what="makes again what its trials need")
    else:
        print_next("xstilts stages list", what="what they are")


def _print_collected(collected: Collected, *, limits: Limits) -> None:
    from search.cli.output import print_next, size

    for removal in collected.removed:
        click.echo(f"{size(removal.num_bytes):>9}  {removal.phase or removal.what:<14}{removal.name[:50]}")
    would = "Would free" if limits.dry_run else "Freed"
    click.echo(f"{would} {size(collected.freed_bytes)}; the store takes {size(collected.bytes_after)}")
    click.echo(
        f"Stages that stay: {collected.num_needed} for trials that are not done, {collected.num_kept} for kept ones; "
        f"{collected.num_busy} busy"
    )
    if limits.max_bytes is not None and collected.bytes_after > limits.max_bytes:
        click.echo(f"That is over the budget of {size(limits.max_bytes)}: nothing else may go")
    print_next("xstilts stages list", what="what the store holds")
