"""The heads: one for each kind of task. A head reads the encoder and returns a loss for each example.

Losses are per example, never reduced, so that the training loop weighs examples alike however a batch is split into
micro-batches and ranks (only `image_text_retrieval` couples the examples of a batch; its kind says so).

Those of the kinds with images are in `trainables/models/image_heads.py`.

Shapes: B examples, T text tokens, K image tokens, C choices, D the encoder's hidden size, V the vision tower's,
L labels, Tm masked tokens of a batch, W words of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gelu

from trainables.errors import ConfigError
from trainables.models.encoder import Encoder
from trainables.models.head import Head, HeadOutput, Pooling, Scorer, mean_over_text
from trainables.models.image_heads import AnswerHead, ImageClassificationHead, RetrievalHead
from trainables.tasks.spec import TaskSpec

MAX_ANSWER_TOKENS = 30
"""Longest answer that `span_qa` gives (Devlin et al. 2019's SQuAD script: 30)."""


def build_head(
    spec: TaskSpec,
    *,
    hidden_size: int,
    vocab_size: int,
    pooling: Pooling,
    dropout: float,
    vision_size: int | None = None,
) -> Head:
    """Return a new head for a task, drawn from torch's global random state.

    Linear layers start as torch starts them, uniform within 1 / sqrt(inputs): a deviation of 0.018 at XLM-R Large's
    width, near BERT's 0.02. A fixed 0.02 is too small for a narrow encoder: on the miniature (width 128) 800 steps of
    NLI reached 58.0 % in English with it and 75.4 % without.

    Args:
        spec: The task; its kind selects the head, its labels give the number of classes.
        hidden_size: D of the encoder.
        vocab_size: W of the encoder.
        pooling: How a text becomes one vector.
        dropout: Probability in the head.
        vision_size: V of the vision tower; needed by kinds with images.

    Raises:
        ConfigError: A kind with images has no vision tower, or a kind with labels has fewer than two.
    """
    head: Head
    match spec.kind:
        case "sentence_pair":
            head = SentencePairHead(
                Scorer(hidden_size, num_outputs=_num_labels(spec), pooling=pooling, dropout=dropout)
            )
        case "multiple_choice":
            head = MultipleChoiceHead(Scorer(hidden_size, num_outputs=1, pooling=pooling, dropout=dropout))
        case "span_qa":
            head = SpanHead(hidden_size, dropout=dropout)
        case "tagging":
            head = TaggingHead(hidden_size, num_labels=_num_labels(spec), dropout=dropout)
        case "image_classification" | "image_pair_classification":
            head = ImageClassificationHead(
                Scorer(hidden_size, num_outputs=_num_labels(spec), pooling=pooling, dropout=dropout),
                hidden_size=hidden_size,
                vision_size=_vision_size(spec, vision_size),
                num_images=len(spec.image_columns),
            )
        case "visual_question_answering":
            head = AnswerHead(
                Scorer(hidden_size, num_outputs=spec.num_answers or 0, pooling=pooling, dropout=dropout),
                hidden_size=hidden_size,
                vision_size=_vision_size(spec, vision_size),
            )
        case "image_text_retrieval":
            head = RetrievalHead(hidden_size, vision_size=_vision_size(spec, vision_size))
        case "masked_lm":
            head = MaskedLMHead(hidden_size, vocab_size=vocab_size)
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
        logits_BL = self.scorer(encoder(tensors["input_ids_BT"], tensors["attention_mask_BT"])).float()
        return HeadOutput(cross_entropy(logits_BL, tensors["labels_B"], reduction="none"), {"logits": logits_BL})


class MultipleChoiceHead(Head):
    """The best of C choices, each read as its own text. Outputs: `logits` (B x C)."""

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.scorer = scorer

    def forward(
        self, encoder: Encoder, tensors: Mapping[str, Tensor], image_features_BKV: Tensor | None = None
    ) -> HeadOutput:
        """Return the cross-entropy of each right choice among its choices."""
        del image_features_BKV
        input_ids_BCT = tensors["input_ids_BCT"]
        encoded = encoder(input_ids_BCT.flatten(0, 1), tensors["attention_mask_BCT"].flatten(0, 1))
        logits_BC = self.scorer(encoded).float().view(input_ids_BCT.shape[:2])
        return HeadOutput(cross_entropy(logits_BC, tensors["labels_B"], reduction="none"), {"logits": logits_BC})


class TaggingHead(Head):
    """A tag for each word, read at its first token. Outputs: `tags` (B x T; the best class at every token).

    An example without any tagged word has loss 0.
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
        encoded = encoder(tensors["input_ids_BT"], tensors["attention_mask_BT"])
        logits_BTL = self.out_proj(self.dropout(encoded.text_BTD)).float()
        targets_BT = tensors["targets_BT"]
        losses_BT = cross_entropy(logits_BTL.transpose(1, 2), targets_BT, reduction="none")
        num_tagged_B = (targets_BT >= 0).sum(dim=1)
        return HeadOutput(losses_BT.sum(dim=1) / num_tagged_B.clamp(min=1), {"tags": logits_BTL.argmax(dim=-1)})


class SpanHead(Head):
    """An answer's first and last token among the context's, or `<s>` twice where the text holds no answer.

    Outputs: `starts` and `ends` (B; token positions of the best span of the context, both inclusive; 0 where there is
    no context), `span_logits` (B; their sum of logits, which compares the windows of one long context),
    `start_logits` and `end_logits` (B; its two parts), `null_logits` (B; the sum of logits for no answer).
    """

    def __init__(self, hidden_size: int, *, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.out_proj = nn.Linear(hidden_size, 2)

    def forward(
        self, encoder: Encoder, tensors: Mapping[str, Tensor], image_features_BKV: Tensor | None = None
    ) -> HeadOutput:
        """Return the mean of the cross-entropies of first and last token, over the context's tokens and `<s>`."""
        del image_features_BKV
        encoded = encoder(tensors["input_ids_BT"], tensors["attention_mask_BT"])
        logits_BT2 = self.out_proj(self.dropout(encoded.text_BTD)).float()
        outside_BT1 = ~tensors["span_mask_BT"].bool()[:, :, None]
        # The lowest finite number, not -inf: a row without any allowed token must not turn into NaN.
        logits_BT2 = logits_BT2.masked_fill(outside_BT1, torch.finfo(torch.float32).min)
        starts_BT, ends_BT = logits_BT2.unbind(-1)
        start_losses_B = cross_entropy(starts_BT, tensors["starts_B"], reduction="none")
        end_losses_B = cross_entropy(ends_BT, tensors["ends_B"], reduction="none")
        with torch.no_grad():
            outputs = best_spans(starts_BT, end_logits_BT=ends_BT)
        return HeadOutput((start_losses_B + end_losses_B) / 2, outputs)


class MaskedLMHead(Head):
    """The hidden tokens, by XLM-R's LM head whose decoder is the encoder's own word embeddings.

    Outputs: `correct` and `total` (B; tokens). The vocabulary is scored at masked positions only. An example without
    any masked token has loss 0.
    """

    def __init__(self, hidden_size: int, *, vocab_size: int) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden_size, hidden_size)
        self.norm = nn.LayerNorm(hidden_size)
        self.word_bias = WordBias(vocab_size)

    def forward(
        self, encoder: Encoder, tensors: Mapping[str, Tensor], image_features_BKV: Tensor | None = None
    ) -> HeadOutput:
        """Return each example's mean cross-entropy over its masked tokens."""
        del image_features_BKV
        encoded = encoder(tensors["input_ids_BT"], tensors["attention_mask_BT"])
        masked_BT = tensors["targets_BT"] >= 0
        targets_Tm, examples_Tm = tensors["targets_BT"][masked_BT], masked_BT.nonzero()[:, 0]
        hidden_TmD = self.norm(gelu(self.dense(encoded.text_BTD[masked_BT])))
        logits_TmW = self.word_bias(encoder.score_words(hidden_TmD)).float()
        losses_Tm = cross_entropy(logits_TmW, targets_Tm, reduction="none")
        total_B = masked_BT.sum(dim=1)
        sums_B = losses_Tm.new_zeros(len(total_B)).index_add(0, examples_Tm, losses_Tm)
        hits_Tm = (logits_TmW.argmax(dim=-1) == targets_Tm).long()
        correct_B = torch.zeros_like(total_B).index_add(0, examples_Tm, hits_Tm)
        return HeadOutput(sums_B / total_B.clamp(min=1), {"correct": correct_B, "total": total_B})


