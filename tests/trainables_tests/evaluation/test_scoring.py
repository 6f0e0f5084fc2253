"""Metrics of evaluations equal those of independent implementations; items say all that scores say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score
from torchmetrics.functional.text import squad

from trainables.errors import TaskDataError
from trainables.evaluation.items import Item
from trainables.evaluation.predictions import read_predictions, write_predictions
from trainables.evaluation.scores import score_items
from trainables.tasks.metrics import mlqa_f1, squad_f1
from trainables.tasks.metrics.nearest import _blocks, average_precision, best_f1, mine, nearest
from trainables.tasks.registry import task
from trainables.tasks.spec import TaskSpec

TEXTS = st.lists(
    st.sampled_from(["The", "a", "an", "Paris", "paris!", "über", "東京", "12", ".", "of-the", "", "x\t y"]), max_size=5
).map(" ".join)
PLAIN = ("NOUN", "NUM", "ADJ", "ADV", "BUS", "X", "I", "B", "O", "OTHER", ".", "A-B-C", "E-X", "S-X")
TAGS = st.lists(st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]), min_size=1, max_size=8)


def item(*, gold: list[str], prediction: list[str], name: str = "0") -> Item:
    return Item(item=name, gold=gold, prediction=prediction, scores=[])


def has_words(answer: str) -> bool:
    return bool(squad_f1.normalise_answer(answer))


def spec_with(name: str, **fields: object) -> TaskSpec:
    return task(name).model_copy(update=fields)


@pytest.fixture(scope="module")
def double_precision() -> Iterator[None]:
    """torchmetrics holds its sums in torch's default precision."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double_precision")
@settings(max_examples=40, deadline=None)
@given(questions=st.lists(st.tuples(TEXTS, st.lists(TEXTS, min_size=1, max_size=3)), min_size=1, max_size=5))
def test_span_f1_and_exact_match_are_torchmetrics(questions: list[tuple[str, list[str]]]) -> None:
    theirs = squad(
        [{"prediction_text": said, "id": str(row)} for row, (said, _) in enumerate(questions)],
        [
            {"answers": {"answer_start": [0] * len(right), "text": right}, "id": str(row)}
            for row, (_, right) in enumerate(questions)
        ],
    )

    ours = score_items(
        [item(gold=right, prediction=[said]) for said, right in questions], spec=task("xquad"), language="en"
    )

    # torchmetrics' F1 follows version 2's rule in every task, where neither an answer nor the prediction has words.
    same = sum(not has_words(said) and not all(map(has_words, right)) for said, right in questions)
    assert ours["f1"] + same / len(questions) == pytest.approx(float(theirs["f1"]) / 100, abs=1e-9)
    assert ours["exact_match"] == pytest.approx(float(theirs["exact_match"]) / 100, abs=1e-9)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@settings(max_examples=40, deadline=None)
@given(sentences=st.lists(TAGS.flatmap(lambda gold: st.tuples(st.just(gold), st.permutations(gold))), min_size=1))
def test_tagging_f1_is_seqevals(sentences: list[tuple[list[str], list[str]]]) -> None:
    items = [item(gold=gold, prediction=list(said)) for gold, said in sentences]

    ours = score_items(items, spec=NER, language="en")

    theirs = f1_score([gold for gold, _ in sentences], [list(said) for _, said in sentences], zero_division=0)
    assert ours["seqeval_f1"] == pytest.approx(float(theirs), abs=1e-9)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=200, deadline=None)
@given(
    sentences=st.lists(
        st.lists(st.tuples(st.sampled_from(PLAIN), st.sampled_from(PLAIN)), min_size=1, max_size=8), min_size=1
    )
)
def test_the_f1_of_plain_tags_is_seqevals_too(sentences: list[list[tuple[str, str]]]) -> None:
    gold, said = ([[pair[side] for pair in pairs] for pairs in sentences] for side in (0, 1))

    ours = score_items(
        [item(gold=one, prediction=two) for one, two in zip(gold, said, strict=True)], spec=NER, language="en"
    )

    assert ours["seqeval_f1"] == pytest.approx(float(f1_score(gold, said, zero_division=0)), abs=1e-9)


