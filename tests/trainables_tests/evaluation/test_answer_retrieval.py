"""LAReQA's mAP@20 on XQuAD's own paragraphs, against an independent computation with transformers' model and numpy."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from search.xtreme_predictions import submission_text
from tests.tiny import write_repository
from trainables.config import EngineConfig, EvaluationConfig
from trainables.config.literature import LITERATURE
from trainables.data.sources.sentences import sentence_spans
from trainables.evaluation.predictions import PREDICTIONS, read_predictions
from trainables.ranks.jobs import EvaluateJob, JobPlaces
from trainables.ranks.local_group import LocalGroup
from trainables.tasks.registry import task

LANGUAGES = LITERATURE["lareqa"].languages
NUM_QUESTIONS = 40
SCORED = ("en", "th")

pytestmark = [
    pytest.mark.mirror,
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("XSTILTS_MIRROR"), reason="XSTILTS_MIRROR is unset: no real data here"),
]


@pytest.fixture
def paragraphs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, list[Any]]]:
    """The first questions of XQuAD in every language, as the mirror of this test; returns language -> columns."""
    real = Path(os.environ["XSTILTS_MIRROR"]) / "datasets/google/xquad"
    rows = {
        language: pq.read_table(next((real / f"xquad.{language}").glob("*.parquet")))
        .slice(0, NUM_QUESTIONS)
        .to_pydict()
        for language in LANGUAGES
    }
    configs = {f"xquad.{language}": {"validation": columns} for language, columns in rows.items()}
    write_repository(tmp_path / "mirror/datasets/google/xquad", configs=configs)
    monkeypatch.setenv("XSTILTS_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return rows


@pytest.fixture
def encoder() -> Path:
    return Path(os.environ["XSTILTS_MIRROR"]) / "models/lab/xlmr-e5-small-6l"


def vectors_of(texts: Sequence[str], *, encoder: Path, max_length: int) -> np.ndarray:
    """Return the mean hidden states of layer 4 of 6, one text at a time."""
    tokenizer, model = AutoTokenizer.from_pretrained(encoder), AutoModel.from_pretrained(encoder).float().eval()
    found: list[np.ndarray] = []
    for text in texts:
        inputs = tokenizer(text, truncation=True, max_length=max_length, return_tensors="pt")
        with torch.no_grad():
            states = model(**inputs, output_hidden_states=True).hidden_states[4]
        found.append(states[0].mean(dim=0).numpy().astype(np.float64))
    vectors = np.stack(found)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def average_precision_at_20(ranked: Sequence[str], *, right: set[str]) -> float:
    precisions = [
        sum(name in right for name in ranked[:rank]) / rank for rank in range(1, 21) if ranked[rank - 1] in right
    ]
    return sum(precisions) / min(20, len(right))


def pool_of(rows: dict[str, dict[str, list[Any]]]) -> tuple[dict[str, str], dict[str, set[str]]]:
    """Return candidate -> its sentence, and question -> right candidates, over all languages."""
    sentences: dict[str, str] = {}
    right: dict[str, set[str]] = {}
    for language, columns in rows.items():
        contexts = list(dict.fromkeys(columns["context"]))
        for question, context, answers in zip(columns["id"], columns["context"], columns["answers"], strict=True):
            spans = sentence_spans(context, language=language)
            for place, (start, end) in enumerate(spans):
                name = f"{language}_{contexts.index(context) + 1}_{place}"
                sentences[name] = context[start:end]
                if start <= answers["answer_start"][0] < end:
                    right.setdefault(question, set()).add(name)
    return sentences, right


def test_lareqa_is_the_map_at_20_of_an_independent_computation(
    encoder: Path, paragraphs: dict[str, dict[str, list[Any]]], tmp_path: Path
) -> None:
    work = EvaluationConfig(task="lareqa", languages=SCORED, max_length=128)
    places = JobPlaces(encoder=encoder, tokenizer=encoder, output=tmp_path, cache=tmp_path / "cache")
    spec = task("lareqa")
    with contextlib.closing(LocalGroup(EngineConfig(threads_per_rank=1, device="cpu"))) as group:
        result = group.run(EvaluateJob(work=work, target=None, spec=spec, head_spec=spec, places=places))

    sentences, right = pool_of(paragraphs)
    names = list(sentences)
    questions = [text for language in SCORED for text in paragraphs[language]["question"]]
    vectors = vectors_of([*sentences.values(), *questions], encoder=encoder, max_length=128)
    pool, asked = vectors[: len(names)], vectors[len(names) :]
    predictions = read_predictions(tmp_path / PREDICTIONS)
    for number, language in enumerate(SCORED):
        near = asked[number * NUM_QUESTIONS : (number + 1) * NUM_QUESTIONS] @ pool.T
        ranked = [[names[place] for place in np.argsort(-row, kind="stable")] for row in near]
        expected = [
            average_precision_at_20(order, right=right[question])
            for order, question in zip(ranked, paragraphs[language]["id"], strict=True)
        ]
        assert result.metrics["map_at_20"][language] == pytest.approx(np.mean(expected), abs=1e-9)
        assert [len(item.gold) for item in predictions[language]] == [len(LANGUAGES)] * NUM_QUESTIONS
        said = json.loads(submission_text(predictions[language], spec=spec)[0])
        assert {question: said[question] for question in said} == dict(
            zip(paragraphs[language]["id"], [order[:20] for order in ranked], strict=True)
        )
    assert next(iter(result.metrics)) == "map_at_20"
