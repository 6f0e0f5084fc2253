"""All ten tasks of XTREME-R in one trial: they share one intermediate stage, and the table adds up."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from search.query import report_trial
from search.query.benchmark_table import BenchmarkTable, benchmark_table
from search.record import Proposal, Record, open_record
from search.xtreme_predictions import XTREME_NAMES, write_submission
from tests.contracts.samples import write_entities, write_sample
from tests.search_tests.published_metrics import task_figure
from tests.trainables_tests.tiny_jobs import engine, phase
from trainables.config import EncoderConfig, EvaluationConfig, TrialConfig
from trainables.config.literature import GROUPS, LITERATURE
from trainables.data.sources.locator import locate_dataset
from trainables.errors import UnavailableError
from trainables.evaluation.items import Item
from trainables.evaluation.predictions import PREDICTIONS, read_predictions
from trainables.ranks.local_group import LocalGroup
from trainables.results import TrialResult
from trainables.stage_store import StageStore
from trainables.tasks.registry import task
from trainables.tasks.spec import HubSource
from trainables.trials.trial import TrialResources, run_trial

LANGUAGES = {
    "xcopa": ("it", "sw"),
    "udpos": ("en", "de"),
    "panx": ("en", "sw"),
    "xquad": ("en", "th"),
    "mlqa": ("en", "de"),
    "tydiqa": ("en", "sw"),
    "mewsli_x": ("de", "en"),
    "lareqa": ("en", "zh"),
    "tatoeba": ("de", "sw"),
}
MAX_LENGTH = 64
NO_ANSWER = "nonesuch"
"""Stands for the answer of a made-up question without one: no prediction has such a word."""

pytestmark = [
    pytest.mark.mirror,
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("XSTILTS_MIRROR"), reason="XSTILTS_MIRROR is unset: no real data here"),
]


def work(name: str) -> dict[str, object]:
    """Return what one further target changes in the literature's settings: it takes one step and scores few items."""
    steps = {"steps": 1, "batch_size": 4, "max_length": MAX_LENGTH, "num_dev_items": 0}
    evaluation = {"languages": list(LANGUAGES[name]), "num_items": 40, "max_length": MAX_LENGTH}
    phases = [{"mixture": {one: 1.0}, **steps} for one in LITERATURE[name].training]
    return {"evaluation": evaluation} | ({"target": phases} if phases else {})


@pytest.fixture
def whole_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mirror with the real one's data sets, and made-up rows of the tasks that it lacks."""
    mirror, real = tmp_path / "mirror", Path(os.environ["XSTILTS_MIRROR"])
    needed = {name: LANGUAGES[name] for name in LANGUAGES}
    needed |= {name: ("en",) for one in LANGUAGES for name in LITERATURE[one].training if name not in needed}
    for name, languages in needed.items():
        source = task(name).source
        try:
            is_there = not isinstance(source, HubSource) or locate_dataset(source.repository).kind == "mirror"
        except UnavailableError:
            is_there = False
        for language in () if is_there else languages:
            write_sample(task(name), mirror, language=language)
    for repository in real.glob("datasets/*/*"):
        link = mirror / "datasets" / repository.parent.name / repository.name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to(repository)
    write_entities(tmp_path / "entities")
    monkeypatch.setenv("XSTILTS_MEWSLIX", str(tmp_path / "entities"))
    monkeypatch.setenv("XSTILTS_MIRROR", str(mirror))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "datasets-cache"))
    return tmp_path


def recorded_table(record: Record, *, config: TrialConfig, result: TrialResult) -> BenchmarkTable:
    """Return the table of a trial after it went through a record, whose objective is the table's average."""
    record.put_sweep("sweep", spec={}, objective="xtreme_r", planned_trials=1)
    record.propose("sweep", proposal=Proposal(family="text", assignment={"family": "text"}, config=config, seed=0))
    record.start("sweep", number=0)
    record.finish("sweep", number=0, result=result)
    return benchmark_table(report_trial(record, sweep="sweep", number=0), benchmark="xtreme_r")


