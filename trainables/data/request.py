"""Which examples are wanted, how they are encoded, and the content key of the answer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainables.config.frozen import content_key
from trainables.tasks.spec import TaskSpec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FORMAT = 3
"""Raised by hand when the layout of the cache, or what is read of rows, changes (docs/decisions/0021)."""

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "sentencepiece.bpe.model",
    "vocab.txt",
)
"""Files that decide how a text is tokenised."""

_ACTS_LATER = {"masking", "metric", "unanswerable", "control"}
"""Fields of a task that act on batches and scores, not on encoded examples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerSource:
    """A loaded tokenizer and what identifies it.

    Args:
        tokenizer: A fast tokenizer.
        fingerprint: Its folder's `tokenizer_fingerprint`.
    """

    tokenizer: PreTrainedTokenizerBase
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFormat:
    """How images become pixels; decided by the vision tower.

    Args:
        image_size: Side of the square, in pixels.
        image_mean: Channel means of pixels in 0..1.
        image_std: Channel deviations.
    """

    image_size: int
    image_mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    image_std: tuple[float, float, float] = (0.5, 0.5, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedRequest:
    """Which examples are wanted, and how they are encoded.

    Args:
        spec: The task.
        split: Our split: `train`, `validation` or `test`.
        language: One of the task's languages.
        tokenizer: Tokenizer and its fingerprint.
        max_length: Longest text in tokens, special tokens included.
        num_examples: Only the first rows of the source's split; None takes all.
        cache: Folder that holds the `encoded` folder; made when missing.
        pixels: For tasks with images. Not part of the cache's key.
    """

    spec: TaskSpec
    split: str
    tokenizer: TokenizerSource
    max_length: int
    cache: Path
    language: str = "en"
    num_examples: int | None = None
    pixels: PixelFormat | None = None


def tokenizer_fingerprint(folder: Path) -> str:
    """Return a hash of the files in a checkpoint's folder that make its tokenizer."""
    digest = hashlib.sha256()
    for name in TOKENIZER_FILES:
        path = folder / name
        if path.is_file():
            digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def encoding_key(request: EncodedRequest, *, source: str) -> str:
    """Return the content key of encoded examples.

    Args:
        request: What is wanted; pixels, masking and metric are left out, for they act on batches and scores.
        source: Fingerprint of the source's rows.
    """
    return content_key(
        {
            "format": FORMAT,
            "spec": {name: value for name, value in request.spec.identity().items() if name not in _ACTS_LATER},
            "split": request.split,
            "language": request.language,
            "source": source,
            "tokenizer": request.tokenizer.fingerprint,
            "max_length": request.max_length,
            "num_examples": request.num_examples,
        }
    )
