from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, BertConfig, BertModel, XLMRobertaConfig, XLMRobertaModel

from tests.tiny_families import LABELS, NLI
from trainables.config import PhaseConfig
from trainables.errors import ConfigError
from trainables.models.encoder import load_encoder, load_tokenizer
from trainables.models.head import Pooling
from trainables.models.hugging_face_folder import CardParts, export_classifier
from trainables.models.task_model import TaskModel, build_task_model, head_state

SIZES: dict[str, Any] = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
    "pad_token_id": 1,
}
IDS_BT = torch.tensor([[0, 7, 8, 9, 10, 11, 2], [0, 11, 2, 1, 1, 1, 1], [0, 5, 6, 7, 2, 1, 1]])
MASK_BT = (IDS_BT != 1).long()


def trained_like_model(folder: Path, *, pooling: Pooling) -> TaskModel:
    phase = PhaseConfig.model_validate({"mixture": {"nli": 1.0}, "steps": 1, "pooling": pooling})
    model = build_task_model(phase, {"nli": NLI}, encoder=load_encoder(folder, dropout=0.1)).eval()
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in model.heads.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.4)
    return model


@torch.no_grad()
def largest_difference(model: TaskModel, *, exported: Path, ids_BT: torch.Tensor, mask_BT: torch.Tensor) -> float:
    labels_B = torch.zeros(len(ids_BT), dtype=torch.long)
    ours = model("nli", {"input_ids_BT": ids_BT, "attention_mask_BT": mask_BT, "labels_B": labels_B}).outputs["logits"]
    theirs = AutoModelForSequenceClassification.from_pretrained(exported).eval()(ids_BT, attention_mask=mask_BT).logits
    assert ours.std() > 0.3
    return float((ours - theirs).abs().max())


@pytest.mark.parametrize("pooling", ["mean", "first"])
@pytest.mark.parametrize(
    "source",
    [
        (XLMRobertaModel, XLMRobertaConfig(**SIZES, layer_norm_eps=1e-5)),
        (XLMRobertaModel, XLMRobertaConfig(**SIZES, layer_norm_eps=1e-12)),
        (BertModel, BertConfig(**SIZES)),
    ],
    ids=["xlmr", "xlmr-small-epsilon", "bert"],
)
def test_an_exported_classifier_gives_the_same_logits(source: Any, pooling: Pooling, tmp_path: Path) -> None:
    architecture, config = source
    torch.manual_seed(0)
    architecture(config).save_pretrained(tmp_path / "encoder")
    model = trained_like_model(tmp_path / "encoder", pooling=pooling)
    head = head_state(model.state_dict(), task="nli")

    export_classifier(
        tmp_path / "encoder",
        head=head,
        pooling=pooling,
        labels=LABELS,
        folder=tmp_path / "out",
        card=CardParts(sections="Scores: none."),
    )

    assert largest_difference(model, exported=tmp_path / "out", ids_BT=IDS_BT, mask_BT=MASK_BT) < 1e-5
    exported, report = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert exported.config.id2label == dict(enumerate(LABELS))
    assert exported.config.problem_type == "single_label_classification"
    assert "Scores: none." in (tmp_path / "out/README.md").read_text()


def test_a_wrong_number_of_labels_is_refused(tmp_path: Path) -> None:
    XLMRobertaModel(XLMRobertaConfig(**SIZES)).save_pretrained(tmp_path / "encoder")
    head = head_state(trained_like_model(tmp_path / "encoder", pooling="mean").state_dict(), task="nli")

    with pytest.raises(ConfigError, match="has 2 names, but the head has 3 classes"):
        export_classifier(tmp_path / "encoder", head=head, pooling="mean", labels=LABELS[:2], folder=tmp_path / "out")


@pytest.mark.mirror
@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_a_real_encoder_exports_with_the_same_logits(pooling: Pooling, tmp_path: Path) -> None:
    if "XSTILTS_MIRROR" not in os.environ:
        pytest.skip("XSTILTS_MIRROR is not set: there is no real encoder to export")
    folder = Path(os.environ["XSTILTS_MIRROR"]) / "models/lab/xlmr-e5-small-6l"
    model = trained_like_model(folder, pooling=pooling)

    head = head_state(model.state_dict(), task="nli")
    export_classifier(folder, head=head, pooling=pooling, labels=LABELS, folder=tmp_path)

    texts = ["Der Hund schläft.", "The quick brown fox jumps. " * 30, "今天天气很好"]
    batch = load_tokenizer(tmp_path)(texts, ["Ein Tier ruht.", "A fox.", "it rains"], padding=True, return_tensors="pt")
    ids_BT, mask_BT = batch["input_ids"], batch["attention_mask"]
    assert largest_difference(model, exported=tmp_path, ids_BT=ids_BT, mask_BT=mask_BT) < 2e-5
