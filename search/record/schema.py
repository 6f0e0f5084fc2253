"""The tables of the record. Names are only added, never renamed; every change raises SCHEMA_VERSION.

`events` is append-only and holds everything that happened. The other tables, except `owners`, are derived from it in
the same transaction, so that queries are plain SQL. Each event has a hash over itself and the sweep's previous event,
so that changed, lost or moved events are found (`chain.py`). Times are seconds since 1970 (UTC).
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
)
from sqlalchemy.schema import SchemaItem

SCHEMA_VERSION = 3
"""Version of the tables below."""

METADATA = MetaData()
_JSON = JSON(none_as_null=True)
# SQLite assigns ids automatically only in a column of type INTEGER; PostgreSQL's integer ends at 2^31.
_ID = BigInteger().with_variant(Integer(), "sqlite")

meta = Table("meta", METADATA, Column("schema_version", Integer, nullable=False))

sweeps = Table(
    "sweeps",
    METADATA,
    Column("name", String(200), primary_key=True),
    Column("spec", _JSON, nullable=False),
    Column("objective", String(20), nullable=False),
    Column("planned_trials", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
)

trials = Table(
    "trials",
    METADATA,
    Column("sweep", String(200), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", String(20), nullable=False),
    Column("family", String(20), nullable=False),
    Column("assignment", _JSON, nullable=False),
    Column("config", _JSON, nullable=False),
    Column("sampler", _JSON, nullable=False),
    Column("seen", _JSON, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("rung", Integer),
    Column("score", Float),
    Column("error", Text),
    Column("proposed_at", Float, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("cost_paid_seconds", Float, nullable=False),
    Column("cost_if_alone_seconds", Float, nullable=False),
    Column("steps_paid", Integer, nullable=False, server_default="0"),
    Column("steps_if_alone", Integer, nullable=False, server_default="0"),
    Column("set_aside", Text),
    ForeignKeyConstraint(["sweep"], ["sweeps.name"]),
    Index("trials_by_score", "sweep", "state", "score"),
)

trials_set_aside = Index(
    "trials_set_aside",
    trials.c.sweep,
    trials.c.state,
    sqlite_where=trials.c.set_aside.is_not(None),
    postgresql_where=trials.c.set_aside.is_not(None),
)
"""Few trials are excluded: with this index, counting or skipping them reads no rows of `trials`."""


def _of_a_trial(name: str, *columns: SchemaItem) -> Table:
    return Table(
        name,
        METADATA,
        Column("sweep", String(200), primary_key=True),
        Column("trial", Integer, primary_key=True, autoincrement=False),
        Column("rung", Integer, primary_key=True, autoincrement=False),
        *columns,
        ForeignKeyConstraint(["sweep", "trial"], ["trials.sweep", "trials.number"]),
    )


measurements = _of_a_trial(
    "measurements",
    Column("score", Float, nullable=False),
    Column("num_items", Integer, nullable=False),
    Column("result", _JSON, nullable=False),
    Column("measured_at", Float, nullable=False),
)

scores = _of_a_trial(
    "scores",
    Column("metric", String(20), primary_key=True),
    Column("language", String(20), primary_key=True),
    Column("value", Float, nullable=False),
)

task_scores = _of_a_trial(
    "task_scores",
    Column("task", String(200), primary_key=True),
    Column("value", Float, nullable=False),
)

stages = _of_a_trial(
    "stages",
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("phase", String(20), nullable=False),
    Column("key", String(64), nullable=False),
    Column("steps", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("reused", Boolean, nullable=False),
    Column("is_trunk", Boolean, nullable=False, server_default=false()),
    Column("steps_before", Integer, nullable=False, server_default="0"),
    Column("seconds_before", Float, nullable=False, server_default="0"),
    Column("further", String(200), nullable=False, server_default=""),
)

owners = Table(
    "owners",
    METADATA,
    Column("sweep", String(200), primary_key=True),
    Column("fence", BigInteger, nullable=False),
    Column("token", String(32)),
    Column("host", String(200), nullable=False),
    Column("process", String(200), nullable=False),
    Column("since", Float, nullable=False),
    Column("beat", BigInteger, nullable=False),
    ForeignKeyConstraint(["sweep"], ["sweeps.name"]),
)

events = Table(
    "events",
    METADATA,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("time", Float, nullable=False),
    Column("sweep", String(200), nullable=False),
    Column("trial", Integer),
    Column("kind", String(20), nullable=False),
    Column("payload", _JSON, nullable=False),
    Column("chain", String(32), nullable=False, server_default=""),
    Index("events_by_sweep", "sweep", "id"),
    sqlite_autoincrement=True,
)
