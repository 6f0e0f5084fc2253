"""A trained classifier as a plain Hugging Face folder, for people who do not have this project.

This is a door to `transformers`. Shapes: D hidden size, F the feed-forward's size, L labels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any  # Any: transformers is untyped

import torch
from safetensors.torch import save_file
from torch import Tensor

from trainables.errors import ConfigError
from trainables.models.encoder import copy_tokenizer, load_encoder, read_config

MEAN_SCALE = 1e9
"""What the mean is multiplied by before the residual is added to it and a LayerNorm takes the factor out again.

It makes the residual vanish below float32's precision (2 ** -24); its square, summed over D, stays far from overflow.
"""

_CARD = """---
pipeline_tag: text-classification
library_name: transformers
---
# Zero-shot cross-lingual classifier

Written by `xstilts export`. Labels, in order: {labels}. Pooling: {pooling}.

```python
from transformers import AutoModelForSequenceClassification, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("THIS FOLDER")
model = AutoModelForSequenceClassification.from_pretrained("THIS FOLDER")
logits = model(**tokenizer("A premise.", "A hypothesis.", return_tensors="pt")).logits
```
{note}
{summary}
"""

_MEAN_NOTE = """
The last layer is not a trained one: with keys of zero it attends to all tokens alike, so that it hands the mean of the
tokens' vectors to the classification head. It needs float32 or bfloat16 (float16 overflows), and is for prediction:
to train further, start from the encoder.
"""


def export_classifier(
    encoder_folder: Path, *, head: Mapping[str, Tensor], labels: Sequence[str], folder: Path, summary: str = ""
) -> None:
    """Write a folder that `AutoModelForSequenceClassification.from_pretrained` loads, with the same predictions.

    The pooling is read off the head's weights: only mean pooling has a norm. A mean becomes one more encoder layer.

    Args:
        encoder_folder: As `save_encoder` writes it; its tokenizer is copied.
        head: Weights of a `sentence_pair` head, as `trainables.models.task_model.head_state` gives them.
        labels: Names of the classes, in order.
        folder: Created if it is missing.
        summary: Markdown at the end of the model card: where it comes from, what it scored.

    Raises:
        ConfigError: The head has another number of labels.
        CheckpointError: The encoder's folder lacks a part.
    """
    scorer = {name.removeprefix("scorer."): tensor.detach().cpu().float() for name, tensor in head.items()}
    num_outputs = scorer["out_proj.weight"].shape[0]
    if num_outputs != len(labels):
        msg = f"{list(labels)} has {len(labels)} names, but the head scores {num_outputs} classes; name each once"
        raise ConfigError("labels", msg)
    encoder = load_encoder(encoder_folder, dropout=0.0)
    state: dict[str, Tensor] = encoder.model.state_dict()
    config: Any = read_config(encoder_folder)
    has_mean = "norm.weight" in scorer
    if has_mean:
        state |= _mean_layer(config, scorer=scorer)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = _with_head(state, scorer=scorer, model_type=config.model_type)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    _write_config(config, folder=folder, labels=labels, num_layers=encoder.num_layers + has_mean)
    copy_tokenizer(encoder_folder, folder=folder)
    card = _CARD.format(
        labels=", ".join(labels),
        pooling="mean" if has_mean else "first token",
        note=_MEAN_NOTE if has_mean else "",
        summary=summary,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")


def _mean_layer(config: Any, *, scorer: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # attention: softmax(0) is uniform, so its output is MEAN_SCALE * mean; + residual; LayerNorm takes the scale out.
    # feed-forward: 0, so the output is the last LayerNorm of what attention gave, which has mean 0 and variance 1.
    size, wide = config.hidden_size, config.intermediate_size
    zeros, ones = torch.zeros(size), torch.ones(size)
    no_mixing, identity = torch.zeros(size, size), torch.eye(size)
    layer = {
        "attention.self.query": (no_mixing, zeros),
        "attention.self.key": (no_mixing, zeros),
        "attention.self.value": (MEAN_SCALE * identity, zeros),
        "attention.output.dense": (identity, zeros),
        "attention.output.LayerNorm": (ones, zeros),
        "intermediate.dense": (torch.zeros(wide, size), torch.zeros(wide)),
        "output.dense": (torch.zeros(size, wide), zeros),
        # The factor undoes this LayerNorm's epsilon, which meets a variance of 1.
        "output.LayerNorm": (scorer["norm.weight"] * math.sqrt(1 + config.layer_norm_eps), scorer["norm.bias"]),
    }
    prefix = f"encoder.layer.{config.num_hidden_layers}"
    weights = {f"{prefix}.{name}.weight": weight for name, (weight, _) in layer.items()}
    return weights | {f"{prefix}.{name}.bias": bias for name, (_, bias) in layer.items()}


def _with_head(state: Mapping[str, Tensor], *, scorer: Mapping[str, Tensor], model_type: str) -> dict[str, Tensor]:
    # BERT keeps the dense layer and its tanh in the pooler, XLM-R in the head.
    is_bert = model_type == "bert"
    prefix = "bert." if is_bert else "roberta."
    names = {
        "dense": "bert.pooler.dense" if is_bert else "classifier.dense",
        "out_proj": "classifier" if is_bert else "classifier.out_proj",
    }
    tensors = {prefix + name: tensor for name, tensor in state.items()}
    for ours, theirs in names.items():
        tensors[f"{theirs}.weight"], tensors[f"{theirs}.bias"] = scorer[f"{ours}.weight"], scorer[f"{ours}.bias"]
    # safetensors refuses tensors that share memory, as the zeros of the mean layer do.
    return {name: tensor.clone().contiguous() for name, tensor in tensors.items()}


def _write_config(config: Any, *, folder: Path, labels: Sequence[str], num_layers: int) -> None:
    is_bert = config.model_type == "bert"
    config.architectures = ["BertForSequenceClassification" if is_bert else "XLMRobertaForSequenceClassification"]
    config.num_hidden_layers = num_layers
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    config.problem_type = "single_label_classification"
    config.dtype = torch.float32
    config.save_pretrained(folder)
