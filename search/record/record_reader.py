"""What a record may be asked: each method is one transaction that changes nothing."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Engine

from search.record import owning, reading
from search.record.owning import Owner
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
            return reading.read_sweep(connection, name)

    def sweeps(self) -> tuple[SweepRow, ...]:
        """Return every sweep, the oldest first."""
        with self.engine.begin() as connection:
            return reading.read_sweeps(connection)

    def trial(self, sweep: str, *, number: int) -> TrialRow:
        """Return a trial.

        Raises:
            UnknownSweepError: There is no such sweep.
            UnknownTrialError: There is no such trial.
        """
        with self.engine.begin() as connection:
            return reading.read_trial(connection, sweep, number=number)

    def trials(self, sweep: str, *, states: Collection[State] = STATES) -> tuple[TrialRow, ...]:
        """Return the sweep's trials in these states, ordered by number."""
        with self.engine.begin() as connection:
            return reading.read_trials(connection, sweep, states=states)

    def num_set_aside(self, sweep: str) -> int:
        """Return how many of the sweep's trials do not count."""
        with self.engine.begin() as connection:
            return reading.count_set_aside(connection, sweep)

    def newest_measured(self, sweep: str) -> tuple[TrialRow, ...]:
        """Return the newest measured trial of each family that counts, ordered by number."""
        with self.engine.begin() as connection:
            return reading.read_newest_measured(connection, sweep)

    def count_states(self, sweep: str) -> dict[State, int]:
        """Return state -> number of the sweep's trials in it, for the states that some are in."""
        with self.engine.begin() as connection:
            return reading.count_states(connection, sweep)

    def measurements(self, sweep: str, *, number: int | None = None) -> tuple[Measurement, ...]:
        """Return what the sweep's trials, or one of them, scored, ordered by trial and rung."""
        with self.engine.begin() as connection:
            return reading.read_measurements(connection, sweep, number=number)

    def stages(self, sweep: str, *, number: int | None = None) -> tuple[StageRow, ...]:
        """Return the lineages of the sweep's trials, or of one, ordered by trial, rung and position."""
        with self.engine.begin() as connection:
            return reading.read_stages(connection, sweep, number=number)

    def events(self, sweep: str, *, after: int = 0) -> tuple[Event, ...]:
        """Return the sweep's events with an id above `after`, in the order in which they happened."""
        with self.engine.begin() as connection:
            return reading.read_events(connection, sweep, after=after)

    def curves(self, sweep: str, *, last_rung: int, with_languages: bool = False) -> tuple[Curve, ...]:
        """Return what the sweep's trials scored at their rungs, ordered by number; trials without a score are left out.

        Args:
            sweep: The sweep's name.
            last_rung: The rung at which a trial is finished.
            with_languages: Whether to read the scores of each language too.
        """
        with self.engine.begin() as connection:
            return reading.read_curves(connection, sweep, last_rung=last_rung, with_languages=with_languages)

    def hopeless_stages(self, sweep: str) -> dict[str, str]:
        """Return key -> error of the stages that a trial of the sweep has failed at and no other could make."""
        with self.engine.begin() as connection:
            return reading.read_hopeless_stages(connection, sweep)

    def owner(self, sweep: str) -> Owner | None:
        """Return who drives the sweep, or drove it last; None when nobody ever did.

        Raises:
            UnknownSweepError: There is no such sweep.
        """
        with self.engine.begin() as connection:
            reading.read_sweep(connection, sweep)
            return owning.read_owner(connection, sweep)
