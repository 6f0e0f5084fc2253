"""All languages predicted as one stream: the same as one by one, by transformers' own model with its own padding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.trainables_tests.tiny_jobs import MAX_LENGTH, phase
from trainables.data.encoded import EncodedRequest, EncodedTask, TokenizerSource, open_encoded_task
from trainables.data.joined import JoinedTask
from trainables.encoder import load_encoder, load_tokenizer
from trainables.evaluation import predict
from trainables.export import export_classifier
from trainables.model import TaskModel, build_task_model, head_state
from trainables.tasks.registry import task
from trainables.training import Rank

LANGUAGES = task("xnli").languages
RANK = Rank(number=0, num_ranks=1, device=torch.device("cpu"))


@pytest.fixture
def model(tiny_encoder: Path) -> TaskModel:
    return build_task_model(phase(), {"mnli": task("mnli")}, encoder=load_encoder(tiny_encoder, dropout=0.0)).eval()


@pytest.fixture
def languages(tiny_encoder: Path, tmp_path: Path, tiny_world: None) -> dict[str, EncodedTask]:
    del tiny_world
    source = TokenizerSource(tokenizer=load_tokenizer(tiny_encoder), fingerprint="tiny")
    return {
        language: open_encoded_task(
            EncodedRequest(
                spec=task("xnli"),
                split="validation",
                language=language,
                tokenizer=source,
                max_length=MAX_LENGTH,
                cache=tmp_path,
            )
        )
        for language in LANGUAGES
    }


@pytest.mark.parametrize("tokens_per_micro_batch", [64, 4096])
def test_one_stream_predicts_what_transformers_predicts_language_by_language(
    tokens_per_micro_batch: int,
    model: TaskModel,
    languages: dict[str, EncodedTask],
    tiny_encoder: Path,
    tmp_path: Path,
) -> None:
    head = head_state(model.state_dict(), task="mnli")
    export_classifier(tiny_encoder, head=head, labels=task("mnli").labels, folder=tmp_path / "exported")
    theirs = AutoModelForSequenceClassification.from_pretrained(tmp_path / "exported").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "exported")
    stream = JoinedTask(languages)

    outputs = predict(model, stream, head="mnli", rank=RANK, tokens_per_micro_batch=tokens_per_micro_batch)

    for language, ours in stream.split(outputs).items():
        ids = [{"input_ids": list(map(int, one))} for one in languages[language].columns["input_ids"]]
        with torch.no_grad():
            expected = theirs(**tokenizer.pad(ids, return_tensors="pt")).logits.numpy()
        assert (ours["logits"].argmax(axis=1) == expected.argmax(axis=1)).all()
        np.testing.assert_allclose(ours["logits"], expected, atol=5e-6)


def test_a_stream_deals_every_languages_outputs_back_to_it(languages: dict[str, EncodedTask]) -> None:
    stream = JoinedTask(languages)
    numbers = np.arange(len(stream))

    parts = stream.split({"number": numbers})

    assert list(parts) == list(LANGUAGES)
    assert np.concatenate([part["number"] for part in parts.values()]).tolist() == numbers.tolist()
    assert stream.lengths.tolist() == [length for one in languages.values() for length in one.lengths.tolist()]
