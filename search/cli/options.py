"""Options that several commands share, so that they read the same everywhere."""

from __future__ import annotations

import click

record_option = click.option(
    "--record", metavar="URL", help="Record: a file or a database URL.  [default: XSTILTS_HOME/record.db]"
)
store_option = click.option(
    "--store", metavar="URL", help="Store: a folder or s3://BUCKET/PREFIX.  [default: XSTILTS_HOME/store]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
set_option = click.option(
    "--set", "settings", multiple=True, metavar="PATH=VALUE", help="Replace one value; may be given several times."
)
_MOST_TRIALS = 2**31 - 1
"""As many as a spec may ask for."""


def _countable(_: click.Context, __: click.Parameter, value: int | None) -> int | None:
    if value is not None and value > _MOST_TRIALS:
        msg = f"{value} is more than a record can count; give at most {_MOST_TRIALS}"
        raise click.BadParameter(msg)
    return value


trials_option = click.option(
    "--trials",
    type=click.IntRange(min=1),
    callback=_countable,
    metavar="K",
    help="Number of trials the sweep is to have.",
)
from_option = click.option(
    "--from",
    "from_sweep",
    metavar="SWEEP",
    help="Learn from an earlier sweep (of another record: RECORD#SWEEP), best first.",
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Say what would run and what has changed, and change nothing."
)
take_over_option = click.option(
    "--take-over", is_flag=True, help="Take the sweep from a driver that gives no sign of life for 20 s."
)
copy_option = click.option(
    "--store", metavar="URL", help="Without --record: ask the copy of the record that a sweep on a cluster keeps there."
)
