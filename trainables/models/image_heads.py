"""Heads of the kinds with images.

Shapes: B examples, T text tokens, N images of an example, K image tokens of an example (those of its images one after
the other), D the encoder's hidden size, E the size of its word embeddings, V the vision tower's hidden size, L labels,
A answers.
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
"""Initial temperature, and the largest factor of logits (CLIP, arXiv 2103.00020, section 2.5)."""

PLACE_SCALE = 0.5
"""Standard deviation of the vectors that mark an example's images: near that of a new projection's tokens, 0.58."""


class ImageTokens(nn.Module):
    """Converts image features to tokens for the encoder: a norm, a projection, and a vector that marks the image.

    Args:
        vision_size: Feature size V of the vision tower.
        word_size: Size E of the encoder's word embeddings.
        num_images: Number N of images of an example; a single image gets no mark.
    """

    def __init__(self, vision_size: int, *, word_size: int, num_images: int = 1) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(vision_size)
        self.projection = nn.Linear(vision_size, word_size)
        self.places = nn.Embedding(num_images, word_size) if num_images > 1 else None
        if self.places is not None:
            nn.init.normal_(self.places.weight, std=PLACE_SCALE)

    def forward(self, image_features_BKV: Tensor) -> Tensor:
        """Return image tokens, B x K x E."""
        tokens_BKE = self.projection(self.norm(image_features_BKV))
        if self.places is None:
            return tokens_BKE
        num_tokens, num_images = tokens_BKE.shape[1], self.places.num_embeddings
        places_K = torch.arange(num_tokens, device=tokens_BKE.device) * num_images // num_tokens
        return tokens_BKE + self.places(places_K)


class ImageClassificationHead(Head):
    """A label for one or more images and a text: image tokens are before text tokens. Outputs: `logits` (B x L).

    Where a batch has no images, the encoder reads the text alone, and the scorer is the same.
    """

    def __init__(self, scorer: Scorer, *, word_size: int, vision_size: int, num_images: int = 1) -> None:
        super().__init__()
        self.scorer = scorer
        self.image_tokens = ImageTokens(vision_size, word_size=word_size, num_images=num_images)

    def forward(
        self, encoder: Encoder, tensors: Mapping[str, Tensor], image_features_BKV: Tensor | None = None
    ) -> HeadOutput:
        """Return the cross-entropy of each label."""
        image_tokens_BKE = None if image_features_BKV is None else self.image_tokens(image_features_BKV)
        encoded = encoder(tensors["input_ids_BT"], tensors.get("attention_mask_BT"), image_tokens_BKE)
        logits_BL = self.scorer(encoded).float()
        return HeadOutput(cross_entropy(logits_BL, tensors["labels_B"], reduction="none"), {"logits": logits_BL})


class AnswerHead(Head):
    """One of A answers to a question about an image. Outputs: `choices` (B; number of the best answer).

    The target is the credits of the answers, scaled to sum to 1. A question without an answer in the vocabulary has
    loss 0.
    """

    def __init__(self, scorer: Scorer, *, word_size: int, vision_size: int) -> None:
        super().__init__()
        self.scorer = scorer
        self.image_tokens = ImageTokens(vision_size, word_size=word_size)

    def forward(
        self, encoder: Encoder, tensors: Mapping[str, Tensor], image_features_BKV: Tensor | None = None
    ) -> HeadOutput:
        """Return the cross-entropy of the answers of each question."""
        image_tokens_BKE = self.image_tokens(_required(image_features_BKV))
        encoded = encoder(tensors["input_ids_BT"], tensors.get("attention_mask_BT"), image_tokens_BKE)
        logits_BA, credits_BA = self.scorer(encoded).float(), tensors["credits_BA"].float()
        targets_BA = credits_BA / credits_BA.sum(dim=1, keepdim=True).clamp(min=1e-6)
        losses_B = -(targets_BA * log_softmax(logits_BA, dim=1)).sum(dim=1)
        return HeadOutput(losses_B, {"choices": logits_BA.argmax(dim=1)})


class RetrievalHead(Head):
    """Maps texts and images to one space; each text is nearest to its own image (CLIP, arXiv 2103.00020, figure 3).

    Outputs: `texts` and `images` (B x RETRIEVAL_SIZE, of length 1).
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
        """Return for each pair the mean of two cross-entropies: of its image among images, of its text among texts."""
        encoded = encoder(tensors["input_ids_BT"], tensors.get("attention_mask_BT"))
        images_BV = self.image_norm(_required(image_features_BKV)).mean(dim=1)
        texts_BR = normalize(self.text_projection(mean_over_text(encoded)).float(), dim=-1)
        images_BR = normalize(self.image_projection(images_BV).float(), dim=-1)
        logits_BB = self.temperature(texts_BR @ images_BR.T)
        pairs_B = torch.arange(len(logits_BB), device=logits_BB.device)
        text_losses_B = cross_entropy(logits_BB, pairs_B, reduction="none")
        image_losses_B = cross_entropy(logits_BB.T, pairs_B, reduction="none")
        return HeadOutput((text_losses_B + image_losses_B) / 2, {"texts": texts_BR, "images": images_BR})


class Temperature(nn.Module):
    """A learnable factor of logits. It is a separate module, so that ZeRO stage 3 gathers it when it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor([math.log(1 / TEMPERATURE_START)]))

    def forward(self, logits: Tensor) -> Tensor:
        """Return the scaled logits."""
        return logits * self.log_scale.float().exp().clamp(max=MAX_LOGIT_SCALE)


def _required(image_features_BKV: Tensor | None) -> Tensor:
    assert image_features_BKV is not None, "TaskModel gives image features to every kind with images"  # noqa: S101
    return image_features_BKV
