"""A tiny random encoder of each family, made with transformers' own configurations, and variants of some."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, PreTrainedModel, PreTrainedTokenizerFast

from trainables.models.families.by_name import FAMILIES
from trainables.tasks.spec import HubSource, TaskSpec

PADDING = 1
"""Id of the padding token in every tiny encoder, as in the tiny tokenizer."""

LABELS = ("entailment", "neutral", "contradiction")
NLI = TaskSpec(
    name="nli",
    kind="sentence_pair",
    source=HubSource(repository="o/n"),
    splits={},
    columns={},
    labels=LABELS,
    licence="-",
    citation="-",
)
"""A task of pairs, for heads: it has no data."""

_SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "pad_token_id": PADDING,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "initializer_range": 0.1,
}
_MDEBERTA: dict[str, Any] = {
    "relative_attention": True,
    "position_buckets": 8,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
    "type_vocab_size": 0,
}

FIELDS: dict[str, dict[str, Any]] = {
    "xlm-roberta": {"model_type": "xlm-roberta", "type_vocab_size": 1},
    "bert": {"model_type": "bert"},
    "deberta-v2": {"model_type": "deberta-v2", **_MDEBERTA},
    "modernbert": {
        "model_type": "modernbert",
        "num_hidden_layers": 4,  # a global layer, two local ones, a global one
        "local_attention": 8,
        "cls_token_id": 0,
        "sep_token_id": 2,
    },
    "xlm-roberta-xl": {"model_type": "xlm-roberta-xl", "type_vocab_size": 1},
    "rembert": {"model_type": "rembert", "input_embedding_size": 24, "output_embedding_size": 24},
    "eurobert": {"model_type": "eurobert", "num_key_value_heads": 2, "mask_token_id": 4},
}
"""Family -> its fields in config.json, beside the sizes."""

VARIANTS: dict[str, dict[str, Any]] = {
    **FIELDS,
    "deberta-v2 with a convolution": {
        **FIELDS["deberta-v2"],
        "share_att_key": False,
        "position_biased_input": True,
        "type_vocab_size": 2,
        "conv_kernel_size": 3,
        "conv_act": "gelu",
    },
    "deberta-v2 without distances": {"model_type": "deberta-v2"},
    "modernbert with biases": {**FIELDS["modernbert"], "norm_bias": True, "attention_bias": True, "mlp_bias": True},
}
"""The families, and checkpoints of the same family that have other weights."""


def family_config(variant: str, *, vocab_size: int, max_tokens: int = 64) -> dict[str, Any]:
    """Return the content of a tiny encoder's config.json that reads up to `max_tokens` tokens."""
    fields = {**_SIZES, "vocab_size": vocab_size, **VARIANTS[variant]}
    first = PADDING + 1 if FAMILIES[fields["model_type"]].starts_after_padding else 0
    return fields | {"max_position_embeddings": max_tokens + first}


def random_model(variant: str, *, vocab_size: int = 60, max_tokens: int = 64) -> PreTrainedModel:
    """Return transformers' model of a tiny encoder, with random weights that are the same in every run."""
    config = AutoConfig.for_model(**family_config(variant, vocab_size=vocab_size, max_tokens=max_tokens))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModel.from_config(config, **FAMILIES[config.model_type].model_arguments)
        for parameter in model.parameters():
            if parameter.ndim == 1:  # norms and biases at their initial values would hide that one is not used
                parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
    return model.eval()


def write_family(folder: Path, variant: str, *, tokenizer: PreTrainedTokenizerFast) -> Path:
    """Write a tiny encoder with its tokenizer; returns the folder."""
    random_model(variant, vocab_size=len(tokenizer)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
