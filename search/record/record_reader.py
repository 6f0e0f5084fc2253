"""The queries of a record. Each method is one transaction and changes nothing."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Engine

from search.record import owner_rows, row_reader
from search.record.owner_rows import Owner
from search.record.rows import STATES, Curve, Event, Measurement, StageRow, State, SweepRow, TrialRow


class RecordReader:
    """See the module.

    Args:
        engine: The database, with the record's tables.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def sweep(self, name: str) -> SweepRow:
        """Return a sweep.

        Raises:
            UnknownSweepError: There is no such sweep.
        """
        with self.engine.begin() as connection:
            return row_reader.read_sweep(connection, name)

    def sweeps(self) -> tuple[SweepRow, ...]:
        """Return every sweep, the oldest first."""
        with self.engine.begin() as connection:
            return row_reader.read_sweeps(connection)

    def trial(self, sweep: str, *, number: int) -> TrialRow:
        """Return a trial.

        Raises:
            UnknownSweepError: There is no such sweep.
            UnknownTrialError: There is no such trial.
        """
        with self.engine.begin() as connection:
            return row_reader.read_trial(connection, sweep, number=number)

    def trials(self, sweep: str, *, states: Collection[State] = STATES) -> tuple[TrialRow, ...]:
        """Return the sweep's trials in these states, ordered by number."""
        with self.engine.begin() as connection:
            return row_reader.read_trials(connection, sweep, states=states)

    def num_set_aside(self, sweep: str) -> int:
        """Return how many of the sweep's trials are excluded."""
        with self.engine.begin() as connection:
            return row_reader.count_set_aside(connection, sweep)

    def newest_measured(self, sweep: str) -> tuple[TrialRow, ...]:
        """Return the newest measured trial that counts of each family, ordered by number."""
        with self.engine.begin() as connection:
            return row_reader.read_newest_measured(connection, sweep)

    def count_states(self, sweep: str) -> dict[State, int]:
        """Return state -> number of the sweep's trials in it that count; states without trials are missing."""
        with self.engine.begin() as connection:
            return row_reader.count_states(connection, sweep)

    def measurements(self, sweep: str, *, number: int | None = None) -> tuple[Measurement, ...]:
        """Return the measurements of the sweep's trials, or of one trial, ordered by trial and rung."""
        with self.engine.begin() as connection:
            return row_reader.read_measurements(connection, sweep, number=number)

    def last_measurements(self, sweep: str) -> dict[int, Measurement]:
        """Return number -> measurement at the highest rung, of the sweep's measured trials by number."""
        with self.engine.begin() as connection:
            return row_reader.read_last_measurements(connection, sweep)

    def stages(self, sweep: str, *, number: int | None = None) -> tuple[StageRow, ...]:
        """Return the lineages of the sweep's trials, or of one, ordered by trial, rung and position."""
        with self.engine.begin() as connection:
            return row_reader.read_stages(connection, sweep, number=number)

    def events(self, sweep: str, *, after: int = 0, limit: int | None = None) -> tuple[Event, ...]:
        """Return the sweep's events with an id above `after`, in order of id; with a limit only the first of them."""
        with self.engine.begin() as connection:
            return row_reader.read_events(connection, sweep, after=after, limit=limit)

    def curves(self, sweep: str, *, last_rung: int, with_languages: bool = False) -> tuple[Curve, ...]:
        """Return the scores of the sweep's trials at their rungs, ordered by number, without trials that have no score.

        Args:
            sweep: Name of the sweep.
            last_rung: The rung at which a trial is finished.
            with_languages: Whether to read the scores of each language too.
        """
        with self.engine.begin() as connection:
            return row_reader.read_curves(connection, sweep, last_rung=last_rung, with_languages=with_languages)

    def hopeless_stages(self, sweep: str) -> dict[str, str]:
        """Return key -> error of the stages at which a trial of the sweep has failed and that no trial can make."""
        with self.engine.begin() as connection:
            return row_reader.read_hopeless_stages(connection, sweep)

    def owner(self, sweep: str) -> Owner | None:
        """Return the process that drives the sweep, or drove it last; None if there was none.

        Raises:
            UnknownSweepError: There is no such sweep.
        """
        with self.engine.begin() as connection:
            row_reader.read_sweep(connection, sweep)
            return owner_rows.read_owner(connection, sweep)
