"""The recipe that pretrained the miniature's encoder: what to read in which order, how to start, what to mask.

Only the pure pieces are here; the training itself is the project's own masked-LM task, run on the rows of
`miniature_parallel` in the order they come.
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
MAX_GRADIENT_NORM = 1.0
"""Gradients are clipped to this norm."""
MASK_RATE = 0.45
"""Share of a masked side's tokens that are masked. High, because a sentence has few words that carry meaning."""
ONE_SIDE_PROBABILITY = 0.85
"""How often only one side of a pair is masked. With both sides masked the answer is seldom visible anywhere, and the
encoder never learnt to look it up in the other sentence (25 % on both sides: it learnt each language by itself)."""
FREQUENCY_EXPONENT = -0.5
"""A token's chance to be masked grows with its frequency to this power: else most masks fall on "the" and "is"."""
LEARNING_RATE = 2e-3
"""Peak of AdamW's learning rate: linear warm-up, constant for `HOLD_FRACTION`, then linear decay to nothing."""
WEIGHT_DECAY = 0.01
"""AdamW's decoupled weight decay."""
NUM_WARMUP_STEPS = 200
"""Steps of linear warm-up."""
NUM_TRANSLATION_STEPS = 2_000
"""Steps of the first part, on single sentences and their translations only."""
BATCH_SIZE = 64
"""Pairs a step."""
NUM_STEPS = 14_000
"""Optimizer steps of the second part, on all pairs. Binding a colour to its shape comes late."""
HOLD_FRACTION = 0.5
"""Share of the steps before the learning rate starts to fall, in 0 to 1."""
MAX_LENGTH = 64
"""Longest pair in tokens; the longest that occurs has under 64."""

NUM_EMBEDDING_STATEMENTS = 6_000
"""Statements, each told in 15 languages, that the initial embeddings are counted on."""
EMBEDDING_SCALE = 0.04
"""Root mean square of an initial embedding's entries: twice XLM-R's 0.02, as the positions beside it keep theirs."""
EMBEDDING_NOISE = 0.01
"""Standard deviation of the noise that keeps translations apart."""


def encoder_config(*, num_tokens: int) -> dict[str, int | float | str]:
    """Keyword arguments of `XLMRobertaConfig` for the miniature's encoder."""
    return {
        "vocab_size": num_tokens,
        "hidden_size": 128,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 256,
        "max_position_embeddings": 194,
        "type_vocab_size": 1,
        "initializer_range": 0.05,  # XLM-R's 0.02 belongs to a width of 1024; this is as much for a width of 128
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
    """Each text with the names of the facts it tells, which are the same in every language."""
    rng = seeded("miniature embeddings")
    for _ in range(NUM_EMBEDDING_STATEMENTS):
        statement = draw_statement(rng)
        facts = _fact_names(statement)
        for language in LANGUAGES:
            yield sentence(statement, language=language).strip(), facts


def initial_embeddings(
    token_ids: Sequence[Sequence[int]], *, facts: Sequence[Sequence[str]], num_tokens: int, hidden_size: int
) -> NDArray[np.float32]:
    """Embeddings in which words of one meaning start close together, whatever their language.

    Cross-lingual latent semantic analysis: positive pointwise mutual information of token and fact (Levy and Goldberg
    2014, "Neural word embedding as implicit matrix factorization"), then a truncated singular value decomposition.

    Args:
        token_ids: the tokens of each text, special tokens left out.
        facts: the names of the facts that each text tells.
        num_tokens: rows of the result.
        hidden_size: columns of the result.

    Returns:
        Array of (num_tokens, hidden_size); tokens that never occur are noise only.
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
    # The directions are turned at random: else a few columns hold most of the variance and one attention head sees it.
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(hidden_size, hidden_size)))
    return vectors @ rotation