class MeanStateHead(Head):
    """The mean of a layer's states: what XTREME compares sentences by. Without weights, so there is nothing to train.

    Outputs: `vectors` (B x D). The loss is 0.

    Args:
        layer: Layer whose states are taken; None: one above the middle, as XTREME does for 12 and 24 layers (7 and 13
            in `run_tatoeba.sh`).
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
        encoded = encoder(tensors["input_ids_BT"], tensors["attention_mask_BT"], num_layers=layer)
        vectors_BD = mean_over_text(encoded).float()
        return HeadOutput(vectors_BD.new_zeros(len(vectors_BD)), {"vectors": vectors_BD})


class WordBias(nn.Module):
    """A bias for each word; a module of its own, so that ZeRO stage 3 gathers it when it is called."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, logits_TmW: Tensor) -> Tensor:
        """Return the logits with the bias added."""
        return logits_TmW + self.bias


def best_spans(start_logits_BT: Tensor, *, end_logits_BT: Tensor) -> dict[str, Tensor]:
    """Return the best span of each example with at most `MAX_ANSWER_TOKENS` tokens, as `SpanHead` documents it.

    Args:
        start_logits_BT: Scores of first tokens; the first is `<s>`'s, which stands for no answer and is no span.
        end_logits_BT: Scores of last tokens.
    """
    num_tokens = start_logits_BT.shape[1]
    allowed_TT = torch.ones(num_tokens, num_tokens, dtype=torch.bool, device=start_logits_BT.device)
    allowed_TT = allowed_TT.triu().tril(MAX_ANSWER_TOKENS - 1)
    allowed_TT[0] = False
    scores_BTT = start_logits_BT[:, :, None] + end_logits_BT[:, None, :]
    # Two masked tokens sum to -inf, so a text without context has no finite span: place 0 then says so.
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


def _num_labels(spec: TaskSpec) -> int:
    if len(spec.labels) < 2:  # noqa: PLR2004
        msg = f"{list(spec.labels)} has fewer than 2 names; kind {spec.kind} predicts one of them; name them all"
        raise ConfigError(f"tasks.{spec.name}.labels", msg)
    return len(spec.labels)


def _vision_size(spec: TaskSpec, vision_size: int | None) -> int:
    if vision_size is None:
        raise ConfigError("vision", f"is missing, but task {spec.name!r} has images; add a vision tower to the phase")
    return vision_size
