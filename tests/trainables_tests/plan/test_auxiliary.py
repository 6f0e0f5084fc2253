"""What stands beside an intermediate phase: texts in other languages, and translated copies, on real ranks."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tiny import WORDS
from tests.trainables_tests.tiny_jobs import MAX_LENGTH, VISION, Bench, phase, trial
from trainables.checks.preflight import check_trial
from trainables.config import BesideConfig, MaskedLmBeside, PhaseConfig, TrialConfig
from trainables.config.auxiliary import BESIDE_TASK
from trainables.data.encoded_split import EncodedRequest, EncodedTask, TokenizerSource
from trainables.data.language_copies import ChainedColumn
from trainables.data.phase_data import open_task
from trainables.errors import ConfigError, InputError
from trainables.models.encoder import load_tokenizer
from trainables.plan.mixture import mixture_weights, num_examples_of_an_epoch
from trainables.plan.provenance import read_provenance
from trainables.plan.stage_plan import plan_stages
from trainables.ranks.local_group import LocalGroup
from trainables.tasks.auxiliary_mlm import beside_spec
from trainables.tasks.registry import task

pytestmark = pytest.mark.usefixtures("tiny_world")

NUM_LINES = 60


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with texts in Swahili (one file) and German (two files), each language in words of its own."""
    folder = tmp_path_factory.mktemp("texts")
    lines = [" ".join(WORDS[(line + place) % 20] for place in range(3 + line % 5)) for line in range(NUM_LINES)]
    (folder / "sw.txt").write_text("\n\n".join(lines) + "\n")
    german = [line.replace("w", "w4") for line in lines]
    (folder / "de").mkdir()
    (folder / "de" / "a.txt").write_text("\n".join(german[:20]))
    (folder / "de" / "b.txt").write_text("\n".join(german[20:]))
    return folder


@pytest.fixture(scope="module")
def bench(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(encoder=tiny_encoder, folder=tmp_path_factory.mktemp("beside"))


def masked_lm(texts: Path, **fields: Any) -> BesideConfig:
    fixed = {"texts": str(texts), "languages": ("sw", "de"), "ratio": 0.25}
    return BesideConfig(masked_lm=MaskedLmBeside(**(fixed | fields)))


def opened(bench: Bench, name: str, *languages: str, texts: Path | None = None, split: str = "train") -> EncodedTask:
    beside = masked_lm(texts, languages=languages).masked_lm if texts else None
    request = EncodedRequest(
        spec=beside_spec(beside) if beside else task(name),
        split=split,
        tokenizer=TokenizerSource(tokenizer=load_tokenizer(bench.encoder), fingerprint="tiny"),
        max_length=MAX_LENGTH,
        cache=bench.cache,
    )
    return open_task(request, languages=languages)


def test_texts_are_the_lines_of_every_language_and_every_fiftieth_is_kept_for_dev(bench: Bench, texts: Path) -> None:
    train = opened(bench, BESIDE_TASK, "sw", "de", texts=texts)
    dev = opened(bench, BESIDE_TASK, "sw", "de", texts=texts, split="validation")

    assert (len(train), len(dev)) == (2 * (NUM_LINES - 2), 2 * 2)
    assert len(train.columns["input_ids"]) == len(train.lengths) == len(train)
    assert [len(ids) for ids in train.columns["input_ids"]] == list(train.lengths)


@pytest.mark.slow
def test_translated_copies_follow_one_another(bench: Bench) -> None:
    english, german = opened(bench, "miniature_nli", "en"), opened(bench, "miniature_nli", "de")
    both = opened(bench, "miniature_nli", "en", "de")

    assert len(both) == len(english) + len(german)
    assert list(both.columns["label"]) == [*english.columns["label"], *german.columns["label"]]
    assert list(both.columns["input_ids"][len(english)]) == list(german.columns["input_ids"][0])


@given(st.lists(st.lists(st.integers(0, 9), max_size=5), min_size=1, max_size=5))
def test_a_chained_column_is_its_parts_on_end(parts: list[list[int]]) -> None:
    column = ChainedColumn(parts)

    assert [column[number] for number in range(len(column))] == list(itertools.chain(*parts))


def test_texts_take_their_ratio_and_tasks_share_the_rest(texts: Path) -> None:
    work = phase(mixture={"mnli": 0.8, "nlvr": 0.2}, beside=masked_lm(texts))

    weights = mixture_weights(work, {"mnli": 80, "nlvr": 20})

    assert weights == pytest.approx({"mnli": 0.6, "nlvr": 0.15, BESIDE_TASK: 0.25})
    assert num_examples_of_an_epoch(work, {"mnli": 60, "nlvr": 15}) == 100


@pytest.mark.slow
def test_texts_train_beside_a_task_and_are_scored(bench: Bench, texts: Path, one_rank: LocalGroup) -> None:
    work = phase(mixture={"commonsense_qa": 1.0}, beside=masked_lm(texts), batch_size=16, steps=10, num_dev_items=8)

    result = bench.train(one_rank, work).result

    assert result.counts == {"commonsense_qa": 120, BESIDE_TASK: 40}
    assert set(result.scores) == {"commonsense_qa", BESIDE_TASK}
    assert result.tasks[BESIDE_TASK].size == 2 * (NUM_LINES - 2)


@pytest.mark.slow
def test_translated_copies_train_under_one_head(bench: Bench, one_rank: LocalGroup) -> None:
    work = phase(
        mixture={"miniature_nli": 1.0}, beside=BesideConfig(translations=("de", "sw")), num_examples=20, steps=2
    )

    result = bench.train(one_rank, work).result

    assert (list(result.tasks), result.tasks["miniature_nli"].size) == (["miniature_nli"], 60)


def keys(config: TrialConfig) -> list[str]:
    return [stage.key for stage in plan_stages(config, provenance=read_provenance(config))]


def test_a_stage_is_made_of_what_the_texts_say_not_of_where_they_lie(
    tiny_encoder: Path, texts: Path, tmp_path: Path
) -> None:
    def beside(folder: Path, **fields: Any) -> list[str]:
        return keys(trial(tiny_encoder, intermediate=phase(beside=masked_lm(folder, **fields))))

    copied = tmp_path / "elsewhere"
    (copied / "de").mkdir(parents=True)
    for name in ("sw.txt", "de/a.txt", "de/b.txt"):
        (copied / name).write_bytes((texts / name).read_bytes())
    first = beside(texts)
    assert beside(copied) == first
    (copied / "sw.txt").write_text("w1 w2\nw3\n")
    others = [
        beside(copied),
        beside(texts, ratio=0.5),
        beside(texts, languages=("sw",)),
        keys(trial(tiny_encoder, intermediate=phase())),
    ]

    assert len({tuple(one) for one in [first, *others]}) == 5


def refused(config: TrialConfig) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        check_trial(config)
    return caught.value


def test_copies_of_the_targets_own_labels_are_refused(tiny_encoder: Path) -> None:
    nli = phase(mixture={"miniature_nli": 1.0})
    copies = nli.model_copy(update={"beside": BesideConfig(translations=("de",))})

    error = refused(trial(tiny_encoder, intermediate=copies, target=nli))

    assert error.field == "intermediate.beside.translations"
    assert "would not be zero-shot" in str(error)


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "a language that a task has not": (
        {"mixture": {"miniature_nli": 1.0}, "beside": BesideConfig(translations=("dee",))},
        "intermediate.beside.translations",
        "did you mean 'de'",
    ),
    "copies of images": (
        {"mixture": {"nlvr": 1.0}, "vision": VISION, "beside": BesideConfig(translations=("de",))},
        "intermediate.beside.translations",
        "has images",
    ),
    "no such folder": (
        {"beside": BesideConfig(masked_lm=MaskedLmBeside(texts="./nowhere", languages=("de",), ratio=0.1))},
        "intermediate.beside.masked_lm.texts",
        "does not exist",
    ),
    "a repository that nothing has": (
        {"beside": BesideConfig(masked_lm=MaskedLmBeside(texts="wikimedia/wikipedia", languages=("de",), ratio=0.1))},
        "intermediate.beside.masked_lm",
        "cannot find dataset 'wikimedia/wikipedia'",
    ),
}


