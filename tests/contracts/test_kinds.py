"""One contract, every kind: rows are encoded, batched and scored, however odd they are."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from PIL import Image

import trainables
from trainables.errors import TaskDataError
from trainables.models.encoder import load_tokenizer
from trainables.tasks.kinds.by_name import kind
from trainables.tasks.kinds.kind import CollateContext, EncodingContext, Kind
from trainables.tasks.kinds.pixels import decode_square
from trainables.tasks.kinds.span_qa import answers_given
from trainables.tasks.kinds.tagging import tagged_sentences
from trainables.tasks.metrics.spans_f1 import spans_of
from trainables.tasks.metrics.squad_f1 import f1
from trainables.tasks.spec import GeneratedSource, KindName, MaskingPolicy, TaskSpec
from trainables.tasks.supertags import UNSEEN

TOKENIZER = load_tokenizer(Path(trainables.__file__).parent / "miniature" / "assets" / "encoder")
TEXTS = ["", "a red star", "نجمة حمراء", "ดาวสีแดง", "红色的星", "star " * 600, " \n\t", "🙂 <x> \u0000"]
MAX_LENGTH = 48
IMAGE = Image.new("RGBA", (20, 10), (255, 0, 0, 0))
ANSWERS = ("red", "no", "yes")
NUM = len(TEXTS)
ROWS: dict[KindName, dict[str, list[Any]]] = {
    "sentence_pair": {"premise": TEXTS, "hypothesis": TEXTS[::-1], "label": [0, 1, 2, 0, 1, 2, 0, 1]},
    "multiple_choice": {"question": TEXTS, "choices": [TEXTS[:3]] * NUM, "label": [0, 1, 2, 0, 1, 2, 0, 1]},
    "span_qa": {
        "context": TEXTS,
        "question": TEXTS[::-1],
        "answers": [{"text": [], "answer_start": []}, {"text": ["red"], "answer_start": [2]}] + [None] * (NUM - 2),
    },
    "image_classification": {"image": [IMAGE] * NUM, "hypothesis": TEXTS, "label": [0, 1, 2, 0, 1, 2, 0, 1]},
    "image_pair_classification": {
        "image": [IMAGE] * NUM,
        "second_image": [IMAGE] * NUM,
        "hypothesis": TEXTS,
        "label": [0, 1, 2, 0, 1, 2, 0, 1],
    },
    "image_text_retrieval": {"image": [IMAGE] * NUM, "caption": [*TEXTS[:-1], TEXTS]},
    "visual_question_answering": {
        "image": [IMAGE] * NUM,
        "question": TEXTS,
        "answers": [
            "red",
            ["red"] * 10,
            ["a star", "RED "],
            [{"answer": "yes"}],
            {"answer": ["no"]},
            ["?"],
            "no",
            "no",
        ],
    },
    "tagging": {"tokens": [[text] * 3 for text in TEXTS], "tags": [[0, 1, None], [2, 2, -1]] + [[0, 1, 2]] * (NUM - 2)},
    "masked_lm": {"text": TEXTS, "text_pair": TEXTS[::-1]},
    "text_retrieval": {"query": TEXTS, "candidate": TEXTS[::-1]},
    "distillation": {"text": TEXTS, "translation": [*TEXTS[:-1], TEXTS]},
}
NUM_TENSORS = {
    "sentence_pair": 3,
    "multiple_choice": 3,
    "span_qa": 5,
    "image_classification": 4,
    "image_pair_classification": 4,
    "image_text_retrieval": 3,
    "tagging": 3,
    "visual_question_answering": 4,
    "masked_lm": 3,
    "text_retrieval": 2,
    "distillation": 2,
}
LISTS = {"input_ids", "choice_lengths", "caption_lengths", "word_starts", "tags"}
KINDS = [kind(name) for name in get_args(KindName)]
every_kind = pytest.mark.parametrize("a_kind", KINDS, ids=lambda one: one.name)


def spec_of(a_kind: Kind, policy: MaskingPolicy | None = None) -> TaskSpec:
    return TaskSpec(
        name="odd",
        kind=a_kind.name,
        source=GeneratedSource(generator="odd", version=1),
        splits={"train": ("train",)},
        columns={column: column for column in ROWS[a_kind.name]},
        labels=("entailment", "neutral", "contradiction"),
        masking=(policy or MaskingPolicy()) if a_kind.name == "masked_lm" else None,
        num_answers=len(ANSWERS) if a_kind.name == "visual_question_answering" else None,
        licence="none",
        citation="none",
    )


def encoded(a_kind: Kind, rows: dict[str, list[Any]] | None = None) -> dict[str, list[Any]]:
    context = EncodingContext(spec=spec_of(a_kind), tokenizer=TOKENIZER, max_length=MAX_LENGTH, answers=ANSWERS)
    return a_kind.encode(rows if rows is not None else ROWS[a_kind.name], context)


def examples_of(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    as_read = {
        name: [np.array(value, dtype=np.int32) if name in LISTS else value for value in values]
        for name, values in columns.items()
    }
    return [{name: values[i] for name, values in as_read.items()} for i in range(len(columns["length"]))]


def batch(a_kind: Kind, *, seed: int = 0, policy: MaskingPolicy | None = None) -> dict[str, torch.Tensor]:
    context = CollateContext(
        spec=spec_of(a_kind, policy), tokenizer=TOKENIZER, generator=np.random.default_rng(seed), image_size=16
    )
    return a_kind.collate(examples_of(encoded(a_kind)), context)


@every_kind
def test_odd_texts_become_a_batch_no_longer_than_allowed(a_kind: Kind) -> None:
    tensors = batch(a_kind)
    ids = next(value for name, value in tensors.items() if name.startswith("input_ids"))
    assert len(tensors) == NUM_TENSORS[a_kind.name]
    assert ids.shape[-1] <= MAX_LENGTH
    assert len({len(value) for value in tensors.values()}) == 1
    assert all(torch.isfinite(value).all() for value in tensors.values())


@every_kind
def test_padding_is_what_is_not_attended(a_kind: Kind) -> None:
    tensors = batch(a_kind)
    ids, mask = (next(v for k, v in tensors.items() if k.startswith(n)) for n in ("input_ids", "attention_mask"))
    assert (ids[mask == 0] == TOKENIZER.pad_token_id).all()
    assert (ids[mask == 1] != TOKENIZER.pad_token_id).all()


@every_kind
def test_columns_are_as_long_as_each_other_and_empty_rows_give_none(a_kind: Kind) -> None:
    full, empty = encoded(a_kind), encoded(a_kind, {name: [] for name in ROWS[a_kind.name]})
    assert {len(values) for values in full.values()} == {len(full["length"])}
    assert full.keys() == empty.keys()
    assert not any(empty.values())


@every_kind
def test_a_batch_is_a_function_of_its_generator(a_kind: Kind) -> None:
    first, again = batch(a_kind, seed=3), batch(a_kind, seed=3)
    assert all(torch.equal(first[name], again[name]) for name in first)


@pytest.mark.parametrize(
    "name", ["sentence_pair", "multiple_choice", "image_classification", "image_pair_classification"]
)
def test_rows_without_a_label_are_dropped_and_others_keep_their_number(name: KindName) -> None:
    rows = {**ROWS[name], "label": [-1, 1, None, 2, 0, 0, 0, -1]}
    assert encoded(kind(name), rows)["row"] == [1, 3, 4, 5, 6]


@pytest.mark.parametrize("label", [3, "neutral", 0.5])
def test_a_label_that_is_no_class_number_is_refused(label: object) -> None:
    with pytest.raises(TaskDataError, match="not a class number from 0 to 2"):
        encoded(kind("sentence_pair"), {**ROWS["sentence_pair"], "label": [label] * NUM})


def test_a_value_that_is_no_text_is_refused_by_its_column() -> None:
    with pytest.raises(TaskDataError, match="column 'premise' holds None"):
        encoded(kind("sentence_pair"), {**ROWS["sentence_pair"], "premise": [None] * NUM})


def test_a_varying_number_of_choices_is_refused() -> None:
    rows = {**ROWS["multiple_choice"], "choices": [TEXTS[:3]] * (NUM - 1) + [TEXTS[:2]]}
    with pytest.raises(TaskDataError, match="2 and 3 choices"):
        encoded(kind("multiple_choice"), rows)


def test_accuracy_counts_the_largest_logit() -> None:
    logits = np.array([[1.0, 0, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0]])
    assert (
        kind("sentence_pair").score({"logits": logits}, {"label": [0, 1, 2, 2]}, spec=spec_of(kind("sentence_pair")))
        == 0.5
    )


CONTEXT = "The quick brown fox jumps over the lazy dog. " * 12 + "It sleeps in Paris."
QA = {
    "context": [CONTEXT, CONTEXT],
    "question": ["Where does it sleep?", "Who is king?"],
    "answers": [
        {"text": ["Paris"], "answer_start": [CONTEXT.index("Paris")]},
        {"text": [], "answer_start": []},
    ],
}


def test_a_long_context_is_read_in_windows_and_the_window_with_the_answer_scores() -> None:
    columns = encoded(kind("span_qa"), QA)
    with_answer = [number for number, start in enumerate(columns["start"]) if start]
    assert columns["row"].count(0) > 2
    assert with_answer
    assert len(with_answer) < columns["row"].count(0)
    assert kind("span_qa").score(spans(columns), columns, spec=SILENT) == 1.0


def test_silence_wins_where_the_least_sure_window_prefers_it_and_never_in_version_1() -> None:
    columns = encoded(kind("span_qa"), QA)
    first, second = answers_given(spans(columns), columns, unanswerable=True)
    assert (first.text, second.text) == ("Paris", "")
    assert first.no_answer_margin < 0 < second.no_answer_margin
    assert [one.text != "" for one in answers_given(spans(columns), columns)] == [True, True]


def test_the_best_window_of_a_question_wins() -> None:
    columns = encoded(kind("span_qa"), QA)
    wrong_first = spans(columns) | {"span_logits": np.arange(len(columns["row"]))[::-1]}
    assert kind("span_qa").score(wrong_first, columns, spec=spec_of(kind("span_qa"))) == 0.0


SILENT = spec_of(kind("span_qa")).model_copy(update={"unanswerable": True})


def spans(columns: dict[str, list[Any]]) -> dict[str, np.ndarray]:
    """Outputs of a model that finds each answer, elsewhere points at the first word, and knows when to be silent."""
    found = np.array(columns["start"]) > 0
    of_answered = np.array(columns["row"]) == 0
    return {
        "starts": np.where(found, columns["start"], columns["context_start"]),
        "ends": np.where(found, columns["end"], columns["context_start"]),
        "span_logits": np.where(found, 4.0, 1.0),
        "null_logits": np.where(of_answered & ~found, 5.0, 3.0),
    }


TAGGED = {
    "tokens": [["Ada", "Lovelace", "was", "in", "Turin"], ["reddish " * 2, "star"] * 40],
    "tags": [[1, 2, 0, 0, 1], [0, 1] * 40],
}
NER = spec_of(kind("tagging")).model_copy(update={"labels": ("O", "B-X", "I-X"), "metric": "seqeval_f1"})


def tagged(columns: dict[str, list[Any]], *, changes: dict[int, int]) -> dict[str, np.ndarray]:
    """Outputs that are right but for some words, counted over all pieces."""
    predicted, word = np.zeros((len(columns["row"]), MAX_LENGTH)), 0
    for piece, (starts, tags) in enumerate(zip(columns["word_starts"], columns["tags"], strict=True)):
        for start, tag in zip(starts, tags, strict=True):
            predicted[piece, start] = changes.get(word, tag)
            word += 1
    return {"tags": predicted}


def test_a_long_sentence_is_tagged_in_pieces_without_losing_a_word() -> None:
    columns = encoded(kind("tagging"), TAGGED)
    whole = tagged_sentences(tagged(columns, changes={}), columns, labels=NER.labels)
    assert columns["row"].count(1) > 2
    assert max(columns["length"]) <= MAX_LENGTH
    assert [one.gold for one in whole] == [[NER.labels[tag] for tag in tags] for tags in TAGGED["tags"]]
    assert [one.predicted for one in whole] == [one.gold for one in whole]


def test_tags_are_scored_by_word_or_by_span_as_the_metric_says() -> None:
    columns = encoded(kind("tagging"), {name: values[:1] for name, values in TAGGED.items()})
    cut_short = tagged(columns, changes={1: 0})
    assert kind("tagging").score(cut_short, columns, spec=NER.model_copy(update={"metric": "accuracy"})) == 4 / 5
    assert kind("tagging").score(cut_short, columns, spec=NER) == 1 / 2


def test_a_tag_that_training_never_saw_counts_as_wrong_and_a_missing_one_not_at_all() -> None:
    rows = {"tokens": [["Ada", "was", "in"]], "tags": [[UNSEEN, None, 0]]}
    columns = encoded(kind("tagging"), rows)
    assert kind("tagging").score(tagged(columns, changes={0: 0}), columns, spec=spec_of(kind("tagging"))) == 1 / 2


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        (["B-X", "I-X", "O", "B-X"], [("X", 0, 1), ("X", 3, 3)]),
        (["I-X", "I-Y", "B-Y", "I-Y"], [("X", 0, 0), ("Y", 1, 1), ("Y", 2, 3)]),
        (["O", "S-X", "B-Y", "E-Y", "E-Y"], [("X", 1, 1), ("Y", 2, 3), ("Y", 4, 4)]),
        (["NOUN", "NOUN", "VERB", "O", "<unseen>"], [("OUN", 0, 1), ("ERB", 2, 2), ("unseen>", 4, 4)]),
    ],
)
def test_spans_are_read_as_conlleval_reads_them(tags: list[str], spans: list[tuple[str, int, int]]) -> None:
    assert spans_of(tags) == spans


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"tokens": [["a", "b"]], "tags": [[0]]}, "has 2 words and 1 tag"),
        ({"tokens": [["a"]], "tags": [[7]]}, "tag 7, which is not a class number from 0 to 2"),
        ({"tokens": [["a", 3]], "tags": [[0, 0]]}, "'tokens' holds 3 in row 0"),
    ],
)
def test_tags_that_do_not_fit_are_refused_by_their_row(rows: dict[str, list[Any]], message: str) -> None:
    with pytest.raises(TaskDataError, match=message):
        encoded(kind("tagging"), rows)


def test_an_answer_that_stands_elsewhere_is_refused() -> None:
    rows = {**QA, "answers": [{"text": ["Paris"], "answer_start": [3]}, None]}
    with pytest.raises(TaskDataError, match="is not at character 3"):
        encoded(kind("span_qa"), rows)


@pytest.mark.parametrize(
    ("prediction", "answer", "expected"),
    [("The Paris!", "paris", 1.0), ("in Paris", "Paris", 2 / 3), ("", "Paris", 0.0), ("", "", 0.0), ("x", "y", 0.0)],
)
def test_f1_follows_squads_script(prediction: str, answer: str, expected: float) -> None:
    assert f1(prediction, answer=answer) == pytest.approx(expected)


def test_retrieval_finds_the_own_image_and_a_collapsed_model_scores_chance() -> None:
    retrieval = kind("image_text_retrieval")
    eye, ones, rows = np.eye(150), np.ones((150, 4)), {"length": [1] * 150}
    spec = spec_of(retrieval)
    assert retrieval.score({"texts": eye, "images": eye}, rows, spec=spec) == 1.0
    assert retrieval.score({"texts": eye[:100], "images": np.roll(eye[:100], 1, axis=0)}, rows, spec=spec) == 0.0
    assert retrieval.score({"texts": ones, "images": ones}, rows, spec=spec) == pytest.approx((1 + 1) / 150)


def test_each_caption_is_taught_and_each_translation_is_read() -> None:
    captions = encoded(kind("distillation"), {"text": [["a star", "a red star"], None, "x"]})
    assert (captions["taught"], captions["row"]) == (["a star", "a red star", "x"], [0, 0, 2])
    translated = encoded(
        kind("distillation"), {"text": ["a star", "x"], "translation": [["ein Stern", "une étoile"], None]}
    )
    assert (translated["taught"], translated["row"]) == (["a star", "a star"], [0, 0])
    assert translated["input_ids"][0] != translated["input_ids"][1]


def test_a_student_is_scored_by_how_often_it_is_nearest_to_its_own_text() -> None:
    eye, spec = np.eye(8), spec_of(kind("distillation"))
    right = {"student": eye, "teacher": eye}
    wrong = {"student": eye, "teacher": np.roll(eye, 1, axis=0)}
    assert kind("distillation").score(right, {"length": [1] * 8}, spec=spec) == 1.0
    assert kind("distillation").score(wrong, {"length": [1] * 8}, spec=spec) == 0.0


def test_texts_without_a_partner_are_in_the_pool_and_ask_for_none() -> None:
    rows = {"query": ["a", "b", None], "candidate": ["A", None, "C"]}
    columns = encoded(kind("text_retrieval"), rows)
    assert columns["row"] == [0, 1, 0, 2]
    near = {"vectors": np.array([[1.0, 0], [0, 1], [0.9, 0.1], [0.1, 0.9]])}
    far = {"vectors": np.array([[1.0, 0], [0, 1], [0.1, 0.9], [0.9, 0.1]])}
    spec = spec_of(kind("text_retrieval"))
    assert kind("text_retrieval").score(near, columns, spec=spec) == 1.0
    assert kind("text_retrieval").score(far, columns, spec=spec) == 0.0


def test_every_candidate_with_the_querys_link_is_right() -> None:
    rows = {"query": ["a", None, None], "candidate": ["A", "B", "C"], "link": ["x", "y", "x"]}
    columns = encoded(kind("text_retrieval"), rows)
    vectors = np.array([[1.0, 0], [0.5, 0.5], [0, 1], [0.9, 0.1]])
    assert kind("text_retrieval").score({"vectors": vectors}, columns, spec=spec_of(kind("text_retrieval"))) == 1.0


def masked(policy: MaskingPolicy, *, pair: list[str] | None, counts: np.ndarray | None = None) -> tuple[Any, Any]:
    masked_lm = kind("masked_lm")
    rows = {"text": ["a red star is left of a blue circle"] * 400, **({"text_pair": pair * 400} if pair else {})}
    context = EncodingContext(spec=spec_of(masked_lm), tokenizer=TOKENIZER, max_length=MAX_LENGTH)
    columns = masked_lm.encode(rows, context)
    collating = CollateContext(
        spec=spec_of(masked_lm, policy), tokenizer=TOKENIZER, generator=np.random.default_rng(0), token_counts=counts
    )
    return columns, masked_lm.collate(examples_of(columns), collating)


def test_the_policys_share_of_ordinary_tokens_is_predicted_mostly_behind_the_mask() -> None:
    columns, tensors = masked(MaskingPolicy(mask_rate=0.4), pair=None)
    chosen, original = tensors["targets_BT"] >= 0, torch.tensor(columns["input_ids"])
    num_ordinary = len(columns["input_ids"][0]) - 2
    hidden = (tensors["input_ids_BT"] == TOKENIZER.mask_token_id)[chosen].float().mean()
    kept = (tensors["input_ids_BT"] == original)[chosen].float().mean()
    assert chosen.sum(dim=1).unique().tolist() == [round(0.4 * num_ordinary)]
    assert torch.equal(tensors["targets_BT"][chosen], original[chosen])
    assert not chosen[:, [0, -1]].any()
    assert hidden == pytest.approx(0.8, abs=0.04)
    assert kept == pytest.approx(0.1, abs=0.04)


def test_one_side_of_a_pair_is_hidden_and_each_side_as_often() -> None:
    policy = MaskingPolicy(mask_rate=0.4, one_side_probability=1.0)
    columns, tensors = masked(policy, pair=["a blue circle is right of a red star"])
    chosen = tensors["targets_BT"] >= 0
    in_second = torch.arange(chosen.shape[1]) >= columns["second_start"][0]
    first, second = (chosen & ~in_second).any(dim=1), (chosen & in_second).any(dim=1)
    assert (first ^ second).all()
    assert first.float().mean() == pytest.approx(0.5, abs=0.1)


def test_one_side_masking_leaves_a_single_text_alone() -> None:
    _, tensors = masked(MaskingPolicy(mask_rate=0.4, one_side_probability=1.0), pair=None)
    assert (tensors["targets_BT"] >= 0).any(dim=1).all()


def test_a_negative_exponent_prefers_rare_tokens() -> None:
    counts = np.full(len(TOKENIZER), 10_000)
    rare = TOKENIZER("star", add_special_tokens=False)["input_ids"][0]
    counts[rare] = 1
    _, even = masked(MaskingPolicy(mask_rate=0.2), pair=None)
    _, tilted = masked(MaskingPolicy(mask_rate=0.2, frequency_exponent=-0.5), pair=None, counts=counts)
    assert (tilted["targets_BT"] == rare).sum() > 2 * (even["targets_BT"] == rare).sum()


def test_transparent_images_lie_on_white() -> None:
    file = io.BytesIO()
    IMAGE.save(file, format="PNG")
    assert (decode_square(file.getvalue(), size=8) == 255).all()


def test_pixels_without_a_size_are_refused() -> None:
    a_kind = kind("image_text_retrieval")
    context = CollateContext(spec=spec_of(a_kind), tokenizer=TOKENIZER, generator=np.random.default_rng(0))
    with pytest.raises(TaskDataError, match="image_size is None"):
        a_kind.collate(examples_of(encoded(a_kind)), context)
