"""Distillation: a teacher's sentence vectors are computed once, and an encoder learns them, without any image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import trainables
from tests.tiny_teacher import VECTOR_SIZE, write_teacher
from tests.trainables_tests.tiny_jobs import Bench, phase, trial
from trainables.checks.preflight import check_trial
from trainables.data.encoded_split import EncodedRequest, EncodedTask, TokenizerSource, open_encoded_task
from trainables.errors import CheckpointError, ConfigError
from trainables.models.encoder import load_tokenizer
from trainables.models.teacher import Teacher
from trainables.plan.provenance import read_provenance
from trainables.plan.stage_plan import plan_stages
from trainables.plan.starting_weights import folder_identity
from trainables.ranks.local_group import LocalGroup
from trainables.tasks.kinds.distillation import TAUGHT
from trainables.tasks.registry import task
from trainables.training.teacher_vectors import FILE, FrozenTeacher, making_vectors, with_teacher_vectors

MINIATURE = Path(trainables.__file__).parent / "miniature" / "assets" / "encoder"
TASK = "miniature_distillation"
CPU = torch.device("cpu")
TEXTS = ["a red star is left of a blue circle.", "a small green heart.", "there are two squares. " * 20]


@pytest.fixture(scope="module")
def teacher_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_teacher(tmp_path_factory.mktemp("teacher"), tokenizer=MINIATURE)


def opened(cache: Path, *, split: str = "validation") -> EncodedTask:
    tokenizer = TokenizerSource(tokenizer=load_tokenizer(MINIATURE), fingerprint="miniature")
    return open_encoded_task(
        EncodedRequest(spec=task(TASK), split=split, tokenizer=tokenizer, max_length=48, cache=cache, num_examples=100)
    )


def frozen(folder: Path, cache: Path) -> FrozenTeacher:
    return FrozenTeacher(folder=folder, identity=folder_identity(folder), cache=cache, device=CPU)


def test_a_whole_clip_teaches_as_its_text_model_does(teacher_folder: Path, tmp_path: Path) -> None:
    whole = write_teacher(tmp_path, tokenizer=MINIATURE, whole=True)

    first, again = (Teacher(folder, device=CPU).vectors(TEXTS) for folder in (teacher_folder, whole))

    assert first.shape == (len(TEXTS), VECTOR_SIZE)
    assert np.allclose(first, again)
    assert len({tuple(vector) for vector in first.tolist()}) == len(TEXTS)


def test_the_teacher_reads_english_and_the_student_the_translation(teacher_folder: Path, tmp_path: Path) -> None:
    encoded, teacher = opened(tmp_path), frozen(teacher_folder, tmp_path)
    list(making_vectors(encoded, teacher=teacher))

    taught = with_teacher_vectors(encoded, teacher=teacher)

    batch = taught.batch([0, 7], generator=np.random.default_rng(0))
    texts = [encoded.columns[TAUGHT][number] for number in (0, 7)]
    expected = Teacher(teacher_folder, device=CPU).vectors(texts)
    assert torch.allclose(batch["teacher_vectors_BV"], torch.from_numpy(expected), atol=1e-5)
    read = load_tokenizer(MINIATURE).decode(batch["input_ids_BT"][1], skip_special_tokens=True)
    assert read != texts[1]


def test_vectors_are_computed_once_and_again_if_they_are_damaged(teacher_folder: Path, tmp_path: Path) -> None:
    encoded, teacher = opened(tmp_path), frozen(teacher_folder, tmp_path)
    list(making_vectors(encoded, teacher=teacher))
    (made,) = (tmp_path / "teacher").glob(f"*/{FILE}")
    before, time = made.read_bytes(), made.stat().st_mtime_ns

    list(making_vectors(encoded, teacher=teacher))
    assert made.stat().st_mtime_ns == time

    made.write_bytes(before[:-4] + b"\0\0\0\1")
    list(making_vectors(encoded, teacher=teacher))
    assert made.read_bytes() == before


@pytest.mark.slow
def test_an_encoder_learns_the_vectors(teacher_folder: Path, tmp_path: Path, one_rank: LocalGroup) -> None:
    fields = {"steps": 40, "batch_size": 32, "learning_rate": 3e-3, "num_dev_items": 100, "num_examples": 400}
    work = phase(mixture={TASK: 1.0}, teacher=str(teacher_folder), **fields)

    trained = Bench(encoder=MINIATURE, folder=tmp_path).train(one_rank, work)

    assert np.mean(trained.losses[-5:]) < np.mean(trained.losses[:5]) / 2
    assert trained.result.scores[TASK] > 0.05  # 0.01 by chance


def test_the_teachers_weights_are_in_the_key_and_its_path_is_not(teacher_folder: Path, tmp_path: Path) -> None:
    copy, other = (write_teacher(tmp_path / str(seed), tokenizer=MINIATURE, seed=seed) for seed in (0, 1))

    def key(folder: Path) -> str:
        config = trial(MINIATURE, intermediate=phase(mixture={TASK: 1.0}, teacher=str(folder)))
        config = config.model_copy(update={"target": phase(mixture={"miniature_nli": 1.0})})
        evaluation = config.evaluation.model_copy(update={"task": "miniature_nli"})
        config = config.model_copy(update={"evaluation": evaluation})
        return plan_stages(config, provenance=read_provenance(config))[0].key

    assert key(copy) == key(teacher_folder) != key(other)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"mixture": {TASK: 1.0}}, "learns the vectors of a teacher"),
        ({"mixture": {"miniature_nli": 1.0}, "teacher": "any/teacher"}, "has no effect"),
    ],
)
def test_a_teacher_stands_where_it_is_needed(fields: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_trial(trial(MINIATURE, intermediate=phase(**fields)))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("config.json", '{"model_type": "bert"}', "a teacher is a CLIP text model"),
        ("tokenizer.json", None, "has no tokenizer.json"),
        ("model.safetensors", None, "has no model.safetensors"),
        ("config.json", '{"model_type": "clip_text_model", "projection_dim": 7}', "projection_dim"),
    ],
)
def test_a_folder_that_cannot_teach_is_refused(tmp_path: Path, name: str, text: str | None, said: str) -> None:
    folder = write_teacher(tmp_path, tokenizer=MINIATURE)
    (folder / name).unlink()
    if text is not None:
        (folder / name).write_text(text)

    with pytest.raises(CheckpointError, match=said):
        check_trial(trial(MINIATURE, intermediate=phase(mixture={TASK: 1.0}, teacher=str(folder))))
