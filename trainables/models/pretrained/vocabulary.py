"""How many tokens a tokenizer knows, against how many the encoder has a vector for."""

from __future__ import annotations

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
        padding: Number of the token that the encoder takes for padding, where its positions depend on it.

    Raises:
        CheckpointError: Neither tokenizer.json nor a SentencePiece model is there, one is no JSON, it gives a text a
            token that the encoder has no vector for, or it fills texts up with another token than the encoder expects.
    """
    for path in (folder / TOKENIZER, folder / SETTINGS, folder / "special_tokens_map.json"):
        if path.is_file():
            read_object(path)
    if not (folder / TOKENIZER).is_file():
        return
    known = dict(_tokens(read_object(folder / TOKENIZER)))
    if not known:
        raise unreadable(folder / TOKENIZER, "knows no token: its `model` has no `vocab`", "copy the checkpoint anew")
    number, token = max((number, token) for token, number in known.items())
    if number >= num_embeddings:
        problem = (
            f"gives {token!r} the number {number}, and the encoder has vectors for 0 to {num_embeddings - 1} "
            "(`vocab_size` of its embeddings)"
        )
        raise unreadable(folder / TOKENIZER, problem, "take the tokenizer that the encoder was trained with")
    token = _padding_token(folder)
    if padding is not None and known.get(token, padding) != padding:
        problem = f"fills texts up with {token!r}, number {known[token]}, and pad_token_id of config.json is {padding}"
        raise unreadable(folder / TOKENIZER, problem, f"set pad_token_id to {known[token]}, or take its own tokenizer")


def _padding_token(folder: Path) -> str:
    """Return the token that a tokenizer fills texts up with."""
    for path in (folder / SETTINGS, folder / "special_tokens_map.json"):
        named = read_object(path).get("pad_token") if path.is_file() else None
        token = cast("object", named.get("content")) if isinstance(named, dict) else named
        if isinstance(token, str):
            return token
    return "<pad>"


def _tokens(tokenizer: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Return token -> number, as tokenizer.json of any model has it."""
    model, added = tokenizer.get("model"), tokenizer.get("added_tokens")
    vocabulary = cast("object", model.get("vocab")) if isinstance(model, dict) else None
    if isinstance(vocabulary, list):  # Unigram: pairs of a piece and its score, in the order of their numbers
        pairs = cast("list[object]", vocabulary)
        yield from ((str(pair[0]) if isinstance(pair, list) and pair else "", at) for at, pair in enumerate(pairs))
    elif isinstance(vocabulary, dict):
        of_dict = cast("dict[str, object]", vocabulary)
        yield from ((token, at) for token, at in of_dict.items() if isinstance(at, int))
    for one in cast("list[object]", added) if isinstance(added, list) else ():
        if isinstance(one, dict) and isinstance(number := cast("dict[str, object]", one).get("id"), int):
            yield str(one.get("content")), number
