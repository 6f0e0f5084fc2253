"""`xstilts stages`: lists and verifies the stages of the store, and frees space."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from search.cli.options import MAX_BYTES, WholeNumber, json_option, record_option, store_option
from trainables.number_words import number_of

if TYPE_CHECKING:
    from search.home import Home
    from search.record import Record
    from search.stages import Collected, Limits, StageLine, Verdict
    from trainables.data.sealed_cache import CheckedFolder
    from trainables.stage_store import StageStore


@click.group
def stages() -> None:
    """List the stages of the store, verify them, or free space.

    A stage is one unit of work that trials share: a phase of training, or an
    evaluation. The store keeps stages, so that no stage is trained twice.
    """


@stages.command("list", short_help="List the tree of stages and their trials.")
@store_option
@record_option
@json_option
def list_command(store: str | None, record: str | None, as_json: bool) -> None:  # noqa: FBT001  click passes it by name
    """List the stages, each below its parent: the stage that it started from.

    Prints the size of each stage, its training steps, the time that it took,
    and the trials that use it.
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


@stages.command(short_help="Verify the checksums of all stages.")
@store_option
@json_option
def verify(store: str | None, as_json: bool) -> int:  # noqa: FBT001  click passes it by name
    """Verify the checksums and the lineage of every stage, reading every byte.

    Encoded data and image features on this machine are verified too. Exit code
    1 means that some are damaged. The command lists them, and changes nothing.
    A search that needs a damaged one quarantines it and makes it again.
    """
    from search.cli.output import print_json
    from search.home import find_home
    from search.stages import verify_cache, verify_stages

    opened = _existing_store(find_home(store=store), read_only=True)
    verdicts, cached = list(verify_stages(opened)), list(verify_cache(opened))
    rotten = [folder for folder in cached if folder.problem]
    damaged = [verdict for verdict in verdicts if verdict.problem]
    if as_json:
        print_json(
            {
                "num_stages": len(verdicts),
                "damaged": [stage.model_dump(mode="json") for stage in damaged],
                "num_cached": len(cached),
                "damaged_cached": [folder.model_dump(mode="json") for folder in rotten],
            }
        )
    else:
        _print_cached(cached, damaged=rotten)
        _print_verdicts(verdicts, damaged=damaged, is_all_whole=not damaged and not rotten)
    return 1 if damaged or rotten else 0


@stages.command(short_help="Copy a stage with its whole weights.")
@click.argument("key")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@store_option
def copy(store: str | None, key: str, folder: Path) -> None:
    """Write the files of the stage KEY into the new FOLDER.

    KEY can be the first digits of a key. Stages that share tensors with others
    are not whole in the store: FOLDER has all their weights. So transformers
    loads its encoder, and a trial can start from it.
    """
    from search.cli.output import print_next
    from search.home import find_home
    from search.stages import copy_stage
    from trainables.errors import StoreUnusableError

    home = find_home(store=store)
    with contextlib.ExitStack() as stack:
        try:
            opened = _existing_store(home, read_only=False)
            stack.enter_context(opened.using())
        except StoreUnusableError:  # it may only be read, so the use of the stage cannot be noted
            opened = _existing_store(home, read_only=True)
        copied = copy_stage(opened, key=key, folder=folder)
    click.echo(f"Copied stage {copied[:12]} to {folder}")
    print_next("xstilts stages list", what="the stages of the store")


@stages.command(short_help="Delete stages that no trial needs.")
@click.option("--keep-best", type=WholeNumber(min=0), metavar="K", help="Keep the K best trials of each sweep.")
@click.option(
    "--max-bytes",
    type=WholeNumber(min=0, max_unsaid=MAX_BYTES),
    metavar="N",
    help="Stop as soon as the store has at most N bytes.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be deleted; delete nothing.")
