# ruff: noqa: S311  random answers are no secrets
"""XTREME's own metrics, computed from exported files by another implementation, are our figures, for every task."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from seqeval.metrics import f1_score

from search.query import report_trial
from search.query.benchmark_table import BenchmarkTable, benchmark_table
from search.record import Proposal, Record, open_record
from search.xtreme_predictions import XTREME_NAMES, write_submission
from tests.search_tests.published_metrics import entities, plain_spans, task_figure
from trainables.config import TrialConfig
from trainables.config.literature import GROUPS, LITERATURE
from trainables.evaluation.items import Item
from trainables.evaluation.predictions import PREDICTIONS, write_predictions
from trainables.evaluation.scores import score_items
from trainables.results import StageRun, TrialResult
from trainables.stage_store import StageFacts, StageStore
from trainables.tasks.registry import task

TASKS = tuple(dict.fromkeys(name for names in GROUPS.values() for name in names))
NUM_ITEMS = 40
WORDS = {
    "en": "the a an Paris paris, City of-the 12 .",
    "de": "der die ein Haus Haus. über alt 3",
    "es": "el la un casa ¿casa? año 7",
    "hi": "घर का शहर। 12 नया",
    "vi": "của là cái nhà phố mới!",
    "ar": "البيت مدينة، ال جديد 5",
    "zh": "東京 城市。 市 新 12 b",
    "th": "บ้าน เมือง ใหม่ the",
}
Gold = dict[str, dict[str, Any]]
Made = tuple[Any, list[str], list[str]]
"""What is right as the benchmark writes it, the gold of an item, and its prediction."""


def _classes(rng: random.Random, name: str) -> Made:
    right, said = rng.choices(task(name).labels, k=2)
    numbered = name == "paws_x"
    return (str(task(name).labels.index(right)) if numbered else right), [right], [said]


def _choices(rng: random.Random, name: str) -> Made:
    del name
    right, said = rng.choices("01", k=2)
    return int(right), [right], [said]


def _tags(rng: random.Random, name: str) -> Made:
    labels = task(name).labels
    # Few labels, so that spans are longer than one word.
    few = rng.sample(labels, k=3) if name == "udpos" else list(labels)
    right = rng.choices(few, k=rng.randint(1, 12))
    said = [rng.choice(few) if rng.random() < 0.3 else tag for tag in right]
    return right, right, said


def _nearest(rng: random.Random, name: str) -> Made:
    del name
    right = str(rng.randrange(NUM_ITEMS))
    ranked = rng.sample([str(number) for number in range(NUM_ITEMS)], k=20)
    return [right], [right], [right, *ranked] if rng.random() < 0.5 else ranked


def _mined(rng: random.Random, name: str) -> Made:
    del name
    right = [f"en-{rng.randrange(10**6)}"] if rng.random() < 0.6 else []
    said = right if rng.random() < 0.5 else [f"en-{rng.randrange(10**6)}"]
    return right, right, said if rng.random() < 0.7 else []


def _ranked(rng: random.Random, name: str) -> Made:
    pool = [f"Q{number}" for number in range(60)]
    right = rng.sample(pool, k=1 if name == "mewsli_x" else rng.choice([1, 11, 30]))
    return right, right, rng.sample(pool, k=20)


def _answers(rng: random.Random, language: str) -> Made:
    words = WORDS.get(language, WORDS["en"]).split()
    texts = [" ".join(rng.choices(words, k=rng.randint(1, 4))) for _ in range(3)]
    said = texts[0] if rng.random() < 0.3 else " ".join(rng.choices(words, k=rng.randint(1, 4)))
    return texts, texts, [said]


MAKERS: dict[str, Callable[[random.Random, str], Made]] = {
    "xnli": _classes,
    "paws_x": _classes,
    "xcopa": _choices,
    "udpos": _tags,
    "panx": _tags,
    "bucc": _mined,
    "tatoeba": _nearest,
    "lareqa": _ranked,
    "mewsli_x": _ranked,
}


def made_items(name: str, language: str) -> tuple[dict[str, Any], list[Item]]:
    """Return what is right for each item, by its id, and the items with their predictions."""
    rng = random.Random(f"{name} {language}")
    gold: dict[str, Any] = {}
    items: list[Item] = []
    for number in range(NUM_ITEMS):
        right, of_item, said = _answers(rng, language) if name not in MAKERS else MAKERS[name](rng, name)
        key = f"{language}-{number}"
        gold[key] = right
        items.append(Item(item=key, gold=list(of_item), prediction=list(said), scores=[]))
    return gold, items


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Gold], Record]]:
    """A finished trial that is scored on every task of both benchmarks: its files, what is right, its record."""
    home = tmp_path_factory.mktemp("published")
    store, gold, runs_of = StageStore(home / "store"), dict[str, Gold](), list[StageRun]()
    evaluations: dict[str, dict[str, dict[str, float]]] = {}
    for number, name in enumerate(TASKS):
        items: dict[str, list[Item]] = {}
        gold[name] = {}
        for language in LITERATURE[name].languages[:4] if name != "mlqa" else LITERATURE[name].languages:
            gold[name][language], items[language] = made_items(name, language)
        key = f"{number:064x}"
        with store.lease(key), store.work_folder(key) as folder:
            write_predictions(items, folder / PREDICTIONS)
            store.commit(key, folder=folder, facts=_facts())
        scores = {code: score_items(some, spec=task(name), language=code) for code, some in items.items()}
        evaluations[name] = {
            metric: {code: one[metric] for code, one in scores.items()} for metric in next(iter(scores.values()))
        }
        runs_of.append(
            StageRun(
                phase="evaluation",
                key=key,
                steps=0,
                seconds=1.0,
                reused=False,
                further="" if name == "xnli" else name,
            )
        )
    with open_record(str(home / "record.db")) as record:
        _finish(record, evaluations=evaluations, stages=runs_of)
        write_submission(record, sweep="all", number=0, folder=home / "out", store=str(store.root))
        yield home / "out", gold, record


def _facts() -> StageFacts:
    scores: dict[str, Any] = {"scores": {"en": 1.0}, "counts": {"en": 1}}
    return StageFacts(phase="evaluation", parent=None, steps=0, seconds=1.0, made_with={}, **scores)


def _finish(record: Record, *, evaluations: dict[str, Any], stages: list[StageRun]) -> None:
    record.put_sweep("all", spec={}, objective="xtreme_r", planned_trials=1)
    further = [name for name in TASKS if name != "xnli"]
    config = TrialConfig.model_validate({"further": further})
    record.propose("all", proposal=Proposal(family="none", assignment={"family": "none"}, config=config, seed=0))
    record.start("all", number=0)
    result = TrialResult(
        languages=evaluations["xnli"]["accuracy"],
        num_items=NUM_ITEMS,
        task_scores={},
        stages=tuple(stages),
        evaluations=evaluations,
    )
    record.finish("all", number=0, result=result)


def table_of(record: Record, benchmark: str) -> BenchmarkTable:
    return benchmark_table(report_trial(record, sweep="all", number=0), benchmark=benchmark)


@pytest.mark.parametrize("name", TASKS)
def test_the_figure_of_a_task_is_what_its_exported_files_score(
    name: str, exported: tuple[Path, dict[str, Gold], Record]
) -> None:
    folder, gold, record = exported
    benchmark = next(benchmark for benchmark, names in GROUPS.items() if name in names)
    ours = next(one.figure for one in table_of(record, benchmark).tasks if one.task == name)

    published = task_figure(name, folder=folder / XTREME_NAMES.get(name, name), gold=gold[name])

    assert ours == pytest.approx(published, abs=1e-9)
    assert 0.02 < published < 0.98


@pytest.mark.parametrize("benchmark", GROUPS)
def test_the_average_is_that_of_the_exported_files(
    benchmark: str, exported: tuple[Path, dict[str, Gold], Record]
) -> None:
    folder, gold, record = exported
    published = [
        task_figure(name, folder=folder / XTREME_NAMES.get(name, name), gold=gold[name]) for name in GROUPS[benchmark]
    ]

    assert table_of(record, benchmark).average == pytest.approx(fmean(published), abs=1e-9)


def test_the_objective_on_record_is_the_published_average(exported: tuple[Path, dict[str, Gold], Record]) -> None:
    folder, gold, record = exported
    published = [
        task_figure(name, folder=folder / XTREME_NAMES.get(name, name), gold=gold[name]) for name in GROUPS["xtreme_r"]
    ]

    assert record.trial("all", number=0).score == pytest.approx(fmean(published), abs=1e-9)


def test_every_task_is_exported_under_the_benchmarks_names(exported: tuple[Path, dict[str, Gold], Record]) -> None:
    folder, gold, _ = exported

    assert {path.name for path in folder.iterdir()} == {XTREME_NAMES.get(name, name) for name in TASKS} | {
        "predictions.json"
    }
    assert {path.suffix for path in (folder / "xcopa").iterdir()} == {".jsonl"}
    assert len(list(folder.glob("*/test-*"))) == sum(map(len, gold.values()))


@pytest.mark.filterwarnings("ignore:.*seems not to be NE tag")
@pytest.mark.parametrize(("name", "spans"), [("panx", entities), ("udpos", plain_spans)])
def test_the_f1_of_this_test_is_seqevals(name: str, spans: Callable[[list[list[str]]], set[Any]]) -> None:
    rng = random.Random(name)
    labels = task(name).labels
    gold = [rng.choices(labels, k=rng.randint(1, 9)) for _ in range(200)]
    said = [[rng.choice(labels) if rng.random() < 0.2 else tag for tag in tags] for tags in gold]
    right, found = spans(gold), spans(said)

    assert 2 * len(right & found) / (len(right) + len(found)) == pytest.approx(f1_score(gold, said), abs=1e-9)
