"""Each arm of the shipped spec `translate` trains on made-up translations in the layout of its repositories."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from search.cli.main import exit_code
from search.compare.groups import task_group_name
from search.record import Proposal, Record, open_record
from spaces.space.binder import bind
from spaces.space.enumeration import first_assignments
from spaces.sweep_spec import load_sweep_spec, make_space, recorded
from tests.contracts.samples import NUM_ROWS, write_sample
from tests.trainables_tests.tiny_jobs import Bench, engine
from trainables.config import PhaseConfig, TrialConfig
from trainables.config.auxiliary import BESIDE_TASK
from trainables.ranks.local_group import LocalGroup
from trainables.tasks.auxiliary_mlm import WIKIPEDIA
from trainables.tasks.registry import task

SPEC = load_sweep_spec("translate")
ARMS = ("english", "translated", "masked_lm")
LANGUAGES = SPEC.families["text"]["choice"]["masked_lm"]["beside"]["masked_lm"]["languages"]  # type: ignore[index, call-overload]


def config_of(arm: str, *, family: str = "text") -> TrialConfig:
    """Return the trial of an arm with its first seeds."""
    first = next(one for one in first_assignments(make_space(SPEC)) if one["family"] == family)
    if family == "text":
        first = {"family": "text", "intermediate.text": arm, f"intermediate.text.{arm}.seed": 0, "target.seed": 0}
    return bind(make_space(SPEC), first)


def write_texts(folder: Path) -> None:
    """Write the layout of Wikipedia's repository: a configuration of each language, an article with two paragraphs."""
    lines = ["---", "configs:"]
    for language in LANGUAGES:
        config = f"20231101.{language}"
        (folder / config).mkdir(parents=True)
        articles = [f"{language} star {number}\n\nred circle" for number in range(NUM_ROWS)]
        pq.write_table(pa.table({"text": articles}), folder / config / "train.parquet")
        lines += [f"- config_name: {config}", "  data_files:", "  - split: train", f"    path: {config}/train.parquet"]
    (folder / "README.md").write_text("\n".join([*lines, "---", ""]))


@pytest.fixture(scope="module")
def bench(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bench, LocalGroup]]:
    folder = tmp_path_factory.mktemp("translate")
    mirror = folder / "mirror"
    for name in ("paws_translated", "mnli", "xnli"):
        for language in task(name).languages:
            write_sample(task(name), mirror, language=language)
    write_texts(mirror / "datasets" / WIKIPEDIA)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XSTILTS_MIRROR", str(mirror))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_DATASETS_CACHE", str(folder / "datasets-cache"))
        with contextlib.closing(LocalGroup(engine())) as group:
            yield Bench(encoder=tiny_encoder, folder=folder), group


def small(work: PhaseConfig) -> PhaseConfig:
    return work.model_copy(update={"steps": 4, "batch_size": 16, "max_length": 48, "num_dev_items": 0})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arm", "sizes"),
    [
        ("english", {"paws_translated": NUM_ROWS}),
        ("translated", {"paws_translated": 7 * NUM_ROWS}),
        # Each fiftieth of a language's paragraphs, from the first on, is kept for its dev split.
        ("masked_lm", {"paws_translated": NUM_ROWS, BESIDE_TASK: 14 * (2 * NUM_ROWS - 1)}),
    ],
)
def test_an_arm_trains(arm: str, sizes: dict[str, int], bench: tuple[Bench, LocalGroup]) -> None:
    place, group = bench
    work = config_of(arm).intermediate
    assert work is not None

    trained = place.train(group, small(work))

    assert len(trained.losses) == 4
    assert all(map(math.isfinite, trained.losses))
    assert {name: one.size for name, one in trained.result.tasks.items()} == sizes


@pytest.mark.slow
def test_a_dry_run_plans_every_arm_with_five_seeds(
    bench: tuple[Bench, LocalGroup], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    del bench  # its mirror
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path))
    places = ("trial.intermediate", "trial.target", "trial.evaluation")
    settings = ["trial.encoder.name=miniature", *(f"{place}.max_length=64" for place in places)]

    words = ["search", "translate", "--dry-run", "--json", *(word for one in settings for word in ("--set", one))]
    assert exit_code(words) == 0
    forecast = json.loads(capsys.readouterr().out)["forecast"]

    assert forecast["trials"] == 25
    # Five baselines of two stages, and five of each of four arms of three.
    assert forecast["stages_made"]["high"] == 5 * 2 + 4 * 5 * 3


def test_the_arms_differ_in_what_is_beside_the_task_alone() -> None:
    works = {arm: config_of(arm).intermediate for arm in ARMS}
    plain: list[Any] = [work and work.model_copy(update={"beside": None}) for work in works.values()]

    assert plain == [works["english"]] * 3
    assert config_of("", family="none").intermediate is None


def test_a_comparison_by_task_tells_the_arms_apart(tmp_path: Path) -> None:
    with open_record(str(tmp_path / "record.db")) as record:
        names = [_named(record, arm) for arm in ARMS]

    languages = " ".join(LANGUAGES)
    ratio = config_of("masked_lm").intermediate.beside.masked_lm.ratio  # type: ignore[union-attr]
    assert names == [
        "paws_translated",
        f"paws_translated + translations into {' '.join(config_of('translated').intermediate.beside.translations)}",  # type: ignore[union-attr]
        f"paws_translated + masked LM in {languages} ({ratio:.0%})",
    ]


def _named(record: Record, arm: str) -> str:
    record.put_sweep("translate", spec=recorded(SPEC), objective="average", planned_trials=25)
    proposal = Proposal(family="text", assignment={"family": "text"}, config=config_of(arm), seed=0)
    return task_group_name(record.propose("translate", proposal=proposal))


def test_the_spec_names_the_paper_its_finding_and_the_files_that_other_tasks_need() -> None:
    text = (Path(__file__).parents[2] / "spaces/translate.yaml").read_text()

    assert "2005.13013" in text
    assert "no difference" in text
    assert "train.{language}.jsonl" in text
