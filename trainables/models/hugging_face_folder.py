"""Exports a trained classifier as a plain Hugging Face folder, which can be used without xstilts.

What the weights of each family become is in `trainables/models/families`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any  # Any: transformers is untyped

import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor

from trainables.errors import ConfigError
from trainables.models.encoder import copy_tokenizer, load_encoder
from trainables.models.head import Pooling
from trainables.models.transformers_model import read_config
from trainables.tensor_files import Place

_METADATA = {"pipeline_tag": "text-classification", "library_name": "transformers"}

_CARD = """---
{metadata}---
# Zero-shot cross-lingual classifier

Written by `xstilts export`. Labels, in order: {labels}. Pooling: {pooling}.

```python
from transformers import AutoModelForSequenceClassification, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("THIS FOLDER")
model = AutoModelForSequenceClassification.from_pretrained("THIS FOLDER")
logits = model(**tokenizer("A premise.", "A hypothesis.", return_tensors="pt")).logits
```
{note}
{sections}
"""

_MEAN_NOTE = """
The last layer is not a trained layer. Its keys are zero, so it attends equally to all tokens and passes the mean of
their vectors to the classification head. It needs float32 or bfloat16 (float16 overflows) and is only for prediction:
for further training, start from the encoder.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardParts:
    """Parts of a model card: what the model is for, its origin and its scores."""

    metadata: Mapping[str, object] = field(default_factory=dict[str, object])
    """Metadata of the card, for YAML."""
    sections: str = ""
    """Markdown at the end of the card."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedEncoder:
    """The stages that together are a trained encoder."""

    place: Place
    """Where a whole encoder is."""
    adapters: tuple[Path, ...] = ()
    """Folders of the adapters that were trained on it, in order."""


def export_classifier(
    encoder: Path | TrainedEncoder,
    *,
    head: Mapping[str, Tensor],
    pooling: Pooling,
    labels: Sequence[str],
    folder: Path,
    card: CardParts | None = None,
) -> None:
    """Write a folder that `AutoModelForSequenceClassification.from_pretrained` loads, with the same predictions.

    The family of the encoder writes the weights. Mean pooling becomes one more encoder layer, or a setting where
    transformers' class averages tokens itself.

    Args:
        encoder: A folder that `save_encoder` wrote, whose tokenizer is copied; or where the parts of one are.
        head: Weights of a `sentence_pair` head, as `trainables.models.task_model.head_state` returns them.
        pooling: Pooling of that head.
        labels: Names of the classes, in order.
        folder: Folder to write; it is created if it is missing.
        card: What the model card has beyond the model's own shape.

    Raises:
        ConfigError: The head has another number of labels.
        CheckpointError: The encoder's folder is incomplete.
    """
    scorer = {name.removeprefix("scorer."): tensor.detach().cpu().float() for name, tensor in head.items()}
    num_outputs = scorer["out_proj.weight"].shape[0]
    if num_outputs != len(labels):
        rule = f"{list(labels)} has {len(labels)} names, but the head has {num_outputs} classes"
        msg = f"{rule}; give one name for each class"
        raise ConfigError("labels", msg)
    trained = TrainedEncoder(place=Place(encoder)) if isinstance(encoder, Path) else encoder
    loaded = load_encoder(trained.place, dropout=0.0, adapters=trained.adapters)
    config: Any = read_config(trained.place.folder)
    tensors = loaded.family.to_classifier(config, state=loaded.model.state_dict(), scorer=scorer, pooling=pooling)
    folder.mkdir(parents=True, exist_ok=True)
    # safetensors does not accept tensors that share memory, as the zeros of the mean layer do.
    tensors = {name: tensor.clone().contiguous() for name, tensor in tensors.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    _write_config(config, folder=folder, labels=labels, classifier=loaded.family.classifier_class)
    copy_tokenizer(trained.place.folder, folder=folder)
    card = card or CardParts()
    text = _CARD.format(
        metadata=yaml.safe_dump({**_METADATA, **card.metadata}, sort_keys=False, allow_unicode=True),
        labels=", ".join(labels),
        pooling="mean" if pooling == "mean" else "first token",
        note=_MEAN_NOTE if config.num_hidden_layers > loaded.num_layers else "",
        sections=card.sections,
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _write_config(config: Any, *, folder: Path, labels: Sequence[str], classifier: str) -> None:
    config.architectures = [classifier]
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    config.problem_type = "single_label_classification"
    config.dtype = torch.float32
    config.save_pretrained(folder)
