"""All languages predicted as one stream: the same as one by one, by transformers' own model with its own padding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.trainables_tests.tiny_jobs import MAX_LENGTH, phase
from trainables.data.distinct_texts import DistinctTexts
from trainables.data.encoded_split import EncodedRequest, EncodedTask, TokenizerSource, open_encoded_task
from trainables.data.joined_splits import JoinedTask
from trainables.evaluation.kept_outputs import KeptOutputs
from trainables.evaluation.predictor import Course, predict
from trainables.models.encoder import load_encoder, load_tokenizer
from trainables.models.hugging_face_folder import export_classifier
from trainables.models.task_model import TaskModel, build_task_model, head_state
from trainables.monitoring.progress import Progress
from trainables.tasks.registry import task
from trainables.training.rank import Rank
from trainables.training.trainer import ProgressReporter

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


@pytest.mark.slow
@pytest.mark.parametrize("tokens_per_micro_batch", [64, 4096])
def test_one_stream_predicts_what_transformers_predicts_language_by_language(
    tokens_per_micro_batch: int,
    model: TaskModel,
    languages: dict[str, EncodedTask],
    tiny_encoder: Path,
    tmp_path: Path,
) -> None:
    head = head_state(model.state_dict(), task="mnli")
    folder = tmp_path / "exported"
    export_classifier(tiny_encoder, head=head, pooling="mean", labels=task("mnli").labels, folder=folder)
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


class Interrupted:
    """A stream whose reader is interrupted after some batches; it counts them."""

    def __init__(self, stream: JoinedTask, *, after: int | None = None) -> None:
        self.lengths, self._stream, self._after = stream.lengths, stream, after
        self.num_batches = 0

    def batch(self, indices: np.ndarray, *, generator: np.random.Generator) -> dict[str, torch.Tensor]:
        if self.num_batches == self._after:
            raise KeyboardInterrupt
        self.num_batches += 1
        return self._stream.batch(indices, generator=generator)


def kept_in(folder: Path, stream: JoinedTask, *, told: list[Progress] | None = None) -> Course:
    reporter = ProgressReporter(
        phase="evaluation", num_steps=len(stream), report=(told if told is not None else []).append
    )
    return Course(reporter=reporter, kept=KeptOutputs(folder, lengths=stream.lengths, seconds=0.0))


def test_an_interrupted_evaluation_goes_on_and_says_the_same_bit_for_bit(
    model: TaskModel, languages: dict[str, EncodedTask], tmp_path: Path
) -> None:
    stream, told = JoinedTask(languages), list[Progress]()
    whole = predict(model, counted := Interrupted(stream), head="mnli", rank=RANK, tokens_per_micro_batch=128)
    with pytest.raises(KeyboardInterrupt):
        predict(
            model,
            Interrupted(stream, after=7),
            head="mnli",
            rank=RANK,
            tokens_per_micro_batch=128,
            course=kept_in(tmp_path / "kept", stream),
        )

    rest = Interrupted(stream)
    outputs = predict(
        model,
        rest,
        head="mnli",
        rank=RANK,
        tokens_per_micro_batch=128,
        course=kept_in(tmp_path / "kept", stream, told=told),
    )

    assert rest.num_batches == counted.num_batches - 7 > 0
    assert {name: values.tobytes() for name, values in outputs.items()} == {
        name: values.tobytes() for name, values in whole.items()
    }
    assert told[-1].step == len(stream)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut in half", b"no archive"])
def test_kept_outputs_that_cannot_be_read_are_predicted_again(
    content: bytes, model: TaskModel, languages: dict[str, EncodedTask], tmp_path: Path
) -> None:
    stream = JoinedTask(languages)
    predict(
        model, stream, head="mnli", rank=RANK, tokens_per_micro_batch=128, course=kept_in(tmp_path / "kept", stream)
    )
    for path in (tmp_path / "kept").glob("*/*.npz"):
        path.write_bytes(content)

    again = Interrupted(stream)
    predict(model, again, head="mnli", rank=RANK, tokens_per_micro_batch=128, course=kept_in(tmp_path / "kept", stream))

    assert again.num_batches > 0


def test_outputs_of_other_examples_are_not_taken(
    model: TaskModel, languages: dict[str, EncodedTask], tmp_path: Path
) -> None:
    one, other = (JoinedTask({name: languages[name]}) for name in ("en", "de"))
    predict(model, one, head="mnli", rank=RANK, tokens_per_micro_batch=128, course=kept_in(tmp_path / "kept", one))

    counted = Interrupted(other)
    predict(
        model, counted, head="mnli", rank=RANK, tokens_per_micro_batch=128, course=kept_in(tmp_path / "kept", other)
    )

    assert counted.num_batches > 0


def test_equal_texts_are_predicted_once_and_every_part_gets_its_own_outputs(languages: dict[str, EncodedTask]) -> None:
    stream = JoinedTask({"one": languages["en"], "other": languages["de"], "again": languages["en"]})

    distinct = DistinctTexts(stream)

    texts = {tuple(map(int, ids)) for name in ("en", "de") for ids in languages[name].columns["input_ids"]}
    assert len(distinct) == len(texts) < len(stream)
    for number in range(4):  # the first texts of the first part are the first distinct ones
        batch = distinct.batch([number], generator=np.random.default_rng(0))
        assert batch["input_ids_BT"][0].tolist() == list(map(int, languages["en"].columns["input_ids"][number]))
    parts = dict(distinct.split({"lengths": distinct.lengths}))
    assert list(parts) == ["one", "other", "again"]
    for name, language in (("one", "en"), ("other", "de"), ("again", "en")):
        assert parts[name]["lengths"].tolist() == languages[language].lengths.tolist()
