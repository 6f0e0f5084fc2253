"""A small CLIP with random weights, whose text model teaches, beside the words of the tiny tokenizer."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import CLIPConfig, CLIPModel, CLIPTextModelWithProjection

VECTOR_SIZE = 24


def write_teacher(folder: Path, *, tokenizer: Path, whole: bool = False, seed: int = 0) -> Path:
    """Write a teacher's folder.

    Args:
        folder: The folder.
        tokenizer: Folder of an encoder whose tokenizer.json the teacher has too.
        whole: Whether to write a whole CLIP instead of its text model; both have the same text weights.
        seed: Seed of the weights.
    """
    sizes: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1}
    sizes |= {"num_attention_heads": 2, "projection_dim": VECTOR_SIZE}
    text = sizes | {"vocab_size": 8_000, "max_position_embeddings": 24, "bos_token_id": 0, "eos_token_id": 2}
    vision = sizes | {"image_size": 16, "patch_size": 8}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        clip = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=VECTOR_SIZE))
    # As transformers initialises them, words are so alike that all texts have nearly the same vector.
    with torch.no_grad():
        clip.text_model.embeddings.token_embedding.weight.mul_(50)
    if whole:
        clip.save_pretrained(folder)
    else:
        model = CLIPTextModelWithProjection(clip.config.text_config)
        model.load_state_dict({name: clip.state_dict()[name] for name in model.state_dict()})
        model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tokenizer / name, folder / name)
    return folder
