"""Which hosts and GPUs are quarantined, by the faults on record; and what becomes of the trials that met them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from search.cli.machine_checks.installation_checks import describe_quarantine
from search.cli.main import cli
from search.query import quarantined_places, report_trial, sweep_status
from search.record import Event, JsonObject, Record, fault_payload, open_record
from search.record.device_faults import DeviceFault, QuarantinedPlace, device_faults, find_quarantined
from search.scheduling.lost_trials import Fault
from tests.search_tests.building import proposal
from tests.search_tests.scheduling.test_scheduler import scheduler, started
from trainables.errors import DeviceFaultError
from trainables.ranks.rank_place import RankPlace, host_names

ECC = "CUDA error: uncorrectable ECC error encountered"


def fault(trial: int, host: str, gpu: str | None = None, *, is_certain: bool = True) -> DeviceFault:
    return DeviceFault(trial=trial, host=host, gpu=gpu, is_certain=is_certain, message=ECC)


def places(faults: Sequence[DeviceFault]) -> list[tuple[str, str | None, int]]:
    return [(one.host, one.gpu, one.num_faults) for one in find_quarantined(faults)]


@pytest.mark.parametrize(
    ("faults", "quarantined"),
    [
        ([], []),
        ([fault(0, "a")], []),
        ([fault(0, "a"), fault(0, "a")], [("a", None, 2)]),
        ([fault(0, "a"), fault(1, "b")], []),
        ([fault(0, "a"), fault(1, "b"), fault(2, "b"), fault(3, "a")], [("b", None, 2), ("a", None, 2)]),
        ([fault(0, "a", "0"), fault(1, "a", "1")], []),
        ([fault(0, "a", "0"), fault(1, "a", "0")], [("a", "0", 2)]),
        ([fault(0, "a", "0"), fault(1, "b", "0")], []),
        ([fault(0, "a", "0")] * 2 + [fault(1, "a", "1")] * 2, [("a", None, 4)]),
        ([fault(0, "a", is_certain=False)] * 2, [("a", None, 2)]),
    ],
)
def test_two_faults_quarantine_a_place(
    faults: list[DeviceFault], quarantined: list[tuple[str, str | None, int]]
) -> None:
    assert places(faults) == quarantined


def happened(number: int, kind: str, payload: JsonObject) -> Event:
    return Event(id=0, time=0.0, sweep="demo", trial=number, kind=kind, payload=payload)


def failed_on(host: str, trial: int, *, is_certain: bool = False) -> Event:
    error = DeviceFaultError(ECC, place=RankPlace(host=host), is_certain=is_certain)
    return happened(trial, "device_fault", fault_payload(error, stage="s" * 64))


def test_a_trial_that_works_nowhere_takes_no_device_from_the_others() -> None:
    doubtful = [failed_on("a", 0), failed_on("a", 0), failed_on("b", 0), failed_on("b", 0)]
    certain = [failed_on("c", 0, is_certain=True)] * 2
    gave_up = happened(0, "failed", {"kind": "device_fault", "error": "no", "stage": None})
    other = happened(1, "failed", {"kind": "other", "error": "no", "stage": None})

    def hosts(*events: Event) -> list[str]:
        return [one.host for one in find_quarantined(device_faults(events))]

    assert hosts(*doubtful, *certain, other) == ["a", "b", "c"]
    assert hosts(*doubtful, *certain, gave_up) == ["c"]


def test_hosts_of_one_name_are_told_apart() -> None:
    assert host_names([("aaaaaaaaaa", "box"), ("bbbbbbbbbb", "node"), ("cccccccccc", "box")]) == {
        "aaaaaaaaaa": "box#aaaaaaaa",
        "bbbbbbbbbb": "node",
        "cccccccccc": "box#cccccccc",
    }


def note(record: Record, number: int, *, gpu: str | None = None) -> None:
    """Note a fault, as a trial's actor does."""
    error = DeviceFaultError(ECC, place=RankPlace(host="b", node="b1", gpu=gpu))
    record.note("demo", number=number, kind="device_fault", payload=fault_payload(error, stage="s" * 64))


def test_the_record_says_it_to_the_driver_and_to_status_and_show(record: Record) -> None:
    for _ in range(2):
        number = record.propose("demo", proposal=proposal()).number
        record.start("demo", number=number)
        note(record, number, gpu="3")

    place = QuarantinedPlace(host="b", gpu="3", num_faults=2, said=ECC)
    assert quarantined_places(record, sweep="demo") == (place,)
    assert sweep_status(record, sweep="demo").set_apart == (place,)
    (happening,) = report_trial(record, sweep="demo", number=0).happenings
    assert happening.description == f"GPU 3 of host b failed: {ECC}"


def test_status_show_and_doctor_print_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path))
    with open_record(tmp_path / "record.db") as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=1)
        record.propose("demo", proposal=proposal())
        record.start("demo", number=0)
        note(record, 0)
        note(record, 0)
        tokens = {"tokens_before": 4096, "tokens_after": 2048}
        record.note("demo", number=0, kind="halved", payload={"stage": "s" * 64, "error": "no memory", **tokens})

    def said(*words: str) -> str:
        return CliRunner().invoke(cli, [*words]).output

    assert f"Quarantined: host b, after 2 device faults (the last: {ECC})" in said("status", "demo")
    shown = " ".join(said("show", "demo", "0").split())  # lines are wrapped at 80 columns
    assert f"host b failed: {ECC} (stage ssssssssssss)" in shown
    assert "a pass of 4096 tokens does not fit the memory; from now on it has 2048 tokens: no memory" in shown
    assert describe_quarantine(str(tmp_path / "record.db")).startswith("host b, after 2 device faults")


def test_a_trial_whose_device_failed_runs_again_and_fails_only_when_it_gets_no_further(record: Record) -> None:
    sweep = scheduler(record, concurrency=1)
    for _ in range(3):
        assert started(sweep, record).number == 0
        sweep.ended(0, fault=Fault(kind="device_fault", message="host b failed (ECC)"))

    trial = record.trial("demo", number=0)
    assert trial.state == "failed"
    assert "could not continue on its devices 3 times, and it made no progress" in str(trial.error)
    assert "host b failed (ECC)" in str(trial.error)
