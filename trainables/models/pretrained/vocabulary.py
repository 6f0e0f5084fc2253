"""Checks that a checkpoint's tokenizer fits its encoder: every token has an embedding, and the padding token agrees."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast  # Any: JSON

from trainables.models.pretrained.documents import read_object, unreadable

TOKENIZER, SETTINGS = "tokenizer.json", "tokenizer_config.json"


def check_tokenizer(folder: Path, *, num_embeddings: int, padding: int | None = None) -> None:
    """Check the tokenizer of a checkpoint's folder.

    Args:
        folder: The folder.
        num_embeddings: Rows of the encoder's word embeddings.
        padding: Id of the encoder's padding token, if its positions depend on it.

    Raises:
        CheckpointError: A file is not JSON, a token id is outside the encoder's embeddings, or the padding token of the
            tokenizer is not that of the encoder.
    """
    paths = (folder / TOKENIZER, folder / SETTINGS, folder / "special_tokens_map.json")
    states = ((path, path.stat()) for path in paths if path.is_file())
    files = tuple((path, state.st_ino, state.st_size, state.st_mtime_ns) for path, state in states)
    _check_files(folder, files, num_embeddings=num_embeddings, padding=padding)


@functools.lru_cache(maxsize=64)
def _check_files(
    folder: Path, files: tuple[tuple[Path, int, int, int], ...], *, num_embeddings: int, padding: int | None
) -> None:
    """Check a tokenizer; one that passed is not read again while its files are the same (250,000 tokens take 0.3 s)."""
    for path, *_ in files:
        read_object(path)
    if not (folder / TOKENIZER).is_file():
        return
    known = dict(_tokens(read_object(folder / TOKENIZER)))
    if not known:
        problem = "has no tokens: `model` has no `vocab`"
        raise unreadable(folder / TOKENIZER, problem, "copy the checkpoint again")
    number, token = max((number, token) for token, number in known.items())
    if number >= num_embeddings:
        problem = (
            f"gives {token!r} the id {number}, but the encoder has embeddings only for 0 to {num_embeddings - 1} "
            "(`vocab_size`)"
        )
        raise unreadable(folder / TOKENIZER, problem, "use the tokenizer that the encoder was trained with")
    token = _padding_token(folder)
    if padding is not None and known.get(token, padding) != padding:
        problem = f"pads texts with {token!r}, id {known[token]}, but pad_token_id of config.json is {padding}"
        remedy = f"set pad_token_id to {known[token]}, or use the tokenizer that the encoder was trained with"
        raise unreadable(folder / TOKENIZER, problem, remedy)


def _padding_token(folder: Path) -> str:
    """Return the padding token of a tokenizer."""
    for path in (folder / SETTINGS, folder / "special_tokens_map.json"):
        named = read_object(path).get("pad_token") if path.is_file() else None
        token = cast("object", named.get("content")) if isinstance(named, dict) else named
        if isinstance(token, str):
            return token
    return "<pad>"


def _tokens(tokenizer: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield the tokens and ids in tokenizer.json, for every type of model."""
    model, added = tokenizer.get("model"), tokenizer.get("added_tokens")
    vocabulary = cast("object", model.get("vocab")) if isinstance(model, dict) else None
    if isinstance(vocabulary, list):  # Unigram: pairs of a piece and its score, in the order of their ids
        pairs = cast("list[object]", vocabulary)
        yield from ((str(pair[0]) if isinstance(pair, list) and pair else "", at) for at, pair in enumerate(pairs))
    elif isinstance(vocabulary, dict):
        of_dict = cast("dict[str, object]", vocabulary)
        yield from ((token, at) for token, at in of_dict.items() if isinstance(at, int))
    for token in cast("list[object]", added) if isinstance(added, list) else ():
        if isinstance(token, dict) and isinstance(number := cast("dict[str, object]", token).get("id"), int):
            yield str(token.get("content")), number
