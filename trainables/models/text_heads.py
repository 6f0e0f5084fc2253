"""The heads of the kinds without images. A head runs the encoder and returns a loss for each example.

Losses are per example and never reduced. So the training loop gives examples equal weights, however a batch is split
into micro-batches and ranks. (Only `image_text_retrieval` couples the examples of a batch: `couples_examples`.)

The heads of the kinds with images are in `trainables/models/image_heads.py`.

Shapes: B examples, T text tokens, K image tokens, C choices, D the encoder's hidden size, E the size of its word
embeddings, V the size of a teacher's vectors, L labels, Tm masked tokens of a batch, W words of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gelu, mse_loss, normalize

from trainables.data.batches import PREDICTED
from trainables.errors import ConfigError
from trainables.models.encoder import Encoder
from trainables.models.families.family import EncoderShape
from trainables.models.head import Head, HeadOutput, Pooling, Scorer, encoded_texts, mean_over_text
from trainables.models.image_heads import AnswerHead, ImageClassificationHead, RetrievalHead
from trainables.tasks.spec import TaskSpec

MAX_ANSWER_TOKENS = 30
"""Longest answer of `span_qa`, in tokens (SQuAD script of Devlin et al. 2019: 30)."""


def build_head(
    spec: TaskSpec,
    *,
    shape: EncoderShape,
    pooling: Pooling,
    dropout: float,
    vision_size: int | None = None,
    teacher_size: int | None = None,
) -> Head:
    """Return a new head for a task, initialised from torch's global random state.

    Linear layers have torch's initialisation, uniform within 1 / sqrt(inputs). For XLM-R Large's hidden size this is a
    standard deviation of 0.018, near BERT's 0.02. A fixed 0.02 is too small for a narrow encoder: on the miniature
    (hidden size 128), 800 steps of NLI reached 58.0 % in English with it and 75.4 % without it.

    Args:
        spec: The task; its kind selects the head, and its labels give the number of classes.
        shape: The encoder: its sizes, and the form of a classification head that it can export.
        pooling: How a text becomes one vector.
        dropout: Dropout probability in the head.
        vision_size: Feature size V of the vision tower; kinds with images need it.
        teacher_size: Size of the teacher's vectors; distillation needs it.

    Raises:
        ConfigError: A kind with images has no vision tower, distillation has no teacher, or a kind with labels has
            fewer than two labels.
    """
    head: Head
    hidden_size = shape.hidden_size
    match spec.kind:
        case "sentence_pair":
            head = SentencePairHead(Scorer(shape, num_outputs=_num_labels(spec), pooling=pooling, dropout=dropout))
        case "multiple_choice":
            head = MultipleChoiceHead(Scorer(shape, num_outputs=1, pooling=pooling, dropout=dropout))
        case "span_qa":
            head = SpanHead(hidden_size, dropout=dropout)
        case "tagging":
            head = TaggingHead(hidden_size, num_labels=_num_labels(spec), dropout=dropout)
        case "image_classification" | "image_pair_classification" | "visual_question_answering":
            num_outputs = spec.num_answers or _num_labels(spec)
            scorer = Scorer(shape, num_outputs=num_outputs, pooling=pooling, dropout=dropout)
            head = _image_head(spec, scorer, word_size=shape.word_size, vision_size=_vision_size(spec, vision_size))
        case "image_text_retrieval":
            head = RetrievalHead(hidden_size, vision_size=_vision_size(spec, vision_size))
        case "masked_lm":
            head = MaskedLMHead(shape)
        case "distillation":
            head = DistillationHead(hidden_size, teacher_size=_teacher_size(spec, teacher_size), pooling=pooling)
        case "text_retrieval":
            head = MeanStateHead()
        case _:
            assert_never(spec.kind)
    return head


class SentencePairHead(Head):
    """A label for a text or a pair. Outputs: `logits` (B x L)."""

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.scorer = scorer

    def forward(
        self, encoder: Encoder, tensors: Mapping[str, Tensor], image_features_BKV: Tensor | None = None
    ) -> HeadOutput:
        """Return the cross-entropy of each label."""
        del image_features_BKV
        logits_BL = self.scorer(encoded_texts(encoder, tensors)).float()
        return HeadOutput(cross_entropy(logits_BL, tensors["labels_B"], reduction="none"), {"logits": logits_BL})


class MultipleChoiceHead(Head):
    """The best of C choices, each encoded as a separate text. Outputs: `logits` (B x C)."""

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.scorer = scorer

    def forward(
        self, encoder: Encoder, tensors: Mapping[str, Tensor], image_features_BKV: Tensor | None = None
    ) -> HeadOutput:
        """Return the cross-entropy of the right choice of each example."""
        del image_features_BKV
        texts = {name.replace("_BC", "_B"): tensors[name].flatten(0, 1) for name in tensors if "_BCT" in name}
        logits_BC = self.scorer(encoded_texts(encoder, texts)).float().view(tensors["input_ids_BCT"].shape[:2])
        return HeadOutput(cross_entropy(logits_BC, tensors["labels_B"], reduction="none"), {"logits": logits_BC})


class TaggingHead(Head):
    """A tag for each word, predicted at its first token. Outputs: `tags` (B x T; the best class at every token).

    An example without tagged words has loss 0.
    """

    def __init__(self, hidden_size: int, *, num_labels: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.out_proj = nn.Linear(hidden_size, num_labels)

    def forward(
        self, encoder: Encoder, tensors: Mapping[str, Tensor], image_features_BKV: Tensor | None = None
    ) -> HeadOutput:
        """Return each example's mean cross-entropy over its tagged words."""
        del image_features_BKV
        encoded = encoded_texts(encoder, tensors)
        logits_BTL = self.out_proj(self.dropout(encoded.text_BTD)).float()
        targets_BT = tensors["targets_BT"]
        losses_BT = cross_entropy(logits_BTL.transpose(1, 2), targets_BT, reduction="none")
        num_tagged_B = (targets_BT >= 0).sum(dim=1)
        return HeadOutput(losses_BT.sum(dim=1) / num_tagged_B.clamp(min=1), {"tags": logits_BTL.argmax(dim=-1)})


