"""The request for encoded examples, and the content key of the result."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainables.config.frozen import content_key
from trainables.file_hashes import file_hash
from trainables.tasks.spec import TaskSpec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FORMAT = 3
"""Increased by hand when the layout of the cache or the reading of rows changes (docs/decisions/0021)."""

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "sentencepiece.bpe.model",
    "vocab.txt",
)
"""Files that decide how a text is tokenised."""

_FIELDS_WITHOUT_EFFECT = {"masking", "metric", "metric_version", "unanswerable", "control"}
"""Fields of a task that change batches and scores, but not encoded examples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerSource:
    """A loaded tokenizer and its fingerprint.

    Args:
        tokenizer: A fast tokenizer.
        fingerprint: `tokenizer_fingerprint` of its folder.
    """

    tokenizer: PreTrainedTokenizerBase
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFormat:
    """The form of pixels that a vision tower needs.

    Args:
        image_size: Side of the square, in pixels.
        image_mean: Channel means of pixels in 0..1.
        image_std: Channel standard deviations of pixels in 0..1.
    """

    image_size: int
    image_mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    image_std: tuple[float, float, float] = (0.5, 0.5, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedRequest:
    """Which examples are requested, and how they are encoded.

    Args:
        spec: The task.
        split: Split of the task: `train`, `validation` or `test`.
        language: One of the task's languages.
        tokenizer: Tokenizer and its fingerprint.
        max_length: Maximum length of a text in tokens, including special tokens.
        num_examples: Number of rows, from the start of the split; None takes all.
        cache: Folder that holds the `encoded` folder; it is created if it is missing.
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
    """Return a hash of the tokenizer's files in a checkpoint's folder."""
    digest = hashlib.sha256()
    for name in TOKENIZER_FILES:
        path = folder / name
        if path.is_file():
            digest.update(f"{name}\0{file_hash(path)}\n".encode())
    return digest.hexdigest()


def encoding_key(request: EncodedRequest, *, source: str) -> str:
    """Return the content key of encoded examples.

    Args:
        request: The request. Pixels, masking and metric do not enter the key: they change only batches and scores.
        source: Fingerprint of the source's rows.
    """
    return content_key(
        {
            "format": FORMAT,
            "spec": {
                name: value for name, value in request.spec.identity().items() if name not in _FIELDS_WITHOUT_EFFECT
            },
            "split": request.split,
            "language": request.language,
            "source": source,
            "tokenizer": request.tokenizer.fingerprint,
            "max_length": request.max_length,
            "num_examples": request.num_examples,
        }
    )
