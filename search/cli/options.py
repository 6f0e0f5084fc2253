"""Options that several commands share, with one help text for all of them."""

from __future__ import annotations

import math

import click

MAX_WHOLE_NUMBER = 2**31 - 1
"""The largest whole number that a command takes, unless it says otherwise: the most that a record can count."""
MAX_BYTES = 2**63 - 1
"""The largest number of bytes that a command takes."""


class WholeNumber(click.IntRange):
    """A whole number that also has an upper bound, which the help does not repeat each time.

    Args:
        min: The smallest.
        max_unsaid: The largest.
    """

    name = "whole number"

    def __init__(self, *, min: int, max_unsaid: int = MAX_WHOLE_NUMBER) -> None:  # noqa: A002  click's name
        super().__init__(min=min)
        self._max = max_unsaid

    def convert(self, value: int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number; a larger one is a mistake of the user."""
        number = int(super().convert(value, param, ctx))
        if number > self._max:
            self.fail(f"{number} is too large; give at most {self._max}.", param, ctx)
        return number


class FiniteNumber(click.FloatRange):
    """A real number: neither infinite nor `nan`, which lies in every range."""

    name = "number"

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number; one that is not finite is a mistake of the user."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{number} is no finite number; give one.", param, ctx)
        return number


record_option = click.option(
    "--record", metavar="URL", help="The record: a file or a database URL.  [default: XSTILTS_HOME/record.db]"
)
store_option = click.option(
    "--store", metavar="URL", help="The store: a folder or s3://BUCKET/PREFIX.  [default: XSTILTS_HOME/store]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
set_option = click.option(
    "--set", "settings", multiple=True, metavar="PATH=VALUE", help="Replace one value; can be repeated."
)
trials_option = click.option(
    "--trials",
    type=WholeNumber(min=1),
    metavar="K",
    help="Number of trials of the sweep, with those it already has.",
)
from_option = click.option(
    "--from",
    "from_sweep",
    metavar="SWEEP",
    help="Start from the results of an earlier sweep: its best configurations first. RECORD#SWEEP names a sweep of "
    "another record.",
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Print the forecast and what changed in the spec; run and write nothing."
)
take_over_option = click.option(
    "--take-over", is_flag=True, help="Take the sweep over from a driver without a heartbeat for 20 s."
)
copy_option = click.option(
    "--store",
    metavar="URL",
    help="Without --record: read the copy of the record that a sweep on a cluster keeps in this store.",
)