def official_f1(prediction: str, answer: str, *, version: int) -> float:
    """The function `f1_score` of `evaluate-v1.1.py`, or `compute_f1` of `evaluate-v2.0.py`."""
    said, right = (squad_f1.normalise_answer(text).split() for text in (prediction, answer))
    if version == 2 and (len(said) == 0 or len(right) == 0):
        return int(said == right)
    num_same = sum((Counter(said) & Counter(right)).values())
    if num_same == 0:
        return 0
    precision, recall = num_same / len(said), num_same / len(right)
    return 2 * precision * recall / (precision + recall)


def official_scores(prediction: str, answers: list[str], *, version: int) -> tuple[float, float]:
    """F1 and exact match of a question, by `metric_max_over_ground_truths`, or by version 2's `get_raw_scores`."""
    if version == 2:
        answers = [answer for answer in answers if squad_f1.normalise_answer(answer)] or [""]
    said = squad_f1.normalise_answer(prediction)
    return (
        max(official_f1(prediction, answer, version=version) for answer in answers),
        max(float(said == squad_f1.normalise_answer(answer)) for answer in answers),
    )


@pytest.mark.parametrize("version", [1, 2])
@settings(max_examples=200, deadline=None)
@given(prediction=TEXTS, answers=st.lists(TEXTS, min_size=1, max_size=3))
def test_answers_without_words_are_scored_as_squads_scripts_do(
    version: int, prediction: str, answers: list[str]
) -> None:
    spec = spec_with("xquad", unanswerable=version == 2)

    ours = score_items([item(gold=answers, prediction=[prediction])], spec=spec, language="en")

    assert (ours["f1"], ours["exact_match"]) == pytest.approx(official_scores(prediction, answers, version=version))


NER = spec_with("xnli", kind="tagging", metric="seqeval_f1", labels=("O", "B-PER", "I-PER", "B-LOC", "I-LOC"))


# Each row was worked out from mlqa_evaluation_v1.py by hand: its articles, its punctuation, its segmentation.
@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("en", "The Eiffel-Tower, a tower!", ["eiffeltower", "tower"]),
        ("de", "Der Turm eines «Königs»", ["turm", "königs"]),
        ("es", "¿La torre de los reyes?", ["torre", "de", "reyes"]),
        ("vi", "những cái tháp của vua", ["tháp", "vua"]),
        ("hi", "एक राजा।", ["एक", "राजा"]),
        ("ar", "ملك البلاد", ["ملك", "بلاد"]),
        ("zh", "在 1999年「Paris」市", ["在", "1999", "年", "paris", "市"]),
    ],
)
def test_mlqa_normalises_each_language_by_its_own_rules(language: str, text: str, words: list[str]) -> None:
    assert mlqa_f1.normalise_answer(text, language=language) == words


def test_mlqa_scores_share_characters_in_chinese_and_refuse_what_it_has_no_rule_for() -> None:
    assert mlqa_f1.best_f1("北京市", answers=["上海", "北京"], language="zh") == pytest.approx(0.8)
    assert mlqa_f1.best_f1("", answers=["的"], language="zh") == 0.0
    with pytest.raises(TaskDataError, match="no rules for language 'th'"):
        mlqa_f1.best_f1("a", answers=["a"], language="th")


def test_margin_prefers_a_candidate_that_is_nobody_elses_neighbour() -> None:
    # The second candidate is near to everything (a hub); by cosine it wins the first query.
    queries = np.array([[1.0, 0.2, 0.0], [0.9, 0.5, 0.0], [0.9, 0.45, 0.1]])
    candidates = np.array([[1.0, -0.1, 0.0], [0.95, 0.4, 0.05]])

    cosine = nearest(queries, candidates_CD=candidates, kind="cosine")
    margin = nearest(queries, candidates_CD=candidates, kind="margin")

    assert cosine.numbers_QK[0, 0] == 1
    by_cosine = dict(zip(cosine.numbers_QK[0], cosine.scores_QK[0], strict=True))
    by_margin = dict(zip(margin.numbers_QK[0], margin.scores_QK[0], strict=True))
    assert by_margin[0] / by_margin[1] > by_cosine[0] / by_cosine[1]


