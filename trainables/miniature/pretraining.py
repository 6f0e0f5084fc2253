"""Settings of the pretraining of the miniature's encoder: order of the data, initial embeddings, masking.

Only pure functions are here. The training itself uses the masked-LM kind of xstilts on the rows of
`miniature_parallel`, in their order.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from trainables.miniature.draws import seeded
from trainables.miniature.languages import LANGUAGES, sentence
from trainables.miniature.logic import facts_of
from trainables.miniature.parallel import draw_statement
from trainables.miniature.world import Statement

ADAM_BETAS = (0.9, 0.98)
"""AdamW's decay rates (RoBERTa's, arXiv 1907.11692, section 3.1)."""
LEARNING_RATE = 2e-3
"""Peak of AdamW's learning rate: linear warm-up, constant for `HOLD_FRACTION`, then linear decay to 0."""
WEIGHT_DECAY = 0.01
"""AdamW's decoupled weight decay."""
NUM_WARMUP_STEPS = 200
"""Steps of linear warm-up."""
NUM_TRANSLATION_STEPS = 2_000
"""Steps of the first part, on single sentences and their translations only."""
BATCH_SIZE = 64
"""Pairs per step."""
NUM_STEPS = 14_000
"""Optimiser steps of the second part, on all pairs. The relation of a colour and its shape is learnt late."""
HOLD_FRACTION = 0.5
"""Share of the steps before the learning rate starts to decay, in 0 to 1."""
MAX_LENGTH = 64
"""Maximum length of a pair in tokens; all pairs are shorter than 64."""

NUM_EMBEDDING_STATEMENTS = 6_000
"""Statements, each in 15 languages, from which the initial embeddings are computed."""
EMBEDDING_SCALE = 0.04
"""Root mean square of an initial embedding's entries: twice XLM-R's 0.02, because position embeddings keep theirs."""
EMBEDDING_NOISE = 0.01
"""Standard deviation of the noise that keeps translations apart."""


def encoder_config(*, num_tokens: int) -> dict[str, int | float | str]:
    """Return keyword arguments of `XLMRobertaConfig` for the miniature's encoder."""
    return {
        "vocab_size": num_tokens,
        "hidden_size": 128,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 256,
        "max_position_embeddings": 194,
        "type_vocab_size": 1,
        "initializer_range": 0.05,  # XLM-R's 0.02 is for a hidden size of 1024; this is the equivalent for 128
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "layer_norm_eps": 1e-5,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
    }


def _fact_names(statement: Statement) -> list[str]:
    names = [str(fact) for fact in facts_of(statement)]
    names += [statement.kind, f"{statement.kind} {statement.value}", f"subject {statement.subject.shape}"]
    for thing in filter(None, (statement.subject, statement.other)):
        names += [part for part in (thing.shape, thing.size, thing.colour, f"count {thing.count}") if part]
    return names


def embedding_texts() -> Iterator[tuple[str, list[str]]]:
    """Yield each text with the names of its facts, which are the same in every language."""
    rng = seeded("miniature embeddings")
    for _ in range(NUM_EMBEDDING_STATEMENTS):
        statement = draw_statement(rng)
        facts = _fact_names(statement)
        for language in LANGUAGES:
            yield sentence(statement, language=language).strip(), facts


def initial_embeddings(
    token_ids: Sequence[Sequence[int]], *, facts: Sequence[Sequence[str]], num_tokens: int, hidden_size: int
) -> NDArray[np.float32]:
    """Return embeddings in which words with the same meaning are close together, whatever their language.

    Cross-lingual latent semantic analysis: positive pointwise mutual information of token and fact (Levy and Goldberg
    2014, "Neural word embedding as implicit matrix factorization"), then a truncated singular value decomposition.

    Args:
        token_ids: Tokens of each text, without special tokens.
        facts: Names of the facts in each text.
        num_tokens: Rows of the result.
        hidden_size: Columns of the result.

    Returns:
        Array of (num_tokens, hidden_size); tokens that never occur are only noise.
    """
    columns = {name: column for column, name in enumerate(sorted({name for names in facts for name in names}))}
    counts = np.zeros((num_tokens, len(columns)))
    for ids, names in zip(token_ids, facts, strict=True):
        counts[np.ix_(sorted(set(ids)), sorted({columns[name] for name in names}))] += 1
    vectors = _principal_vectors(_positive_information(counts), hidden_size=hidden_size)
    vectors *= EMBEDDING_SCALE / np.sqrt(np.mean(vectors[np.abs(vectors).sum(1) > 0] ** 2))
    noise = np.random.default_rng(0).normal(0.0, EMBEDDING_NOISE, (num_tokens, hidden_size))
    return (vectors + noise).astype(np.float32)


def _positive_information(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    expected = counts.sum(1, keepdims=True) * counts.sum(0, keepdims=True) / counts.sum()
    ratio = np.divide(counts, expected, out=np.ones_like(counts), where=(counts > 0) & (expected > 0))
    return np.maximum(np.log(ratio), 0.0)


def _principal_vectors(matrix: NDArray[np.float64], *, hidden_size: int) -> NDArray[np.float64]:
    left, values, _ = np.linalg.svd(matrix, full_matrices=False)
    rank = min(hidden_size, len(values))
    vectors = np.zeros((len(matrix), hidden_size))
    vectors[:, :rank] = left[:, :rank] * np.sqrt(values[:rank])
    # A random rotation: without it a few columns, and so a single attention head, have most of the variance.
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(hidden_size, hidden_size)))
    return vectors @ rotation
