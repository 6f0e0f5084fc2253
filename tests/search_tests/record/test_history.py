"""A history reads only what changed, and always says what the record says."""

from __future__ import annotations

from search.query import trial_table
from search.record import History, HistoryRow, Record, open_record
from tests.search_tests.building import proposal, result


def states(history: History[HistoryRow]) -> list[tuple[int, str, float | None]]:
    return [(row.number, row.state, row.score) for row in history.trials()]


def history_of(record: Record) -> History[HistoryRow]:
    return History(record, sweep="demo", make=lambda row: row)


def test_an_empty_sweep_has_no_history(record: Record) -> None:
    assert history_of(record).trials() == []


def test_a_history_follows_the_record(record: Record) -> None:
    history = history_of(record)
    for _ in range(3):
        record.propose("demo", proposal=proposal())
    assert states(history) == [(0, "proposed", None), (1, "proposed", None), (2, "proposed", None)]
    record.start("demo", number=0)
    record.finish("demo", number=1, result=result(0.5))
    record.fail("demo", number=2, error="x")
    record.propose("demo", proposal=proposal())
    wanted = [(0, "running", None), (1, "finished", 0.5), (2, "failed", None), (3, "proposed", None)]
    assert states(history) == wanted
    assert states(history_of(record)) == wanted


def test_a_history_sees_what_other_processes_wrote(record: Record) -> None:
    history = history_of(record)
    record.propose("demo", proposal=proposal())
    assert states(history) == [(0, "proposed", None)]
    with open_record(record.where) as other:
        other.finish("demo", number=0, result=result(0.5))
    assert states(history) == [(0, "finished", 0.5)]


def test_only_what_changed_is_made_anew(record: Record) -> None:
    made: list[int] = []
    history = History(record, sweep="demo", make=lambda row: made.append(row.number))
    for _ in range(3):
        record.propose("demo", proposal=proposal())
    history.trials()
    record.start("demo", number=1)
    history.trials()
    history.trials()
    assert made == [0, 1, 2, 1]


def test_a_history_has_what_the_sampler_stored(record: Record) -> None:
    sent = proposal(learning_rate=0.5).model_copy(update={"sampler": {"system": {"a": 1}}})
    record.propose("demo", proposal=sent)
    (row,) = history_of(record).trials()
    assert (row.assignment, row.sampler) == (sent.assignment, sent.sampler)


def test_a_table_has_a_row_for_each_trial(record: Record) -> None:
    for number in range(3):
        record.propose("demo", proposal=proposal(learning_rate=number / 10))
    record.measure("demo", number=0, result=result(0.3))
    record.finish("demo", number=0, rung=1, result=result(0.5))

    table = trial_table(record, sweep="demo")
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]

    assert [(row["number"], row["state"], row["rung"]) for row in rows] == [
        (0, "finished", 1),
        (1, "proposed", None),
        (2, "proposed", None),
    ]
    assert (rows[0]["score"], rows[0]["de"], rows[0]["steps_paid"]) == (0.5, 0.5, 10)
    assert [row["learning_rate"] for row in rows] == [0.0, 0.1, 0.2]
    assert rows[1]["de"] is None


def test_a_table_can_have_every_rung(record: Record) -> None:
    record.propose("demo", proposal=proposal())
    record.measure("demo", number=0, result=result(0.3))
    record.finish("demo", number=0, rung=1, result=result(0.5))

    table = trial_table(record, sweep="demo", every_rung=True)

    at = table.columns.index("rung"), table.columns.index("score"), table.columns.index("de")
    assert [tuple(row[place] for place in at) for row in table.rows] == [(0, 0.3, 0.3), (1, 0.5, 0.5)]
