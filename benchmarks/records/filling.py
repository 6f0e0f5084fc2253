"""Writes the made-up trials of `records/made_trials.py` into each contender."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any  # the vendors are untyped

from records.made_trials import NAME, NUM_RUNGS, MadeTrial, spec_of

from search.record import HistoryRow, Proposal, open_record
from search.record.row_reader import read_trial
from search.record.row_writer import add_measurement, add_trial, move
from search.sampler import PastTrial
from search.sampler import Proposal as Proposed
from spaces.space.binder import bind
from spaces.space.tree import FAMILY_PATH, Assignment
from spaces.sweep_spec import make_space
from trainables.results import StageRun, TrialResult

SPACE = make_space(spec_of(10))
_BATCH = 200


def fill(path: Path, trials: list[MadeTrial]) -> None:
    """Write finished trials into a record, as the driver and its actors do, but many trials in one transaction."""
    with open_record(path) as record:
        spec = spec_of(len(trials))
        record.put_sweep(NAME, spec=spec.model_dump(mode="json"), objective="average", planned_trials=len(trials))
        for first in range(0, len(trials), _BATCH):
            with record.writing_to(NAME) as connection:
                for made in trials[first : first + _BATCH]:
                    _write(connection, made)


def _write(connection: Any, made: MadeTrial) -> None:
    add_trial(connection, NAME, number=made.number, proposal=proposal_of(made))
    trial = read_trial(connection, NAME, number=made.number)
    move(connection, trial, state="running", payload={}, time_column="started_at", attempts=1)
    for rung in range(NUM_RUNGS):
        trial = read_trial(connection, NAME, number=made.number)
        result = result_of(made, rung=rung)
        add_measurement(connection, trial, rung=rung, score=result.average, result=result)
    trial = read_trial(connection, NAME, number=made.number)
    move(connection, trial, state="finished", payload={}, time_column="ended_at")


def proposal_of(made: MadeTrial) -> Proposal:
    """Return a made-up trial as a proposal."""
    return _proposal(made.assignment, seed=made.number, attributes={})


def proposal_for(proposed: Proposed) -> Proposal:
    """Return a sampler's proposal as the driver records it."""
    return _proposal(proposed.assignment, seed=proposed.seed, attributes=proposed.attributes)


def _proposal(assignment: Assignment, *, seed: int, attributes: dict[str, Any]) -> Proposal:
    config = bind(SPACE, assignment)
    family: Any = assignment[FAMILY_PATH]
    return Proposal(family=family, assignment=assignment, config=config, seed=seed, sampler=attributes)


def past(row: HistoryRow) -> PastTrial:
    """Return a row of the record as the sampler sees it."""
    return PastTrial(
        number=row.number,
        assignment=row.assignment,
        state=row.state,
        score=row.score,
        rung=row.rung or 0,
        attributes=row.sampler,
    )


def result_of(made: MadeTrial, *, rung: int) -> TrialResult:
    """Return what a trial scored at a rung: one intermediate stage, a trunk that grows, a decay, an evaluation."""
    planned = [("intermediate", "", 0), ("target", f"trunk {rung}", rung), ("target", f"decay {rung}", rung)]
    stages = [
        StageRun(
            phase=phase,  # pyright: ignore[reportArgumentType]
            key=_key(f"{made.number} {phase} {text}"),
            steps=100,
            seconds=10.0 + rung,
            reused=phase == "intermediate" and rung > 0,
            is_trunk=text.startswith("trunk"),
        )
        for phase, text, rung in planned
    ]
    stages.append(StageRun(phase="evaluation", key=_key(f"{made.number} {rung}"), steps=0, seconds=5.0, reused=False))
    scores = made.rungs[rung]
    return TrialResult(
        languages=scores,
        num_items=2490,
        task_scores={"mnli": 0.8},
        stages=tuple(stages),
        evaluations={"xnli": {"accuracy": scores}},
    )


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def optuna_trial(made: MadeTrial) -> Any:
    """Return a made-up trial as Optuna's: parameters, a value at each rung, the languages of each as an attribute."""
    import optuna

    from search.sampler.distributions import describe

    described = describe(SPACE, made.assignment, coordinates={})
    return optuna.trial.create_trial(
        value=made.score,
        params=described.params,
        distributions=described.distributions,
        intermediate_values={rung: sum(s.values()) / len(s) for rung, s in enumerate(made.rungs)},
        user_attrs={f"rung_{rung}": scores for rung, scores in enumerate(made.rungs)},
    )


def suggest_for_optuna(trial: Any) -> None:
    """Ask an Optuna trial for a value of every active parameter of the space."""
    from search.sampler.distributions import suggest

    suggest(SPACE, trial=trial)


def write_experiment(trials: list[MadeTrial], folder: Path) -> None:
    """Write an experiment folder as Tune leaves it: one folder a trial, and the state of the experiment."""
    from ray.train._internal.storage import StorageContext
    from ray.tune import PlacementGroupFactory
    from ray.tune.experiment.trial import Trial
    from ray.tune.utils.serialization import TuneFunctionEncoder

    storage = StorageContext(str(folder.parent), experiment_dir_name=folder.name)
    states: list[Any] = []
    for made in trials:
        trial = Trial(
            "stub",
            config=dict(made.assignment),
            trial_id=f"{made.number:08x}",
            storage=storage,
            stub=True,
        )
        trial.placement_group_factory = PlacementGroupFactory([{"CPU": 1}])  # pyright: ignore[reportAttributeAccessIssue]
        trial.storage.trial_dir_name = f"trial_{trial.trial_id}"
        lines = [_tune_result(made, rung=rung, trial_id=trial.trial_id) for rung in range(NUM_RUNGS)]
        for line in lines:
            trial.run_metadata.update_metric("score", line["score"], step=line["training_iteration"])
        trial.run_metadata.last_result = lines[-1]
        trial.status = Trial.TERMINATED
        place = folder / trial.storage.trial_dir_name
        place.mkdir(parents=True, exist_ok=True)
        (place / "result.json").write_text("\n".join(map(json.dumps, lines)) + "\n")
        (place / "params.json").write_text(json.dumps(made.assignment))
        states.append(trial.get_json_state())
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
    state = {"trial_data": states, "runner_data": {}, "stats": {"start_time": time.time()}}
    (folder / f"experiment_state-{stamp}.json").write_text(json.dumps(state, cls=TuneFunctionEncoder))


def _tune_result(made: MadeTrial, *, rung: int, trial_id: str) -> dict[str, Any]:
    scores = made.rungs[rung]
    return {
        "score": sum(scores.values()) / len(scores),
        **{f"accuracy_{code}": value for code, value in scores.items()},
        "training_iteration": rung + 1,
        "trial_id": trial_id,
        "timestamp": 1700000000 + rung,
        "time_this_iter_s": 10.0,
        "time_total_s": 10.0 * (rung + 1),
        "done": rung == NUM_RUNGS - 1,
        "config": made.assignment,
    }
