"""One contract, every registered task: its rows are read, encoded, batched, trained on and scored.

The miniature's rows and those of the mirror are used where they are; elsewhere a generated sample of the columns that
the task declares, laid out as on the hub and read by the same loader. A small random encoder with the miniature's
tokenizer, which knows every script.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import trainables
from tests.contracts.samples import (
    NUM_ROWS,
    is_here,
    sample_rows,
    write_annotations,
    write_bitext,
    write_captions,
    write_corpus,
    write_entities,
    write_sample,
)
from tests.tiny_teacher import write_teacher
from trainables.config import PhaseConfig, VisionConfig
from trainables.data.encoded_split import EncodedRequest, EncodedTask, PixelFormat, TokenizerSource, open_encoded_task
from trainables.data.sources.readable import check_readable
from trainables.errors import InputError
from trainables.evaluation.predictor import predict
from trainables.models.encoder import load_tokenizer, new_encoder
from trainables.models.task_model import TaskModel, build_task_model
from trainables.models.text_heads import MeanStateHead
from trainables.tasks.kinds.by_name import kind
from trainables.tasks.kinds.kind import EncodingContext
from trainables.tasks.registry import task, tasks
from trainables.tasks.spec import GeneratedSource, TaskSpec
from trainables.training.rank import Rank
from trainables.training.teacher_vectors import FrozenTeacher, making_vectors, with_teacher_vectors

MINIATURE = Path(trainables.__file__).parent / "miniature" / "assets" / "encoder"
MAX_LENGTH = 64
NUM_STEPS = 12
VISION = VisionConfig(num_layers=1, hidden_size=16, image_size=16, patch_size=8)
CPU = Rank(number=0, num_ranks=1, device=torch.device("cpu"))
ODD_TEXTS = ["", " \n\t", "نجمة حمراء فوق دائرة", "ดาวสีแดงอยู่เหนือวงกลม", "star " * 600, "🙂 <x> \u0000", "红色的星"]
TEXT_COLUMNS = {"premise", "hypothesis", "context", "question", "caption", "text", "text_pair", "query", "candidate"}
MISSING = {"label": None, "tags": None, "answers": None}

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
every_task = pytest.mark.parametrize("name", list(tasks()))


@cache
def _tokenizer() -> TokenizerSource:
    return TokenizerSource(tokenizer=load_tokenizer(MINIATURE), fingerprint="miniature")


def _language(spec: TaskSpec) -> str:
    """Return English or the first language whose rows are here; a mirror may hold a few."""
    languages = sorted(spec.languages, key=lambda language: language != "en")
    return next((language for language in languages if _is_readable(spec, language)), languages[0])


def _is_readable(spec: TaskSpec, language: str) -> bool:
    try:
        check_readable(spec, split=_split(spec), language=language)
    except InputError:
        return False
    return True


@pytest.fixture
def spec(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TaskSpec:
    """The task, with its rows or a sample of them in reach."""
    (tmp_path / "corpus").mkdir()
    write_corpus(tmp_path / "corpus")
    monkeypatch.setenv("XSTILTS_CCG", str(tmp_path / "corpus"))
    write_bitext(tmp_path / "bitext")
    monkeypatch.setenv("XSTILTS_BUCC", str(tmp_path / "bitext"))
    write_entities(tmp_path / "entities")
    monkeypatch.setenv("XSTILTS_MEWSLIX", str(tmp_path / "entities"))
    write_captions(tmp_path / "captions")
    monkeypatch.setenv("XSTILTS_MULTI30K", str(tmp_path / "captions"))
    monkeypatch.setenv("XSTILTS_XVNLI", str(tmp_path / "xvnli"))
    monkeypatch.setenv("XSTILTS_XFLICKRCO", str(tmp_path / "xflickrco"))
    for one in ("xvnli", "xflickrco"):
        write_annotations(tmp_path / one, spec=task(one))
    found = task(name)
    if not is_here(found):
        write_sample(found, tmp_path, language=_language(found))
        monkeypatch.setenv("XSTILTS_MIRROR", str(tmp_path))
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return found


def _split(spec: TaskSpec) -> str:
    # Generating the miniature's train split takes seconds, and it is made as its dev split is.
    generated = isinstance(spec.source, GeneratedSource)
    return "train" if "train" in spec.splits and not generated else "validation"


def _opened(spec: TaskSpec, folder: Path) -> EncodedTask:
    return open_encoded_task(
        EncodedRequest(
            spec=spec,
            split=_split(spec),
            language=_language(spec),
            tokenizer=_tokenizer(),
            max_length=MAX_LENGTH,
            num_examples=NUM_ROWS,
            cache=folder,
            pixels=PixelFormat(image_size=VISION.image_size) if spec.has_images else None,
        )
    )


def _model(spec: TaskSpec, *, teacher: Path | None) -> TaskModel:
    encoder = new_encoder(
        {
            "model_type": "xlm-roberta",
            "vocab_size": len(_tokenizer().tokenizer),
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 4,
            "intermediate_size": 32,
            "max_position_embeddings": MAX_LENGTH + 32,
            "pad_token_id": _tokenizer().tokenizer.pad_token_id,
        },
        dropout=0.0,
    )
    if spec.is_retrieval:
        return TaskModel(encoder, heads={spec.name: MeanStateHead(1)}, vision=None)
    fields: dict[str, Any] = {"mixture": {spec.name: 1.0}, "steps": 1, "dropout": 0.0}
    phase = PhaseConfig(**fields, vision=VISION if spec.has_images else None)
    return build_task_model(phase, {spec.name: spec}, encoder=encoder, teacher_folder=teacher)


def _train(model: TaskModel, encoded: EncodedTask) -> list[float]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses: list[float] = []
    for _ in range(NUM_STEPS):
        batch = encoded.batch(range(min(8, len(encoded))), generator=np.random.default_rng(0))
        loss = model(encoded.spec.name, batch).losses_B.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@every_task
def test_a_task_is_read_encoded_trained_and_scored(spec: TaskSpec, tmp_path: Path) -> None:
    assert _is_readable(spec, _language(spec))
    encoded = _opened(spec, tmp_path / "cache")
    teacher = None
    if spec.kind == "distillation":
        teacher = write_teacher(tmp_path / "teacher", tokenizer=MINIATURE)
        frozen = FrozenTeacher(folder=teacher, identity="random", cache=tmp_path / "cache", device=CPU.device)
        list(making_vectors(encoded, teacher=frozen))
        encoded = with_teacher_vectors(encoded, teacher=frozen)
    model = _model(encoded.spec, teacher=teacher)

    losses = [1.0, 0.0] if spec.is_retrieval else _train(model, encoded)  # the encoder is scored as it is
    outputs = predict(model, encoded, head=spec.name, rank=CPU, tokens_per_micro_batch=1024)

    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    assert 0 <= encoded.score(outputs) <= 1
    assert all(len(values) == len(encoded) for values in outputs.values())


@every_task
def test_a_task_survives_odd_texts_and_missing_answers(spec: TaskSpec) -> None:
    rows = _odd_rows(spec)
    context = EncodingContext(spec=spec, tokenizer=_tokenizer().tokenizer, max_length=MAX_LENGTH, answers=("star",))
    encoder = kind(spec.kind)

    columns = encoder.encode(rows, context)
    without = encoder.encode(rows | {name: [None] * NUM_ROWS for name in MISSING if name in rows}, context)

    assert {len(values) for values in columns.values()} == {len(columns["length"])}
    assert len(columns["length"]) > 0
    if not MISSING.keys() & rows.keys():
        assert without == columns
    elif spec.kind == "span_qa":  # a question without an answer is an example: of silence
        assert set(without["row"]) == set(range(NUM_ROWS))
    else:
        assert without["row"] == []


def _odd_rows(spec: TaskSpec) -> dict[str, list[Any]]:
    """Return rows of the task with odd texts; answers that texts held are gone with them."""
    rows = sample_rows(spec)
    rows |= {name: _odd(offset) for offset, name in enumerate(rows) if name in TEXT_COLUMNS}
    if "choices" in rows:
        rows["choices"] = [_odd(at)[: len(choices)] for at, choices in enumerate(rows["choices"])]
    if "tokens" in rows:
        rows["tokens"] = [_odd(at)[: len(words)] for at, words in enumerate(rows["tokens"])]
        rows["tags"] = [tags[: len(words)] for tags, words in zip(rows["tags"], rows["tokens"], strict=True)]
    if spec.kind == "span_qa":
        rows["answers"] = [{"text": [], "answer_start": []}] * NUM_ROWS
    return rows


def _odd(offset: int) -> Sequence[str]:
    return [ODD_TEXTS[(at + offset) % len(ODD_TEXTS)] for at in range(NUM_ROWS)]