def test_mining_takes_each_text_once_and_its_threshold_at_the_best_f1() -> None:
    queries = np.array([[1.0, 0.0, 0.0], [0.9, 0.1, 0.0], [0.0, 0.2, 1.0]])
    candidates = np.array([[1.0, 0.05, 0.0], [0.9, 0.5, 0.1], [0.1, 0.0, 1.0]])

    pairs = mine(queries, candidates_CD=candidates, kind="cosine")

    assert [(pair.query, pair.candidate) for pair in pairs] == [(0, 0), (2, 2), (1, 1)]
    assert best_f1([True, False, True, False], num_gold=2) == (pytest.approx(0.8), 3)
    assert best_f1([], num_gold=2) == (0.0, 0)


def test_average_precision_is_the_mean_of_precisions_at_right_findings() -> None:
    assert average_precision([True, False, True, False], num_right=2) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision([False] * 20 + [True], num_right=1) == 0.0
    assert average_precision([True] * 20, num_right=40) == 1.0


@settings(max_examples=50, deadline=None)
@given(places=st.lists(st.none() | st.integers(0, 19), min_size=1, max_size=8))
def test_with_one_right_entity_map_at_20_is_xtremes_mean_reciprocal_rank(places: list[int | None]) -> None:
    others = [f"Q{number}" for number in range(20)]
    items = [
        item(gold=["gold"], prediction=others if place is None else [*others[:place], "gold", *others[place + 1 :]])
        for place in places
    ]

    scores = score_items(items, spec=task("mewsli_x"), language="uk")

    reciprocal_ranks = [0.0 if place is None else 1 / (place + 1) for place in places]
    assert next(iter(scores)) == "map_at_20"
    assert scores["map_at_20"] == pytest.approx(np.mean(reciprocal_ranks), abs=1e-9)


@pytest.mark.parametrize("num_candidates", [5, 100_000, 9_000_000])
def test_blocks_hold_a_bounded_number_of_similarities(num_candidates: int) -> None:
    blocks = [range(2000)[block] for block in _blocks(2000, num_candidates=num_candidates)]

    assert [number for block in blocks for number in block] == list(range(2000))
    assert max(map(len, blocks)) in {512, 80, 1}
    assert all(len(block) == 1 or len(block) * num_candidates <= 8_000_000 for block in blocks)


def test_ties_go_to_the_first_candidate() -> None:
    candidates = np.array([[0.5, 1.0], [1.0, 0.0], [2.0, 0.0], [1.0, 0.0]])

    near = nearest(np.array([[1.0, 0.0]]), candidates_CD=candidates, kind="cosine", num=2)

    assert near.numbers_QK.tolist() == [[1, 2]]


def test_a_query_without_a_right_candidate_is_not_asked() -> None:
    asked = item(gold=["3"], prediction=["3", "1"])
    unasked = item(gold=[], prediction=["1"])

    scores = score_items([asked, unasked], spec=task("tatoeba"), language="de")

    assert scores == {"accuracy": 1.0, "map_at_20": 1.0}


def test_nothing_to_score_is_refused() -> None:
    with pytest.raises(TaskDataError, match="at least 1 is needed"):
        score_items([], spec=task("xnli"), language="de")


def test_items_survive_their_file(tmp_path: Path) -> None:
    items = {
        "de": [Item(item="q1", gold=["a", "b"], prediction=["a"], scores=[0.5])],
        "th": [Item(item="7", gold=[], prediction=["ภาษา"], scores=[])],
    }

    write_predictions(items, tmp_path / "predictions.parquet")

    assert read_predictions(tmp_path / "predictions.parquet") == items