def test_all_ten_tasks_are_scored_from_one_intermediate_stage_and_the_table_adds_up(whole_world: Path) -> None:
    config = TrialConfig.model_validate(
        TrialConfig(
            encoder=EncoderConfig(name="miniature"),
            intermediate=phase(mixture={"snli": 1.0}, steps=2, max_length=MAX_LENGTH),
            target=phase(steps=1, max_length=MAX_LENGTH),
            evaluation=EvaluationConfig(languages=("en", "de"), num_items=40, max_length=MAX_LENGTH),
            engine=engine(),
        ).model_dump(mode="json")
        | {"further": {name: work(name) for name in GROUPS["xtreme_r"] if name != "xnli"}}
    )
    group = LocalGroup(engine())
    try:
        result = run_trial(config, resources=TrialResources(store=StageStore(whole_world / "store"), group=group))
    finally:
        group.close()

    assert set(result.evaluations) == set(GROUPS["xtreme_r"])
    made = [stage for stage in result.stages if not stage.reused]
    assert [stage.phase for stage in made].count("intermediate") == 1
    # XQuAD and MLQA train alike on SQuAD, so their target is one stage.
    trained = {(stage.further, stage.key) for stage in made if stage.phase == "target"}
    assert len({key for _, key in trained}) == len(trained) == 7
    assert [stage.phase for stage in made].count("evaluation") == 10
    with open_record(str(whole_world / "record.db")) as record:
        table = recorded_table(record, config=config, result=result)
        score = record.trial("sweep", number=0).score
        files = whole_world / "files"
        write_submission(record, sweep="sweep", number=0, folder=files, store=str(whole_world / "store"))
    mean = {name: {metric: fmean(of.values()) for metric, of in result.evaluations[name].items()} for name in LANGUAGES}
    classification = (fmean(result.languages.values()) + mean["xcopa"]["accuracy"]) / 2
    structured = (mean["udpos"]["seqeval_f1"] + mean["panx"]["seqeval_f1"]) / 2
    answers = [(mean[name]["f1"] + mean[name]["exact_match"]) / 2 for name in ("xquad", "tydiqa")]
    answers.append((mean["mlqa"]["mlqa_f1"] + mean["mlqa"]["exact_match"]) / 2)
    found = [mean["mewsli_x"]["map_at_20"], mean["lareqa"]["map_at_20"], mean["tatoeba"]["accuracy"]]
    assert table.missing == ()
    assert table.groups == {
        "classification": pytest.approx(classification),
        "structured prediction": pytest.approx(structured),
        "question answering": pytest.approx(fmean(answers)),
        "retrieval": pytest.approx(fmean(found)),
    }
    assert table.average == pytest.approx((2 * classification + 2 * structured + sum(answers) + sum(found)) / 10)
    assert score == pytest.approx(table.average, abs=1e-9)
    assert [one.num_languages for one in table.tasks] == [2] * 10
    gold = gold_of(result, store=StageStore(whole_world / "store"))
    published = {name: task_figure(name, folder=files / XTREME_NAMES.get(name, name), gold=gold[name]) for name in gold}
    assert {one.task: one.figure for one in table.tasks} == pytest.approx(published, abs=1e-9)


def gold_of(result: TrialResult, *, store: StageStore) -> dict[str, dict[str, dict[str, Any]]]:
    """Return task -> language -> item -> what is right, as the benchmark writes it."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for run in result.stages:
        stage = store.find(run.key) if run.phase == "evaluation" else None
        if stage is not None:
            name = run.further or "xnli"
            items = read_predictions(stage.folder / PREDICTIONS)
            is_asked = task(name).kind == "span_qa"
            found[name] = {
                code: {one.item: _right(name, one) for one in some if one.gold or is_asked}
                for code, some in items.items()
            }
    return found


def _right(name: str, item: Item) -> Any:
    makers: dict[str, Callable[[list[str]], Any]] = {"xnli": lambda gold: gold[0], "xcopa": lambda gold: int(gold[0])}
    return makers.get(name, list)(item.gold or [NO_ANSWER])
