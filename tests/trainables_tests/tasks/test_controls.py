"""Controls: what they take away, what they refuse, and that they train on real ranks."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.trainables_tests.tiny_jobs import MAX_LENGTH, VISION, Bench, phase, trial
from trainables.checks.controls import check_controls
from trainables.config import EvaluationConfig
from trainables.data.encoded_split import EncodedRequest, EncodedTask, TokenizerSource
from trainables.data.phase_data import open_task
from trainables.errors import ConfigError, InputError
from trainables.models.encoder import load_tokenizer
from trainables.plan.provenance import read_provenance
from trainables.plan.stage_plan import plan_stages
from trainables.ranks.local_group import LocalGroup
from trainables.tasks.kinds.by_name import kind
from trainables.tasks.kinds.kind import EncodingContext
from trainables.tasks.registry import family_of, task
from trainables.tasks.spec import TaskSpec

pytestmark = pytest.mark.usefixtures("tiny_world")


@pytest.fixture(scope="module")
def bench(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(encoder=tiny_encoder, folder=tmp_path_factory.mktemp("controls"))


def opened(bench: Bench, name: str, *, split: str = "train") -> EncodedTask:
    tokenizer = TokenizerSource(tokenizer=load_tokenizer(bench.encoder), fingerprint="tiny")
    request = EncodedRequest(
        spec=task(name), split=split, tokenizer=tokenizer, max_length=MAX_LENGTH, cache=bench.cache
    )
    return open_task(request, languages=("en",))


def texts(encoded: EncodedTask) -> list[list[int]]:
    return [list(ids) for ids in encoded.columns["input_ids"]]


def test_shuffled_labels_keep_texts_and_frequencies_and_are_decided_by_the_seed(bench: Bench) -> None:
    true, shuffled, other = (opened(bench, name) for name in ("mnli", "mnli@shuffled", "mnli@shuffled7"))

    labels = [list(one.columns["label"]) for one in (true, shuffled, other)]
    assert texts(shuffled) == texts(true)
    assert Counter(labels[1]) == Counter(labels[0])
    assert labels[0] != labels[1] != labels[2]
    assert list(opened(bench, "mnli@shuffled").columns["label"]) == labels[1]


def test_shuffled_images_leave_their_texts_and_labels(bench: Bench) -> None:
    true, shuffled = opened(bench, "nlvr"), opened(bench, "nlvr@shuffled")

    assert texts(shuffled) == texts(true)
    assert list(shuffled.columns["label"]) == list(true.columns["label"])
    assert not any(a == b for a, b in zip(true.columns["image"], shuffled.columns["image"], strict=True))


def test_a_shuffled_task_reads_its_bases_file_and_its_true_dev_split(bench: Bench) -> None:
    true, shuffled = (opened(bench, name, split="validation") for name in ("nlvr", "nlvr@shuffled"))

    assert shuffled.fingerprint == true.fingerprint
    assert list(shuffled.columns["image"]) == list(true.columns["image"])


def test_captions_are_classified_or_hidden_without_their_images(bench: Bench) -> None:
    classified, hidden, retrieved = (
        task(name) for name in ("nlvr@captions_only", "nlvr@captions_mlm", "miniature_retrieval@captions_only")
    )

    assert (classified.kind, classified.labels, classified.has_images) == ("sentence_pair", ("false", "true"), False)
    assert (hidden.kind, hidden.columns, hidden.labels) == ("masked_lm", {"text": "sentence"}, ())
    assert (retrieved.kind, retrieved.columns) == ("masked_lm", {"text": "caption"})
    examples = opened(bench, "nlvr@captions_only")
    assert "image" not in examples.columns
    assert list(examples.columns["label"]) == list(opened(bench, "nlvr").columns["label"])


def test_every_caption_of_an_image_is_an_example(bench: Bench) -> None:
    tokenizer = load_tokenizer(bench.encoder)
    context = EncodingContext(spec=task("flickr30k@captions_only"), tokenizer=tokenizer, max_length=MAX_LENGTH)

    encoded = kind("masked_lm").encode({"text": [["w1", "w2 w3"], ["w4"]], "row": [5, 6]}, context)

    assert encoded["row"] == [5, 5, 6]
    assert [tokenizer.decode(ids, skip_special_tokens=True) for ids in encoded["input_ids"]] == ["w1", "w2 w3", "w4"]


@pytest.mark.parametrize("name", ["nlvr2", "vqa_v2", "coco_captions", "snli_ve", "miniature_entailment"])
def test_every_task_with_images_has_its_controls(name: str) -> None:
    for control in ("shuffled", "captions_only", "captions_mlm"):
        spec = task(f"{name}@{control}")
        assert TaskSpec.model_validate(spec.model_dump()) == spec
        assert spec.has_images == (control == "shuffled")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("squad@shuffled", "permutes images or class labels"),
        ("mnli@captions_only", "captions are taken from kinds image_classification"),
        ("nlvr@shufled", "did you mean 'nlvr@shuffled'"),
        ("nlvrr@shuffled", "did you mean 'nlvr'"),
        ("nlvr@captions_only3", "a seed has no effect"),
        ("nlvr@", "unknown task"),
    ],
)
def test_a_control_that_cannot_be_is_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        task(name)


def test_a_task_in_its_own_right_cannot_be_named_like_a_control() -> None:
    with pytest.raises(ValueError, match="the name of a control has an `@`"):
        TaskSpec.model_validate(task("mnli").model_dump() | {"name": "mnli@mine"})


@pytest.mark.parametrize("name", ["nlvr@shuffled", "nlvr@captions_only", "mnli@equal_compute"])
def test_controls_are_of_family_control_alone_and_in_a_mixture(name: str) -> None:
    assert family_of({name: 1.0}) == family_of({name: 0.5, "squad": 0.5}) == "control"


def test_a_controls_stage_is_its_own_and_moves_with_base_and_seed(tiny_encoder: Path) -> None:
    names = ("nlvr", "nlvr@shuffled", "nlvr@shuffled7", "nlvr@captions_only", "nlvr@captions_mlm")
    keys: set[str] = set()
    for name in names:
        vision = VISION if task(name).has_images else None
        config = trial(tiny_encoder, intermediate=phase(mixture={name: 1.0}, vision=vision))
        provenance = read_provenance(config)
        moved = provenance.model_copy(update={"data": provenance.data | {name: "other rows"}})
        keys |= {plan_stages(config, provenance=one)[0].key for one in (provenance, moved)}

    assert len(keys) == 2 * len(names)


def test_controls_stay_in_the_intermediate_phase_and_equal_compute_is_the_targets_task(tiny_encoder: Path) -> None:
    equal = {"snli@equal_compute": 1.0}
    wrong = {
        "target.mixture": trial(tiny_encoder, target=phase(mixture={"mnli@shuffled": 1.0})),
        "pretraining.mixture": trial(tiny_encoder, pretraining=phase(mixture={"nlvr@captions_mlm": 1.0})),
        "evaluation.task": trial(tiny_encoder, evaluation=EvaluationConfig(task="xnli@shuffled")),
        "intermediate.mixture": trial(tiny_encoder, intermediate=phase(mixture=equal)),
        "intermediate.epochs": trial(
            tiny_encoder, intermediate=phase(mixture={"mnli@equal_compute": 1.0}, steps=None, epochs=2.0)
        ),
    }

    for field, config in wrong.items():
        with pytest.raises(ConfigError) as caught:
            check_controls(config)
        assert caught.value.field == field


@pytest.mark.slow
def test_controls_train_and_are_scored(bench: Bench, one_rank: LocalGroup) -> None:
    names = ["nlvr@shuffled", "nlvr@captions_only", "nlvr@captions_mlm", "mnli@equal_compute", "mnli@shuffled"]
    work = phase(
        mixture=dict.fromkeys(names, 0.2), vision=VISION, batch_size=20, steps=2, num_examples=60, num_dev_items=8
    )

    result = bench.train(one_rank, work).result

    assert set(result.scores) == {*names, "nlvr@shuffled/shuffled_images"}
    assert (set(result.counts), sum(result.counts.values())) == (set(names), 40)