@pytest.mark.parametrize(("fields", "field", "words"), WRONG.values(), ids=WRONG)
def test_what_is_not_there_is_refused_at_its_field(
    fields: dict[str, Any], field: str, words: str, tiny_encoder: Path
) -> None:
    error = refused(trial(tiny_encoder, intermediate=phase(**fields)))

    assert (error.field, words in str(error)) == (field, True), str(error)


def test_a_language_without_texts_names_the_file_that_is_missing(tiny_encoder: Path, texts: Path) -> None:
    error = refused(trial(tiny_encoder, intermediate=phase(beside=masked_lm(texts, languages=("sw", "th")))))

    assert error.field == "intermediate.beside.masked_lm"
    assert "neither th.txt nor a folder th" in str(error)


def test_only_the_intermediate_phase_has_something_beside_it(tiny_encoder: Path, texts: Path) -> None:
    assert refused(trial(tiny_encoder, target=phase(beside=masked_lm(texts)))).field == "target.beside"


@pytest.mark.parametrize(
    ("beside", "words"),
    [
        ({}, "has no effect without"),
        ({"translations": ["en"]}, "remove it"),
        ({"translations": ["de", "de"]}, "listed twice"),
        ({"masked_lm": {"texts": "a/b", "languages": [], "ratio": 0.1}}, "at least 1"),
        ({"masked_lm": {"texts": "a/b", "languages": ["de"], "ratio": 1.0}}, "less than 1"),
        ({"masked_lm": {"texts": "a/b", "languages": ["../x"], "ratio": 0.1}}, "pattern"),
    ],
)
def test_what_says_nothing_is_refused(beside: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        PhaseConfig.model_validate({"mixture": {"mnli": 1.0}, "steps": 1, "beside": beside})


def test_a_language_with_a_single_text_is_refused(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "sw.txt").write_text("w1\n")

    with pytest.raises(InputError, match="has 1 text, but at least 2 are needed"):
        opened(bench, BESIDE_TASK, "sw", texts=tmp_path)
