"""The teacher of a distillation: a frozen CLIP text model, texts -> sentence vectors.

One of the few modules that import `transformers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any  # Any: transformers is untyped

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoTokenizer, CLIPTextModelWithProjection

from trainables.errors import CheckpointError
from trainables.models.pretrained.loading_errors import loading
from trainables.models.pretrained.teacher_folder import check_teacher_folder, teacher_size
from trainables.models.transformers_model import quiet_transformers


class Teacher:
    """A frozen CLIP text model on one device.

    Args:
        folder: Its checkpoint: a whole CLIP, or its text model with the projection.
        device: Device that computes.

    Raises:
        CheckpointError: The folder does not hold a CLIP text model.
    """

    def __init__(self, folder: Path, *, device: torch.device) -> None:
        check_teacher_folder(folder)
        loaded: Any
        with loading(folder, what="a teacher", needs="a whole CLIP checkpoint with tokenizer"), quiet_transformers():
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            loaded = CLIPTextModelWithProjection.from_pretrained(
                folder,
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                projection_dim=teacher_size(folder),  # some configurations have it at the top alone
            )
        self._model, report = loaded
        if report["missing_keys"]:
            # transformers would initialise them randomly.
            missing = sorted(report["missing_keys"])
            msg = f"cannot load a teacher from {str(folder)!r}: the weight {missing[0]!r} is missing; copy it again"
            raise CheckpointError(msg, folder=folder, field=missing[0])
        self._model.requires_grad_(requires_grad=False).eval().to(device)
        self._device = device

    @torch.no_grad()
    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the sentence vectors (B x V) in the space that CLIP's texts share with its images.

        Args:
            texts: At least one; what exceeds the length of the model is cut off.
        """
        encoded = self._tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=self._model.config.max_position_embeddings,
            return_tensors="pt",
        )
        tensors = {name: encoded[name].to(self._device) for name in ("input_ids", "attention_mask")}
        return self._model(**tensors).text_embeds.float().cpu().numpy()
