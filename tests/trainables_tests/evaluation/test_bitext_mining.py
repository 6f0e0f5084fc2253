"""BUCC on the mirror's part of zh-en with a real encoder: margin mines better than cosine, and F1 is XTREME's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from search.xtreme_predictions import submission_text
from trainables.data.encoded_split import EncodedRequest, TokenizerSource, open_encoded_task
from trainables.evaluation.items import Item, items_of
from trainables.evaluation.predictor import predict
from trainables.evaluation.scores import score_items
from trainables.models.encoder import load_encoder, load_tokenizer
from trainables.models.task_model import TaskModel
from trainables.models.text_heads import MeanStateHead
from trainables.tasks.registry import task
from trainables.training.rank import Rank

NUM_ROWS = 2000
"""Sentences: the 514 of the gold pairs, then one of each language in turn."""

pytestmark = [
    pytest.mark.mirror,
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("XSTILTS_MIRROR"), reason="XSTILTS_MIRROR is unset: no real data here"),
]


def f1_of_pairs(predicted: str, *, gold: set[tuple[str, str]]) -> float:
    """Return the harmonic mean of precision and recall over pairs of ids, one pair in each line."""
    pairs = {(first, second) for first, second in (line.split("\t") for line in predicted.splitlines())}
    correct = len(pairs & gold)
    if not correct:
        return 0.0
    precision, recall = correct / len(pairs), correct / len(gold)
    return 2 * precision * recall / (precision + recall)


@pytest.fixture(scope="module")
def mined(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Item]]:
    """Similarity -> the items, from the same vectors."""
    mirror = Path(os.environ["XSTILTS_MIRROR"])
    encoder = mirror / "models/lab/xlmr-e5-small-6l"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XSTILTS_BUCC", str(mirror / "raw/bucc2018"))
        encoded = open_encoded_task(
            EncodedRequest(
                spec=task("bucc"),
                split="validation",
                language="zh",
                tokenizer=TokenizerSource(tokenizer=load_tokenizer(encoder), fingerprint="mirror"),
                max_length=128,
                num_examples=NUM_ROWS,
                cache=tmp_path_factory.mktemp("cache"),
            )
        )
    model = TaskModel(load_encoder(encoder, dropout=0.0), heads={"bucc": MeanStateHead()}, vision=None).eval()
    rank = Rank(number=0, num_ranks=1, device=torch.device("cpu"))
    outputs = predict(model, encoded, head="bucc", rank=rank, tokens_per_micro_batch=4096)
    return {kind: items_of(encoded, outputs=outputs, similarity=kind) for kind in ("cosine", "margin")}


def test_the_f1_is_that_of_an_independent_computation_on_the_exported_pairs(mined: dict[str, list[Item]]) -> None:
    lines = (Path(os.environ["XSTILTS_MIRROR"]) / "raw/bucc2018/zh-en.dev.gold").read_text().splitlines()
    gold = {(first, second) for first, second in (line.split("\t") for line in lines)}
    for items in mined.values():
        text, suffix = submission_text(items, spec=task("bucc"))

        assert suffix == "tsv"
        score = score_items(items, spec=task("bucc"), language="zh")["mining_f1"]
        assert score == pytest.approx(f1_of_pairs(text, gold=gold), abs=1e-9)


def test_margin_mines_better_than_cosine(mined: dict[str, list[Item]]) -> None:
    scores = {kind: score_items(items, spec=task("bucc"), language="zh")["mining_f1"] for kind, items in mined.items()}

    assert scores["margin"] > scores["cosine"] > 0
