"""Merges and averages as groups of a comparison, and as the record counts and shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from search.cli.main import exit_code
from search.compare.comparison import Question, compare
from search.compare.protocols import selection_protocols
from search.query import sweep_status
from search.record import Proposal, open_record
from tests.trainables_tests.tiny_jobs import phase
from trainables.config import PhaseConfig, TrialConfig
from trainables.results import Family, StageRun, TrialResult

MIXED = {"snli": 0.5, "squad": 0.5}


def work(**fields: Any) -> PhaseConfig:
    return PhaseConfig.model_validate(phase().model_dump(mode="json") | fields)


def stages_of(number: int, config: TrialConfig) -> list[StageRun]:
    """Return a lineage: two parts for each combination, of which the last trials find those of the first."""
    phases = {"intermediate": config.intermediate, "target": config.target}
    found: list[StageRun] = []
    for name, of_phase in phases.items():
        if of_phase is None:
            continue
        combined = bool(of_phase.merge or of_phase.average)
        parts = [(f"{name} part {turn}", 20, True) for turn in range(2)] if combined else []
        for key, steps, is_part in [*parts, (f"{name} {number}", 0 if combined else 20, False)]:
            fields = {"phase": name, "key": key.ljust(64, "0"), "steps": steps, "is_trunk": is_part}
            found.append(StageRun.model_validate({**fields, "seconds": 1.0, "reused": number > 0 and is_part}))
    evaluation = {"phase": "evaluation", "key": f"evaluation {number}".ljust(64, "0"), "steps": 0, "seconds": 1.0}
    return [*found, StageRun.model_validate({**evaluation, "reused": False})]


def write(where: Path, trials: list[tuple[Family, TrialConfig]]) -> None:
    """Make a record whose trials are finished."""
    with open_record(where) as record:
        record.put_sweep("sweep", spec={"sampler": {"name": "random"}}, objective="average", planned_trials=len(trials))
        for number, (family, config) in enumerate(trials):
            record.propose("sweep", proposal=Proposal(family=family, assignment={}, config=config, seed=1))
            record.start("sweep", number=number)
            languages = {"en": 0.5 + number / 1000, "de": 0.5}
            stages = tuple(stages_of(number, config))
            result = TrialResult(languages=languages, num_items=1000, task_scores={}, stages=stages)
            record.finish("sweep", number=number, result=result)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record with merges, mixtures and averages of overlapping runs."""
    trials: list[tuple[Family, TrialConfig]] = []
    for seed in range(3):
        mixed = work(mixture=MIXED, seed=seed)
        trials += [
            ("none", TrialConfig(target=work(seed=seed))),
            ("none", TrialConfig(target=work(seed=seed, average={"seeds": 3}))),
            ("multitask", TrialConfig(intermediate=mixed, target=work(seed=seed))),
            ("merged", TrialConfig(intermediate=work(mixture=MIXED, seed=seed, merge={}), target=work(seed=seed))),
        ]
    where = tmp_path_factory.mktemp("home") / "record.db"
    write(where, trials)
    return where


@pytest.mark.parametrize(
    ("by", "baseline", "names"),
    [
        ("family", "none", {"none", "none, average of 3", "multitask", "merged"}),
        ("task", "none", {"none", "none, average of 3", "snli + squad", "merge of snli + squad"}),
    ],
)
def test_merges_and_averages_are_groups(by: str, baseline: str, names: set[str], place: Path) -> None:
    with open_record(place, read_only=True) as record:
        found = compare(record, Question(sweep="sweep", by=by, baseline=baseline))

    assert {group.group for group in found.groups} == names


def test_averages_of_overlapping_runs_count_as_one_seed(place: Path) -> None:
    with open_record(place, read_only=True) as record:
        found = {group.group: group for group in compare(record, Question(sweep="sweep")).groups}

    # The runs have seeds 0-2, 1-3 and 2-4.
    assert (found["none, average of 3"].num_trials, found["none, average of 3"].num_intermediate_seeds) == (3, 1)
    assert found["none, average of 3"].verdict == "undecided"
    # Single runs share no luck among each other; seed 1 of an average is not counted against the single run of seed 1.
    assert [found[name].num_intermediate_seeds for name in ("multitask", "merged")] == [3, 3]
    assert found["merged"].num_target_seeds == 3


def test_merges_that_keep_the_seed_of_a_part_count_as_one_seed(tmp_path: Path) -> None:
    trials: list[tuple[Family, TrialConfig]] = []
    for seed in range(3):
        merged = work(mixture=MIXED, seed=seed, merge={"parts": {"snli": {"seed": 7}}})
        trials += [
            ("none", TrialConfig(target=work(seed=seed))),
            ("merged", TrialConfig(intermediate=merged, target=work(seed=seed))),
        ]
    write(tmp_path / "record.db", trials)

    with open_record(tmp_path / "record.db", read_only=True) as record:
        found = {group.group: group for group in compare(record, Question(sweep="sweep")).groups}

    assert (found["merged"].num_trials, found["merged"].num_intermediate_seeds) == (3, 1)


def test_where_every_target_is_an_average_the_baseline_is_one_too(tmp_path: Path) -> None:
    trials: list[tuple[Family, TrialConfig]] = []
    for seed in (0, 10, 20):
        target = work(seed=seed, average={"seeds": 2})
        trials += [
            ("none", TrialConfig(target=target)),
            ("multitask", TrialConfig(intermediate=work(mixture=MIXED, seed=seed), target=target)),
        ]
    write(tmp_path / "record.db", trials)

    with open_record(tmp_path / "record.db", read_only=True) as record:
        found = compare(record, Question(sweep="sweep"))

    assert found.protocol.baseline == "none, average of 2"
    assert {group.group for group in found.groups} == {"none, average of 2", "multitask, average of 2"}


def test_the_status_counts_merges_and_averages_and_their_parts_once(place: Path) -> None:
    with open_record(place, read_only=True) as record:
        status = sweep_status(record, sweep="sweep")

    assert status.num_combined == 6


def test_show_names_what_is_merged_and_what_it_is_merged_from(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XSTILTS_HOME", str(place.parent))

    assert exit_code(["show", "sweep", "3"]) == 0

    shown = capsys.readouterr().out
    assert shown.count("intermediate, part") == 2
    assert "intermediate, merge" in shown


def test_one_protocol_selects_among_averages_only(place: Path) -> None:
    with open_record(place, read_only=True) as record:
        rows = {row.protocol: row for row in selection_protocols(record, sweep="sweep")}

    assert rows["english"].trial == 11
    assert rows["english_of_averages"].trial == 9  # the last of the averages has the best score in English
    assert rows["english_of_averages"].regret == pytest.approx(0.1)