class SpanHead(Head):
    """First and last token of an answer in the context; both are `<s>` where the window holds no answer.

    Outputs: `starts` and `ends` (B; token positions of the best span of the context, both inclusive; 0 without a
    context), `span_logits` (B; sum of the two logits, for comparing the windows of a long context), `start_logits` and
    `end_logits` (B; the two logits), `null_logits` (B; sum of the logits for no answer).
    """

    def __init__(self, hidden_size: int, *, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.out_proj = nn.Linear(hidden_size, 2)

    def forward(
        self, encoder: Encoder, tensors: Mapping[str, Tensor], image_features_BKV: Tensor | None = None
    ) -> HeadOutput:
        """Return the mean cross-entropy of first and last token, over the tokens of the context and `<s>`."""
        del image_features_BKV
        encoded = encoded_texts(encoder, tensors)
        logits_BT2 = self.out_proj(self.dropout(encoded.text_BTD)).float()
        outside_BT1 = ~tensors["span_mask_BT"].bool()[:, :, None]
        # The lowest finite number, not -inf: a row without allowed tokens must not become NaN.
        logits_BT2 = logits_BT2.masked_fill(outside_BT1, torch.finfo(torch.float32).min)
        starts_BT, ends_BT = logits_BT2.unbind(-1)
        start_losses_B = cross_entropy(starts_BT, tensors["starts_B"], reduction="none")
        end_losses_B = cross_entropy(ends_BT, tensors["ends_B"], reduction="none")
        with torch.no_grad():
            outputs = best_spans(starts_BT, end_logits_BT=ends_BT)
        return HeadOutput((start_losses_B + end_losses_B) / 2, outputs)


class MaskedLMHead(Head):
    """Predicts masked tokens with XLM-R's LM head; its decoder is the encoder's own word embeddings.

    Outputs: `correct` and `total` (B; tokens). The vocabulary is scored only at masked positions. An example without
    masked tokens has loss 0.
    """

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.dense = nn.Linear(shape.hidden_size, shape.word_size)
        self.norm = nn.LayerNorm(shape.word_size)
        self.word_bias = WordBias(shape.vocab_size)

    def forward(
        self, encoder: Encoder, tensors: Mapping[str, Tensor], image_features_BKV: Tensor | None = None
    ) -> HeadOutput:
        """Return each example's mean cross-entropy over its masked tokens."""
        del image_features_BKV
        encoded = encoded_texts(encoder, tensors)
        targets_BT = tensors["targets_BT"]
        masked_BT = targets_BT >= 0
        # A GPU would have to count the masked tokens before Python can continue; prepared batches have them counted.
        predicted_Tm = tensors[PREDICTED] if PREDICTED in tensors else masked_BT.flatten().nonzero()[:, 0]
        targets_Tm, examples_Tm = targets_BT.flatten()[predicted_Tm], predicted_Tm // targets_BT.shape[1]
        vectors_TmE = self.norm(gelu(self.dense(encoded.text_BTD.flatten(0, 1)[predicted_Tm])))
        logits_TmW = self.word_bias(encoder.score_words(vectors_TmE)).float()
        losses_Tm = cross_entropy(logits_TmW, targets_Tm, reduction="none")
        total_B = masked_BT.sum(dim=1)
        sums_B = losses_Tm.new_zeros(len(total_B)).index_add(0, examples_Tm, losses_Tm)
        hits_Tm = (logits_TmW.argmax(dim=-1) == targets_Tm).long()
        correct_B = torch.zeros_like(total_B).index_add(0, examples_Tm, hits_Tm)
        return HeadOutput(sums_B / total_B.clamp(min=1), {"correct": correct_B, "total": total_B})


class DistillationHead(Head):
    """A projection of a text's pooled states to the teacher's vector. Outputs: `student`, `teacher` (B x V, length 1).

    The loss is the mean squared error (Reimers and Gurevych 2020, arXiv 2004.09813, section 2).

    Args:
        hidden_size: Hidden size of the encoder.
        teacher_size: Size of the teacher's vectors.
        pooling: Mean over the text's tokens, or its first token.
    """

    def __init__(self, hidden_size: int, *, teacher_size: int, pooling: Pooling) -> None:
        super().__init__()
        self._has_mean = pooling == "mean"
        self.projection = nn.Linear(hidden_size, teacher_size)

    def forward(
        self, encoder: Encoder, tensors: Mapping[str, Tensor], image_features_BKV: Tensor | None = None
    ) -> HeadOutput:
        """Return the mean squared error of each vector."""
        del image_features_BKV
        encoded = encoded_texts(encoder, tensors)
        pooled_BD = mean_over_text(encoded) if self._has_mean else encoded.text_BTD[:, 0]
        student_BV, teacher_BV = self.projection(pooled_BD).float(), tensors["teacher_vectors_BV"].float()
        losses_B = mse_loss(student_BV, teacher_BV, reduction="none").mean(dim=1)
        outputs = {"student": normalize(student_BV, dim=-1), "teacher": normalize(teacher_BV, dim=-1)}
        return HeadOutput(losses_B, outputs)


class MeanStateHead(Head):
    """The mean of a layer's states, with which XTREME compares sentences. It has no weights and needs no training.

    Outputs: `vectors` (B x D). The loss is 0.

    Args:
        layer: Layer whose states are used. None: one above the middle, as in XTREME for 12 and 24 layers (7 and 13 in
            `run_tatoeba.sh`).
    """

    def __init__(self, layer: int | None = None) -> None:
        super().__init__()
        self.layer = layer

    def forward(
        self, encoder: Encoder, tensors: Mapping[str, Tensor], image_features_BKV: Tensor | None = None
    ) -> HeadOutput:
        """Return the mean states."""
        del image_features_BKV
        layer = self.layer or encoder.num_layers // 2 + 1
        encoded = encoder(tensors["input_ids_BT"], tensors.get("attention_mask_BT"), num_layers=layer)
        vectors_BD = mean_over_text(encoded).float()
        return HeadOutput(vectors_BD.new_zeros(len(vectors_BD)), {"vectors": vectors_BD})


class WordBias(nn.Module):
    """A bias for each word. It is a separate module, so that ZeRO stage 3 gathers it when it is called."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, logits_TmW: Tensor) -> Tensor:
        """Return the logits with the bias added."""
        return logits_TmW + self.bias


def best_spans(start_logits_BT: Tensor, *, end_logits_BT: Tensor) -> dict[str, Tensor]:
    """Return the best span of each example with at most `MAX_ANSWER_TOKENS` tokens; `SpanHead` lists the outputs.

    Args:
        start_logits_BT: Scores of first tokens. Position 0 is `<s>`, which means no answer and is never a span.
        end_logits_BT: Scores of last tokens.
    """
    num_tokens = start_logits_BT.shape[1]
    allowed_TT = torch.ones(num_tokens, num_tokens, dtype=torch.bool, device=start_logits_BT.device)
    allowed_TT = allowed_TT.triu().tril(MAX_ANSWER_TOKENS - 1)
    allowed_TT[0] = False
    scores_BTT = start_logits_BT[:, :, None] + end_logits_BT[:, None, :]
    # Two masked tokens sum to -inf, so a text without context has no finite span: the result is then position 0.
    span_logits_B, best_B = scores_BTT.masked_fill(~allowed_TT, -torch.inf).flatten(1).max(dim=1)
    best_B = torch.where(span_logits_B.isfinite(), best_B, 0)
    starts_B, ends_B = best_B // num_tokens, best_B % num_tokens
    return {
        "starts": starts_B,
        "ends": ends_B,
        "span_logits": span_logits_B,
        "start_logits": start_logits_BT.gather(1, starts_B[:, None])[:, 0],
        "end_logits": end_logits_BT.gather(1, ends_B[:, None])[:, 0],
        "null_logits": start_logits_BT[:, 0] + end_logits_BT[:, 0],
    }


def _image_head(spec: TaskSpec, scorer: Scorer, *, word_size: int, vision_size: int) -> Head:
    if spec.num_answers:
        return AnswerHead(scorer, word_size=word_size, vision_size=vision_size)
    num_images = len(spec.image_columns)
    return ImageClassificationHead(scorer, word_size=word_size, vision_size=vision_size, num_images=num_images)


def _num_labels(spec: TaskSpec) -> int:
    if len(spec.labels) < 2:  # noqa: PLR2004
        rule = f"{list(spec.labels)} has {len(spec.labels)} names, but kind {spec.kind} needs at least 2 classes"
        msg = f"{rule}; list the names of all classes"
        raise ConfigError(f"tasks.{spec.name}.labels", msg)
    return len(spec.labels)


def _teacher_size(spec: TaskSpec, teacher_size: int | None) -> int:
    if teacher_size is None:
        raise ConfigError("teacher", f"is missing, but task {spec.name!r} learns its vectors; name a CLIP text model")
    return teacher_size


def _vision_size(spec: TaskSpec, vision_size: int | None) -> int:
    if vision_size is None:
        raise ConfigError("vision", f"is missing, but task {spec.name!r} has images; add a vision tower to the phase")
    return vision_size
