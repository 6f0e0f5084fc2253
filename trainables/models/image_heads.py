"""Heads of the kinds with images: what the encoder reads beside a text, or is compared with.

Shapes: B examples, T text tokens, N images of an example, K image tokens of an example (those of its images one after
the other), D the encoder's hidden size, V the vision tower's, L labels, A answers, E size of the shared space.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax, normalize

from trainables.models.encoder import Encoder
from trainables.models.head import Head, HeadOutput, Scorer, mean_over_text

RETRIEVAL_SIZE = 256
"""Size of the space that texts and images share in `image_text_retrieval`."""

TEMPERATURE_START, MAX_LOGIT_SCALE = 0.07, 100.0
"""First temperature, and the largest factor that logits are scaled by (CLIP, arXiv 2103.00020, section 2.5)."""

PLACE_SCALE = 0.5
"""Deviation of the vectors that tell an example's images apart: near that of a new projection's tokens, 0.58."""


class ImageTokens(nn.Module):
    """Image features as tokens that the encoder reads: a norm, a projection, and which of an example's images it is.

    Args:
        vision_size: V.
        hidden_size: D.
        num_images: N; with one there is nothing to tell apart.
    """

    def __init__(self, vision_size: int, *, hidden_size: int, num_images: int = 1) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(vision_size)
        self.projection = nn.Linear(vision_size, hidden_size)
        self.places = nn.Embedding(num_images, hidden_size) if num_images > 1 else None
        if self.places is not None:
            nn.init.normal_(self.places.weight, std=PLACE_SCALE)

    def forward(self, image_features_BKV: Tensor) -> Tensor:
        """Return image tokens, B x K x D."""
        tokens_BKD = self.projection(self.norm(image_features_BKV))
        if self.places is None:
            return tokens_BKD
        num_tokens, num_images = tokens_BKD.shape[1], self.places.num_embeddings
        places_K = torch.arange(num_tokens, device=tokens_BKD.device) * num_images // num_tokens
        return tokens_BKD + self.places(places_K)


class ImageClassificationHead(Head):
    """A label for one or more images and a text: image tokens stand before the text's. Outputs: `logits` (B x L)."""

    def __init__(self, scorer: Scorer, *, hidden_size: int, vision_size: int, num_images: int = 1) -> None:
        super().__init__()
        self.scorer = scorer
        self.image_tokens = ImageTokens(vision_size, hidden_size=hidden_size, num_images=num_images)

    def forward(
        self, encoder: Encoder, tensors: Mapping[str, Tensor], image_features_BKV: Tensor | None = None
    ) -> HeadOutput:
        """Return the cross-entropy of each label."""
        image_tokens_BKD = self.image_tokens(_given(image_features_BKV))
        encoded = encoder(tensors["input_ids_BT"], tensors["attention_mask_BT"], image_tokens_BKD)
        logits_BL = self.scorer(encoded).float()
        return HeadOutput(cross_entropy(logits_BL, tensors["labels_B"], reduction="none"), {"logits": logits_BL})


class AnswerHead(Head):
    """One of A answers to a question about an image. Outputs: `choices` (B; the best answer's number).

    The target is the answers' credits, scaled to sum to 1; a question none of whose answers is among the A has loss 0.
    """

    def __init__(self, scorer: Scorer, *, hidden_size: int, vision_size: int) -> None:
        super().__init__()
        self.scorer = scorer
        self.image_tokens = ImageTokens(vision_size, hidden_size=hidden_size)

    def forward(
        self, encoder: Encoder, tensors: Mapping[str, Tensor], image_features_BKV: Tensor | None = None
    ) -> HeadOutput:
        """Return the cross-entropy of each question's answers."""
        image_tokens_BKD = self.image_tokens(_given(image_features_BKV))
        encoded = encoder(tensors["input_ids_BT"], tensors["attention_mask_BT"], image_tokens_BKD)
        logits_BA, credits_BA = self.scorer(encoded).float(), tensors["credits_BA"].float()
        targets_BA = credits_BA / credits_BA.sum(dim=1, keepdim=True).clamp(min=1e-6)
        losses_B = -(targets_BA * log_softmax(logits_BA, dim=1)).sum(dim=1)
        return HeadOutput(losses_B, {"choices": logits_BA.argmax(dim=1)})


class RetrievalHead(Head):
    """Texts and images in one space, each text nearest to its own image (CLIP, arXiv 2103.00020, figure 3).

    Outputs: `texts` and `images` (B x E, of length 1).
    """

    def __init__(self, hidden_size: int, *, vision_size: int) -> None:
        super().__init__()
        self.text_projection = nn.Linear(hidden_size, RETRIEVAL_SIZE)
        self.image_norm = nn.LayerNorm(vision_size)
        self.image_projection = nn.Linear(vision_size, RETRIEVAL_SIZE)
        self.temperature = Temperature()

    def forward(
        self, encoder: Encoder, tensors: Mapping[str, Tensor], image_features_BKV: Tensor | None = None
    ) -> HeadOutput:
        """Return for each pair the mean of two cross-entropies: its image among images, its text among texts."""
        encoded = encoder(tensors["input_ids_BT"], tensors["attention_mask_BT"])
        images_BV = self.image_norm(_given(image_features_BKV)).mean(dim=1)
        texts_BE = normalize(self.text_projection(mean_over_text(encoded)).float(), dim=-1)
        images_BE = normalize(self.image_projection(images_BV).float(), dim=-1)
        logits_BB = self.temperature(texts_BE @ images_BE.T)
        pairs_B = torch.arange(len(logits_BB), device=logits_BB.device)
        text_losses_B = cross_entropy(logits_BB, pairs_B, reduction="none")
        image_losses_B = cross_entropy(logits_BB.T, pairs_B, reduction="none")
        return HeadOutput((text_losses_B + image_losses_B) / 2, {"texts": texts_BE, "images": images_BE})


class Temperature(nn.Module):
    """A learnable factor on logits; a module of its own, so that ZeRO stage 3 gathers it when it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor([math.log(1 / TEMPERATURE_START)]))

    def forward(self, logits: Tensor) -> Tensor:
        """Return the scaled logits."""
        return logits * self.log_scale.float().exp().clamp(max=MAX_LOGIT_SCALE)


def _given(image_features_BKV: Tensor | None) -> Tensor:
    assert image_features_BKV is not None, "TaskModel gives image features to every kind with images"  # noqa: S101
    return image_features_BKV
