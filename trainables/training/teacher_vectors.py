"""Computes the sentence vectors of a frozen teacher once for a set of texts; every trial and rank reads them.

They are kept as the features of frozen vision towers are (`vision_features`): in a folder named by content, which is
made once and checked before it is used. The key holds the texts, as a set, and the teacher's files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from trainables.config.frozen import content_key
from trainables.data.encoded_split import EncodedTask
from trainables.data.images import IndirectColumn
from trainables.data.made_once import making_once
from trainables.data.shared_cache import cached_kind
from trainables.models.pretrained.teacher_folder import teacher_size
from trainables.tasks.kinds.distillation import TAUGHT

FORMAT = 1
"""Raised by hand when the meaning of a key changes."""

FILE = "vectors.npy"
"""Vectors in a cache's folder: float32, shape [num_texts, V], in the order of the sorted texts."""

TEXTS_PER_BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenTeacher:
    """A teacher, which is loaded only where vectors are missing, with the folder for its vectors.

    Args:
        folder: Its checkpoint.
        identity: Identity of its weights: a hash of its files.
        cache: Folder that holds the `teacher` folder; made when missing.
        device: Device that computes the vectors.
    """

    folder: Path
    identity: str
    cache: Path
    device: torch.device

    def vectors_folder(self, texts: list[str]) -> Path:
        """Return the folder for the vectors of distinct, sorted texts."""
        digest = hashlib.sha256()
        for text in texts:
            digest.update(hashlib.sha256(text.encode()).digest())
        key = content_key({"format": FORMAT, "texts": digest.hexdigest(), "teacher": self.identity})
        return cached_kind("teacher", cache=self.cache) / key


def making_vectors(task: EncodedTask, *, teacher: FrozenTeacher) -> Generator[None]:
    """Compute and publish the vectors of a task's texts, unless they exist; it yields after each batch.

    Args:
        task: A task of kind `distillation`.
        teacher: The teacher.

    Raises:
        CheckpointError: The teacher cannot be loaded.
        OSError: The new folder is damaged: the disk does not keep what is written.
    """
    texts = _texts(task)

    def compute(part: Path) -> Generator[None]:
        from trainables.models.teacher import Teacher

        model = Teacher(teacher.folder, device=teacher.device)
        yield
        shape = (len(texts), teacher_size(teacher.folder))
        vectors = np.lib.format.open_memmap(part / FILE, mode="w+", dtype=np.float32, shape=shape)
        for start in range(0, len(texts), TEXTS_PER_BATCH):
            batch = texts[start : start + TEXTS_PER_BATCH]
            vectors[start : start + len(batch)] = model.vectors(batch)
            yield
        vectors.flush()

    yield from making_once(teacher.vectors_folder(texts), write=compute)


def with_teacher_vectors(task: EncodedTask, *, teacher: FrozenTeacher) -> EncodedTask:
    """Return a task whose batches hold `teacher_vectors_BV`, from existing vectors."""
    texts = _texts(task)
    vectors = np.load(teacher.vectors_folder(texts) / FILE, mmap_mode="r", allow_pickle=False)
    places = {text: place for place, text in enumerate(texts)}
    numbers = np.array([places[text] for text in task.columns[TAUGHT]], dtype=np.int64)
    return task.with_column(TAUGHT, IndirectColumn(vectors, numbers=numbers))


def _texts(task: EncodedTask) -> list[str]:
    return sorted(set(task.columns[TAUGHT]))