@click.option("--force", is_flag=True, help="Delete also stages that sweeps of other records may need.")
@store_option
@record_option
@json_option
def gc(store: str | None, record: str | None, as_json: bool, dry_run: bool, force: bool, **limits: int | None) -> None:  # noqa: FBT001
    """Delete stages that no trial needs. This is safe while sweeps run.

    The command always keeps stages of proposed, running, interrupted and failed
    trials, stages of the finished trials to keep (with their parents), and
    stages that a process makes or reads.

    Without options, it deletes stages that no trial of the record uses,
    quarantined stages and caches, and checkpoints of stages that nobody makes
    any more.
    With --keep-best, it also deletes the stages of all finished trials but the
    K best of each sweep. With --max-bytes, it stops as soon as the store is
    small enough; it deletes those stages first that take the least time to make
    again for their size. --max-bytes alone keeps the best trial of each sweep.
    Other encoded data (cache/) does not count.

    The record must hold all sweeps that use the store: each sweep leaves a note
    there. If the record lacks one, nothing is deleted without --force.
    """
    from search.cli.output import print_json
    from search.errors import InputError
    from search.home import find_home
    from search.record import open_record
    from search.stages import Limits, collect

    home = find_home(record=record, store=store)
    chosen = Limits(keep_best=limits["keep_best"], max_bytes=limits["max_bytes"], dry_run=dry_run, force=force)
    opened_store = _existing_store(home, read_only=dry_run)
    with open_record(home.record, read_only=True) as opened:
        if not opened.sweeps():
            msg = (
                f"the record {home.record} has no sweep, so it is unknown which stages are needed; give the record of "
                "the sweeps that use the store with --record"
            )
            raise InputError(msg)
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
        msg = f"there is no store at {home.store!r}; give its place with --store, or create one: `xstilts search demo`"
        raise InputError(msg)
    return home.open_store(read_only=read_only)


def _suffix(line: StageLine) -> str:
    if line.is_trunk:
        return ", trunk"
    return f", of {line.num_parts} parts" if line.num_parts else ""


def _print_lines(lines: list[StageLine]) -> None:
    from search.cli.output import Table, duration, print_next, print_table, size

    rows = [
        (
            "  " * line.depth + (line.phase or "unreadable") + _suffix(line),
            line.key[:12],
            (line.parent or "-")[:12],
            size(line.num_bytes),
            str(line.steps),
            duration(line.seconds),
            " ".join(f"{sweep}:{_numbers(trials)}" for sweep, trials in line.trials.items()) or "-",
        )
        for line in lines
    ]
    headings = ("stage", "key", "parent", "size", "steps", "time", "used by")
    print_table(Table(headings=headings, rows=rows, right=frozenset({3, 4, 5})))
    shared = {line.shared: line.shared_bytes for line in lines if line.shared}
    of_shared = f", {size(sum(shared.values()))} of them tensors that stages share" if shared else ""
    total = sum(line.num_bytes for line in lines) + sum(shared.values())
    click.echo(f"{number_of(len(lines), 'stage')}, {size(total)}{of_shared}")
    print_next("xstilts stages verify", what="verify their checksums")


def _numbers(trials: tuple[int, ...]) -> str:
    shown = ",".join(str(trial) for trial in trials[:3])
    return shown if len(trials) <= 3 else f"{shown}+{len(trials) - 3}"  # noqa: PLR2004  as many as fit


def _print_cached(folders: list[CheckedFolder], *, damaged: list[CheckedFolder]) -> None:
    for folder in damaged:
        click.echo(f"DAMAGED  cache/{folder.name}\n         {folder.problem}")
    unsealed = sum(not folder.is_sealed for folder in folders)
    older = f"; {unsealed} without checksums are made again when they are used" if unsealed else ""
    if folders:
        click.echo(f"{number_of(len(folders), 'folder')} of encoded data checked, {len(damaged)} damaged{older}")


def _print_verdicts(verdicts: list[Verdict], *, damaged: list[Verdict], is_all_whole: bool) -> None:
    from search.cli.output import print_next

    for verdict in damaged:
        click.echo(f"DAMAGED  {verdict.key}\n         {verdict.problem}")
    click.echo(f"{number_of(len(verdicts), 'stage')} verified, {len(damaged)} damaged")
    if not is_all_whole:
        print_next("xstilts resume NAME", what="makes damaged stages again that its trials need")
    else:
        print_next("xstilts stages list", what="the stages and their trials")


def _print_collected(collected: Collected, *, limits: Limits) -> None:
    from search.cli.output import print_next, size

    for removal in collected.removed:
        click.echo(f"{size(removal.num_bytes):>9}  {removal.phase or removal.what:<14}{removal.name[:50]}")
    freed = "Would free" if limits.dry_run else "Freed"
    click.echo(f"{freed} {size(collected.freed_bytes)}; the store has {size(collected.bytes_after)}")
    click.echo(
        f"Kept stages: {collected.num_needed} of trials that are not done, {collected.num_kept} of finished trials, "
        f"{collected.num_busy} in use"
    )
    if limits.max_bytes is not None and collected.bytes_after > limits.max_bytes:
        click.echo(f"This is more than {size(limits.max_bytes)}, but all other stages are needed")
    print_next("xstilts stages list", what="the stages of the store")
